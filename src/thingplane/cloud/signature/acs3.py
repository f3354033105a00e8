"""ACS3-HMAC-SHA256: a signature over method, path, query, headers and body, carried in the Authorization header."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

ALGORITHM: Final = "ACS3-HMAC-SHA256"
_PART = re.compile(r"\s*(Credential|SignedHeaders|Signature)=([^,\s]+)\s*")


class Authorization(NamedTuple):
    """The parts of the Authorization header."""

    access_key_id: str
    signed_headers: str
    signature: str


def parse_authorization(value: str) -> Authorization | None:
    """Take apart what follows the algorithm in the header; None when it is malformed.

    The official SDKs do not agree on an order: the older one for Java names the signed headers last.
    """
    parts: dict[str, str] = {}
    for text in value.split(","):
        part = _PART.fullmatch(text)
        if part is None or part[1] in parts:
            return None
        parts[part[1]] = part[2]
    if len(parts) < len(Authorization._fields):
        return None
    return Authorization(parts["Credential"], parts["SignedHeaders"], parts["Signature"])


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], *, signed_headers: str, payload_hash: str
) -> str:
    """Return the text whose hash is signed.

    The block of headers ends with a line break of its own, so an empty line precedes the names of the signed headers.
    """
    lines = "".join([f"{name}:{headers.get(name, '').strip()}\n" for name in signed_headers.split(";")])
    return f"{method}\n{path or '/'}\n{query}\n{lines}\n{signed_headers}\n{payload_hash}"


def string_to_sign(request: str) -> str:
    """Return what is signed for a canonical request."""
    return f"{ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"


def sign(text: str, secret: str) -> str:
    """Return the hexadecimal signature of a string to sign."""
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()

"""Signed upload policies, as object stores check them: who has one may put one file under one key, for a minute."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from typing import Any, Final

import msgspec

from thingplane.cloud.times import utc

LIFETIME_MS: Final = 60_000
"""Time until an upload has to begin (guide: GenerateOTAUploadURL)."""


class Policy(msgspec.Struct, frozen=True):
    """What a policy allows."""

    key: str
    """The key of the object."""
    most: int
    """Bytes that it may have."""
    expires: int
    """Epoch milliseconds."""


class PolicyError(Exception):
    """A form has no valid policy; ``code`` is what object stores call the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Document(msgspec.Struct):
    expiration: str
    conditions: list[Any]


class PolicySigner:
    """Makes and checks policies: HMAC-SHA1 over their Base64 text, as the vendor's object store does."""

    def __init__(self, secret: str) -> None:
        """Take the key that signs."""
        self._secret = secret.encode()
        self.access_key_id: Final = "TP" + hashlib.sha256(self._secret).hexdigest()[:14]
        """Names the signing key; tells nothing about it."""

    def make(self, policy: Policy) -> tuple[str, str]:
        """Return policy and signature as form fields."""
        conditions = [["content-length-range", 1, policy.most], ["eq", "$key", policy.key]]
        document = {"expiration": utc(policy.expires), "conditions": conditions}
        text = base64.b64encode(msgspec.json.encode(document)).decode()
        return text, self._sign(text)

    def check(self, form: dict[str, str], now: int) -> Policy:
        """Return what the fields of a form, by their names in lower case, allow.

        Raises:
            PolicyError: nothing.
        """
        text, signature = form.get("policy", ""), form.get("signature", "")
        access_key_id = form.get("ossaccesskeyid") or form.get("accesskeyid", "")
        if not text or not signature or not access_key_id:
            raise PolicyError("AccessDenied", "policy, signature and OSSAccessKeyId are needed")
        if access_key_id != self.access_key_id:
            raise PolicyError("InvalidAccessKeyId", "there is no such OSSAccessKeyId")
        if not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            raise PolicyError("SignatureDoesNotMatch", "the signature is not that of the policy")
        policy = _read(text)
        if now >= policy.expires:
            raise PolicyError("AccessDenied", "the policy has expired")
        if form.get("key") != policy.key:
            raise PolicyError("AccessDenied", "the policy is for another key")
        return policy

    def _sign(self, text: str) -> str:
        return base64.b64encode(hmac.digest(self._secret, text.encode(), "sha1")).decode()


def _read(text: str) -> Policy:
    """Read a policy that this platform has signed."""
    try:
        document = msgspec.json.decode(base64.b64decode(text, validate=True), type=_Document)
    except (binascii.Error, msgspec.DecodeError) as error:
        raise PolicyError("InvalidPolicyDocument", "the policy cannot be read") from error
    (_, _, most), (_, _, key) = document.conditions
    return Policy(key, most, int(datetime.fromisoformat(document.expiration).timestamp() * 1000))

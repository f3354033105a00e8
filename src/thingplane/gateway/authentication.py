"""Who connects: the clientId with its extended parameters, the user name and the signature.

Rules: device-protocol reference, 1.3 to 1.5 and 13.
"""

import hmac
import re
from typing import Final

import msgspec

from thingplane.mqtt import ConnackCode

MAX_CLIENT_ID: Final = 64
"""Characters before the first vertical bar."""

_DIGESTS: Final = {"hmacmd5": "md5", "hmacsha1": "sha1", "hmacsha256": "sha256"}
_SECURE_MODES: Final = {"2", "3"}
# Registration, token and ID2 connections; -1 is MQTT after HTTPS authentication, 8 is ID2.
_OTHER_SECURE_MODES: Final = {"-2", "-1", "8"}
_PRODUCT_KEY: Final = re.compile(r"[A-Za-z0-9]{1,20}")
_DEVICE_NAME: Final = re.compile(r"[A-Za-z0-9\-_@.:]{1,64}")


class RefusedError(Exception):
    """The connection has to be refused.

    Attributes:
        code: CONNACK code as in device-protocol 1.5 (or a reason code of MQTT 5).
        reason: short key of the cause, for metrics and logs.
    """

    def __init__(self, code: int, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.code = code
        self.reason = reason


class ClientId(msgspec.Struct, frozen=True):
    """A clientId taken apart: ``{cid}|{key}={value},…|``."""

    cid: str
    parameters: dict[str, str]


class Credentials(msgspec.Struct, frozen=True):
    """What a CONNECT packet says about the device."""

    product_key: str
    device_name: str
    client_id: ClientId
    password: bytes = b""

    def __repr__(self) -> str:
        return f"Credentials({self.product_key!r}, {self.device_name!r})"

    @property
    def extensions(self) -> int:
        """The ``ext`` bitmap: bit 0 = RRPC on ``/ext/rrpc/…``, bit 1 = notices on ``/ext/error/…``."""
        value = self.client_id.parameters.get("ext", "")
        return int(value) if value.isdecimal() and value.isascii() and len(value) < 10 else 0


def parse_client_id(text: str) -> ClientId:
    """Take a clientId apart. Unknown keys and empty items are allowed; of a repeated key the last counts.

    Raises:
        RefusedError: code 2; no cid or a too long one, an item without ``=``, or text after the second bar.
    """
    cid, bar, rest = text.partition("|")
    if not cid or len(cid) > MAX_CLIENT_ID:
        raise _malformed(f"the part before the bar must have 1 to {MAX_CLIENT_ID} characters")
    parameters: dict[str, str] = {}
    if bar:
        listing, end, surplus = rest.partition("|")
        if not end or surplus:
            raise _malformed("extended parameters must end with a bar")
        for item in listing.split(","):
            key, equals, value = item.partition("=")
            if equals and key:
                parameters[key] = value
            elif item:
                raise _malformed("an extended parameter has no key or no value")
    return ClientId(cid, parameters)


def read_credentials(client_id: str, username: str | None, password: bytes | None) -> Credentials:
    """Read the connect parameters of the one-secret-per-device scheme.

    Raises:
        RefusedError: code 2 for a malformed clientId, code 4 for a user name that is not ``deviceName&productKey`` and
            for ways of authentication that are not offered.
    """
    parsed = parse_client_id(client_id)
    parameters = parsed.parameters
    auth_type = parameters.get("authType", parameters.get("authtype", ""))
    secure_mode = parameters.get("securemode", "")
    if auth_type or secure_mode in _OTHER_SECURE_MODES:
        raise RefusedError(
            ConnackCode.BAD_USER_NAME_OR_PASSWORD,
            "auth_type",
            f"authentication type {auth_type or 'of securemode ' + secure_mode} is not offered",
        )
    if secure_mode and secure_mode not in _SECURE_MODES:
        raise _malformed("securemode must be 2 or 3")
    name, ampersand, product_key = (username or "").partition("&")
    if not ampersand or not _DEVICE_NAME.fullmatch(name) or not _PRODUCT_KEY.fullmatch(product_key):
        raise RefusedError(ConnackCode.BAD_USER_NAME_OR_PASSWORD, "username", "not deviceName&productKey")
    return Credentials(product_key, name, parsed, password or b"")


def signature(credentials: Credentials, secret: str) -> str | None:
    """Return the password that belongs to the connect parameters, in lower-case hexadecimal digits.

    Signed are clientId (before the bar), deviceName, productKey and, if it was sent, timestamp. Without signmethod it
    is an HMAC-MD5.

    Returns:
        None when the signing method is unknown. ``sha256``, which the vendor lists without defining it, is.
    """
    parameters = credentials.client_id.parameters
    digest = _DIGESTS.get(parameters.get("signmethod", "hmacmd5").lower())
    if digest is None:
        return None
    content = (
        f"clientId{credentials.client_id.cid}deviceName{credentials.device_name}productKey{credentials.product_key}"
    )
    if "timestamp" in parameters:
        content += "timestamp" + parameters["timestamp"]
    return hmac.digest(secret.encode(), content.encode(), digest).hex()


def check_signature(credentials: Credentials, secret: str) -> None:
    """Check the password, in constant time; the case of its digits does not matter.

    Raises:
        RefusedError: code 4.
    """
    expected = signature(credentials, secret)
    if expected is None:
        raise RefusedError(ConnackCode.BAD_USER_NAME_OR_PASSWORD, "signmethod", "unknown signmethod")
    if not hmac.compare_digest(credentials.password.lower(), expected.encode()):
        raise RefusedError(ConnackCode.BAD_USER_NAME_OR_PASSWORD, "signature")


def _malformed(detail: str) -> RefusedError:
    return RefusedError(ConnackCode.IDENTIFIER_REJECTED, "client_id", detail)

"""Who connects, and in which way it says so: user name, password and extended parameters.

Rules: device-protocol reference, 1.3 to 1.5, 1.10, 2.3, 2.4, 2.6 and 13.
"""

import hmac
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

import msgspec

from thingplane.gateway.client_id import (
    MAX_CLIENT_ID,
    ClientId,
    RefusedError,
    malformed,
    parse_client_id,
    unauthorized,
)
from thingplane.mqtt import ConnackCode

__all__ = [
    "MAX_CLIENT_ID",
    "ClientId",
    "Credentials",
    "RefusedError",
    "Way",
    "check_signature",
    "parse_client_id",
    "read_credentials",
    "signature",
]

_DIGESTS: Final = {"hmacmd5": "md5", "hmacsha1": "sha1", "hmacsha256": "sha256"}
_SECURE_MODES: Final = {"2", "3"}
_REGISTRATION_MODES: Final = {"2", "-2"}
_PRODUCT_KEY: Final = re.compile(r"[A-Za-z0-9]{1,20}")
_DEVICE_NAME: Final = re.compile(r"[A-Za-z0-9\-_@.:]{1,64}")
_IOT_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}")


class Way(Enum):
    """How a device says who it is."""

    SECRET = auto()
    """A signature with its DeviceSecret."""
    CERTIFICATE = auto()
    """A client certificate of the TLS connection."""
    REGISTER = auto()
    """A signature with the ProductSecret, to fetch its DeviceSecret."""
    REGISTER_CLIENT = auto()
    """The same, to get a client id and a token."""
    CLIENT_TOKEN = auto()
    """Such a client id and token."""
    IOT_TOKEN = auto()
    """The token of an authentication over HTTPS."""


class Credentials(msgspec.Struct, frozen=True):
    """What a CONNECT packet says about the device."""

    product_key: str
    """Empty where only a certificate or an IotId says who it is; then ``device_name`` is empty, too."""
    device_name: str
    client_id: ClientId
    password: bytes = b""
    way: Way = Way.SECRET
    iot_id: str = ""
    """For ``Way.IOT_TOKEN``."""

    def __repr__(self) -> str:
        return f"Credentials({self.product_key!r}, {self.device_name!r}, {self.way.name})"

    @property
    def extensions(self) -> int:
        """The ``ext`` bitmap: bit 0 = RRPC on ``/ext/rrpc/…``, bit 1 = notices on ``/ext/error/…``."""
        value = self.client_id.parameters.get("ext", "")
        return int(value) if value.isdecimal() and value.isascii() and len(value) < 10 else 0


def read_credentials(
    client_id: str,
    username: str | None,
    password: bytes | None,
    *,
    secure: bool = False,
    certified: bool = False,
    assigned: bool = False,
) -> Credentials:
    """Read the connect parameters.

    Args:
        client_id: as it came.
        username: as it came.
        password: as it came.
        secure: whether the connection is encrypted; registration and tokens from HTTPS need it.
        certified: whether the TLS connection has shown a client certificate.
        assigned: whether the client may leave its identifier to the server (MQTT 5).

    Raises:
        RefusedError: code 2 for a malformed clientId and for ways that need TLS without it, code 4 for a user name
            that is not ``deviceName&productKey`` and for ways of authentication that are not offered.
    """
    parsed = parse_client_id(client_id, assigned=assigned)
    way = _way(parsed.parameters, certified=certified)
    if way is Way.SECRET:
        return Credentials(*_names(username), parsed, password or b"")
    if way in _CHECKS:
        _CHECKS[way](parsed, secure)
    if way is Way.IOT_TOKEN:
        if not _IOT_ID.fullmatch(username or ""):
            raise unauthorized("username", "not an IotId")
        return Credentials("", "", parsed, password or b"", way, username or "")
    # With a certificate a device need not know its names yet.
    names = ("", "") if way is Way.CERTIFICATE and username in {None, "", "&"} else _names(username)
    return Credentials(*names, parsed, password or b"", way)


def _names(username: str | None) -> tuple[str, str]:
    """Return ProductKey and DeviceName."""
    name, ampersand, product_key = (username or "").partition("&")
    if not ampersand or not _DEVICE_NAME.fullmatch(name) or not _PRODUCT_KEY.fullmatch(product_key):
        raise unauthorized("username", "not deviceName&productKey")
    return product_key, name


def _way(parameters: dict[str, str], *, certified: bool) -> Way:
    auth_type = parameters.get("authType", parameters.get("authtype", ""))
    secure_mode = parameters.get("securemode", "")
    if not auth_type:
        if secure_mode == "-1":
            return Way.IOT_TOKEN
        if secure_mode in {"-2", "8"}:
            raise _not_offered("of securemode " + secure_mode)
        if secure_mode and secure_mode not in _SECURE_MODES:
            raise malformed("securemode must be 2 or 3")
        return Way.CERTIFICATE if certified else Way.SECRET
    if auth_type == "register":
        return Way.REGISTER
    # One sentence of the vendor's guide calls both the registration and the connection with its token regnwl; only the
    # registration has a random text.
    if auth_type == "connwl" or (auth_type == "regnwl" and secure_mode == "-2" and "random" not in parameters):
        return Way.CLIENT_TOKEN
    if auth_type == "regnwl":
        return Way.REGISTER_CLIENT
    raise _not_offered(auth_type)


def _not_offered(what: str) -> RefusedError:
    return unauthorized("auth_type", f"authentication type {what} is not offered")


def _check_registration(client_id: ClientId, secure: bool) -> None:
    parameters = client_id.parameters
    if not secure:
        raise malformed("registration needs TLS")
    if parameters.get("securemode", "2") not in _REGISTRATION_MODES:
        raise malformed("securemode of registration must be 2 or -2")
    if not parameters.get("random"):
        raise malformed("registration needs a random text")
    if parameters.get("signmethod", "hmacmd5").lower() not in _DIGESTS:
        raise malformed("unknown signmethod")


def _check_client_token(client_id: ClientId, _secure: bool) -> None:
    if not client_id.cid:
        raise malformed("a client id is needed")
    if client_id.parameters.get("securemode", "-2") not in {"-2", *_SECURE_MODES}:
        raise malformed("securemode of connections with a token must be -2")


def _check_iot_token(_client_id: ClientId, secure: bool) -> None:
    if not secure:
        raise malformed("securemode -1 needs TLS")


_CHECKS: Final[dict[Way, Callable[[ClientId, bool], None]]] = {
    Way.REGISTER: _check_registration,
    Way.REGISTER_CLIENT: _check_registration,
    Way.CLIENT_TOKEN: _check_client_token,
    Way.IOT_TOKEN: _check_iot_token,
}


def signature(credentials: Credentials, secret: str) -> str | None:
    """Return the password that belongs to the connect parameters, in lower-case hexadecimal digits.

    Signed are clientId (before the bar), deviceName, productKey and, if it was sent, timestamp. Without signmethod it
    is an HMAC-MD5.

    Returns:
        None when the signing method is unknown. ``sha256``, which the vendor lists without defining it, is.
    """
    cid = credentials.client_id.cid
    return _signature(credentials, secret, f"clientId{cid}")


def _signature(credentials: Credentials, secret: str, head: str) -> str | None:
    parameters = credentials.client_id.parameters
    digest = _DIGESTS.get(parameters.get("signmethod", "hmacmd5").lower())
    if digest is None:
        return None
    content = f"{head}deviceName{credentials.device_name}productKey{credentials.product_key}"
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
    password = credentials.password.lower()
    if hmac.compare_digest(password, expected.encode()):
        return
    if not credentials.client_id.cid:
        # Of a client that leaves its identifier to the server it is open whether its name is signed without a value.
        expected = _signature(credentials, secret, "") or ""
        if hmac.compare_digest(password, expected.encode()):
            return
    raise RefusedError(ConnackCode.BAD_USER_NAME_OR_PASSWORD, "signature")

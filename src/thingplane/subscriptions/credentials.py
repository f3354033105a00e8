"""User name and password of clients (vendor help: connect an AMQP client)."""

import base64
import binascii
import hmac
from typing import Final

import msgspec

from thingplane.subscriptions.signing_in import SignInRefused

METHODS: Final = {"hmacmd5": "md5", "hmacsha1": "sha1", "hmacsha256": "sha256"}
"""Hash functions by signMethod in lower case."""
MAX_CLIENT_ID: Final = 64
MAX_USER_NAME: Final = 4096
_KNOWN: Final = {
    "authMode",
    "signMethod",
    "timestamp",
    "authId",
    "iotInstanceId",
    "consumerGroupId",
    "securityToken",
    "encode",
}


class UserName(msgspec.Struct, frozen=True):
    """What a user name says."""

    client_id: str
    method: str
    """Name of the hash function."""
    timestamp: str
    """As given: it is signed, but need not be recent, because clients reuse it or send constants."""
    access_key_id: str
    iot_instance_id: str | None
    group_id: str
    base64: bool


def parse(text: str) -> UserName:
    """Read ``clientId|key=value,key=value|``; order and unknown keys don't matter, nor does a missing ``|`` at the end.

    Raises:
        SignInRefused: it is malformed, or asks for a way to sign in that is not offered.
    """
    if len(text) > MAX_USER_NAME:
        raise SignInRefused("the user name is too long")
    client_id, bar, rest = text.partition("|")
    if not bar or not client_id or len(client_id) > MAX_CLIENT_ID or not client_id.isprintable():
        raise SignInRefused(f"the user name does not begin with a client id of 1 to {MAX_CLIENT_ID} characters and '|'")
    values: dict[str, str] = {}
    for pair in rest.removesuffix("|").split(","):
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals:
            if key:
                raise SignInRefused("the user name has a part without '='")
        elif key in _KNOWN and values.setdefault(key, value.strip()) != value.strip():
            raise SignInRefused(f"the user name has two different values of {key}")
    if values.get("authMode") == "ststoken" or "securityToken" in values:
        raise SignInRefused("authMode ststoken is not offered: there are no security tokens here")
    if values.get("authMode") != "aksign":
        raise SignInRefused("authMode is not aksign")
    method = METHODS.get(values.get("signMethod", "").lower())
    if method is None:
        raise SignInRefused(f"signMethod is none of {', '.join(METHODS)}")
    if not values.get("timestamp", "").isdecimal():
        raise SignInRefused("timestamp is not a decimal number")
    for key in ("authId", "consumerGroupId"):
        if not values.get(key):
            raise SignInRefused(f"the user name has no {key}")
    if values.get("encode", "") not in {"", "base64"}:
        raise SignInRefused("encode is not base64")
    return UserName(
        client_id=client_id,
        method=method,
        timestamp=values["timestamp"],
        access_key_id=values["authId"],
        iot_instance_id=values.get("iotInstanceId") or None,
        group_id=values["consumerGroupId"],
        base64=values.get("encode") == "base64",
    )


def password(user: UserName, secret: str) -> str:
    """Return the password that goes with a user name: Base64 of the HMAC over the signed values."""
    text = f"authId={user.access_key_id}&timestamp={user.timestamp}"
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), user.method)).decode()


def is_password(user: UserName, secret: str, given: str) -> bool:
    """Compare a password in constant time."""
    try:
        decoded = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(base64.b64decode(password(user, secret)), decoded)

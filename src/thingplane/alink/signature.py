"""How a device signs what a gateway submits for it (guide 4.8.28; device-protocol reference, 4.2 to 4.4)."""

import hmac
from collections.abc import Mapping
from typing import Final

import msgspec

# "Sha256" is listed beside the others without a definition. The guide calls every method with a key and the content,
# so it is the keyed form too.
_DIGESTS: Final = {"hmacmd5": "md5", "hmacsha1": "sha1", "hmacsha256": "sha256", "sha256": "sha256"}
# Everything else that is submitted is signed.
_UNSIGNED: Final = {"sign", "signMethod", "signmethod", "cleanSession"}

DEFAULT_METHOD: Final = "hmacMd5"
"""Of who names none, as for connections (device-protocol, 1.3)."""


class SignedItem(msgspec.Struct, frozen=True):
    """What a gateway submits for one device."""

    product_key: str
    device_name: str
    fields: dict[str, str]
    """What is signed, by name."""
    sign: str
    method: str
    clean: bool = True
    """``cleanSession``: for logins."""

    def __repr__(self) -> str:
        # The fields may hold anything, and a signature is nobody's business in logs and tracebacks.
        return f"SignedItem({self.product_key!r}, {self.device_name!r})"

    @property
    def is_known_method(self) -> bool:
        """Whether there is such a method."""
        return self.method.lower() in _DIGESTS

    def is_signed(self, secret: str) -> bool:
        """Check the signature."""
        return is_signed(secret, self.method, self.fields, self.sign)


def read_signed_item(item: Mapping[str, msgspec.Raw], method: str = "") -> SignedItem:
    """Read an item of a request.

    Args:
        item: JSON texts by name; values are texts, or numbers, which are signed as they are written.
        method: of items that name none.

    Raises:
        ValueError: a value is neither, or a name of the device or the signature is missing.
    """
    values = _texts(item)
    if not (values.get("productKey") and values.get("deviceName") and values.get("sign")):
        raise ValueError("productKey, deviceName and sign are needed")
    return SignedItem(
        values["productKey"],
        values["deviceName"],
        {name: value for name, value in values.items() if name not in _UNSIGNED},
        values["sign"],
        values.get("signMethod") or values.get("signmethod") or method or DEFAULT_METHOD,
        values.get("cleanSession", "true").lower() != "false",
    )


def read_fields(body: bytes) -> dict[str, str]:
    """Read a JSON object whose values are texts, or numbers, which are signed as they are written.

    Raises:
        ValueError: it is none.
    """
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return _texts(members)
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("a JSON object of texts and numbers is needed") from None


def _texts(members: Mapping[str, msgspec.Raw]) -> dict[str, str]:
    return {name: _text(value) for name, value in members.items()}


def _text(value: msgspec.Raw) -> str:
    text = bytes(value)
    if text[:1] in {b"{", b"["} or text == b"null":
        raise ValueError("values are texts and numbers")
    if text.startswith(b'"'):
        content: str = msgspec.json.decode(text)
        return content
    return text.decode()


def signature(secret: str, method: str, fields: Mapping[str, str]) -> str | None:
    """Return the signature of a device, in lower-case hexadecimal digits.

    Args:
        secret: DeviceSecret of the device, or ProductSecret of its product where that proves who asks.
        method: hmacMd5, hmacSha1, hmacSha256 or Sha256, in upper or lower case.
        fields: everything that is submitted about the device, except the signature, its method and ``cleanSession``:
            productKey, deviceName and, where they are sent, clientId, timestamp, random.

    Returns:
        None when the method is unknown.
    """
    digest = _DIGESTS.get(method.lower())
    if digest is None:
        return None
    content = "".join(name + fields[name] for name in sorted(fields))
    return hmac.digest(secret.encode(), content.encode(), digest).hex()


def is_signed(secret: str, method: str, fields: Mapping[str, str], sign: str) -> bool:
    """Check a signature in constant time; the case of its digits does not matter."""
    expected = signature(secret, method, fields)
    return expected is not None and hmac.compare_digest(sign.lower().encode(), expected.encode())

"""How a sub-device proves that it agrees to be attached to a gateway (guide 4.8.28; device-protocol reference, 4.3)."""

import hmac
from collections.abc import Mapping
from typing import Final

# "Sha256" is listed beside the others without a definition. The guide calls every method with a key and the content,
# so it is the keyed form too.
_DIGESTS: Final = {"hmacmd5": "md5", "hmacsha1": "sha1", "hmacsha256": "sha256", "sha256": "sha256"}


def signature(secret: str, method: str, fields: Mapping[str, str]) -> str | None:
    """Return the signature of a sub-device, in lower-case hexadecimal digits.

    Args:
        secret: DeviceSecret of the sub-device.
        method: hmacMd5, hmacSha1, hmacSha256 or Sha256, in upper or lower case.
        fields: everything that is submitted about the sub-device, except the signature and its method:
            productKey, deviceName and, where they are sent, clientId and timestamp.

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

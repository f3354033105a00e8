"""Keys of TLS connections that need no certificate: TLS-PSK (device-protocol reference, 1.11).

Whoever serves DTLS derives its keys here, too.
"""

import hmac
import re
import secrets
from typing import Final, Protocol

import msgspec

from thingplane.gateway.ports import Devices

TEXT_KEY_SUITES: Final = frozenset({0x008C})
"""Cipher suites with which the key is the text of the digits: TLS_PSK_WITH_AES_128_CBC_SHA, the only one that the
vendor's SDK for C offers, and it hands the digits to its TLS library as they are. Clients that take keys as
hexadecimal digits offer better suites as well, and get one."""

_IDENTITY: Final = (
    r"devicename\|(hmacmd5|hmacsha1|hmacsha256)\|([A-Za-z0-9]{1,20})&([A-Za-z0-9\-_@.:]{1,64})\|([0-9]{1,20})"
)
_TEXT: Final = re.compile(_IDENTITY)
_BYTES: Final = re.compile(_IDENTITY.encode())


class PskIdentity(msgspec.Struct, frozen=True):
    """An identity taken apart: ``devicename|{method}|{productKey}&{deviceName}|{timestamp}``."""

    method: str
    product_key: str
    device_name: str
    timestamp: str


class PskHandshake(Protocol):
    """A handshake that asks for a key."""

    suite: int
    """The cipher suite that the server has chosen; 0 while it has not (TLS 1.3)."""
    psk: tuple[str, str] | None
    """Set to ProductKey and DeviceName of the identity."""


def parse_identity(text: str) -> PskIdentity | None:
    """Take an identity apart; None if it is of another kind."""
    found = _TEXT.fullmatch(text)
    return None if found is None else PskIdentity(*found.groups())


def derive_key(identity: PskIdentity, secret: str, suite: int = 0) -> bytes:
    """Return the key that belongs to an identity.

    Args:
        identity: what the client says.
        secret: DeviceSecret.
        suite: IANA number of the cipher suite, if it is known.
    """
    content = f"id{identity.product_key}&{identity.device_name}timestamp{identity.timestamp}"
    key = hmac.digest(secret.encode(), content.encode(), identity.method.removeprefix("hmac"))
    return key.hex().upper().encode() if suite in TEXT_KEY_SUITES else key


class PskKeys:
    """Finds keys for handshakes among the devices in memory."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.handshake: PskHandshake | None = None
        """Whose handshake goes on; TLS libraries ask without saying for whom."""

    def absent(self, received: bytes | bytearray) -> tuple[str, str] | None:
        """Return who has to be brought into memory before these bytes of a handshake are handled: its names, or None.

        Identities are not encrypted, so they can be seen before the TLS library asks for their key.
        """
        found = _BYTES.search(received)
        if found is None:
            return None
        names = found[2].decode(), found[3].decode()
        return names if self._devices.cached(*names) is None else None

    async def load(self, product_key: str, device_name: str) -> None:
        """Bring a device into memory."""
        await self._devices.find(product_key, device_name)

    def key(self, identity: str) -> bytes | None:
        """Return the key for an identity of the present handshake; None lets TLS go on without.

        Who guesses names learns nothing: an unknown or disabled device has a key that nobody knows.
        """
        parsed = parse_identity(identity)
        handshake = self.handshake
        if parsed is None or handshake is None:
            return None
        handshake.psk = parsed.product_key, parsed.device_name
        device = self._devices.cached(parsed.product_key, parsed.device_name)
        if device is None or not device.enabled:
            return secrets.token_bytes(32)
        return derive_key(parsed, device.secret, handshake.suite)

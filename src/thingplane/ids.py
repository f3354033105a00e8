"""Identifiers in the shapes that the vendor's clients have buffers for."""

import itertools
import secrets
import string
import time
import uuid

_ALPHANUMERIC = string.ascii_letters + string.digits


def product_key() -> str:
    """Return a ProductKey: 11 letters and digits, starting with ``a1``."""
    return "a1" + "".join(secrets.choice(_ALPHANUMERIC) for _ in range(9))


def product_secret() -> str:
    """Return a ProductSecret of 16 letters and digits."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(16))


def device_secret() -> str:
    """Return a DeviceSecret of 32 lower-case hexadecimal digits (128 random bits)."""
    return secrets.token_hex(16)


def device_name() -> str:
    """Return the DeviceName the platform chooses when the caller gives none: 20 letters and digits."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(20))


def client_id() -> str:
    """Return a client id of a physical device that registers itself: 26 letters and digits, then ``000100``."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(26)) + "000100"


def device_token() -> str:
    """Return the token that goes with a client id: 32 lower-case hexadecimal digits (128 random bits)."""
    return secrets.token_hex(16)


def iot_id() -> str:
    """Return an IotId: 21 random letters and digits, then the six zeros that the vendor's ids end with."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(21)) + "000000"


def request_id() -> str:
    """Return a RequestId: an upper-case UUID."""
    return str(uuid.uuid4()).upper()


class _MessageIds:
    """19-digit decimal numbers below 2**63 that grow, also over restarts (milliseconds, then a counter)."""

    def __init__(self) -> None:
        self._counter = itertools.count(secrets.randbelow(1 << 10))
        self._last = 0

    def __call__(self) -> int:
        # 41 bits of milliseconds since 1970 shifted by 20 reach 19 digits from 2001 on.
        candidate = (time.time_ns() // 1_000_000 << 20) | (next(self._counter) & 0xFFFFF)
        # max() takes as long as all the rest.
        if candidate <= self._last:
            candidate = self._last + 1
        self._last = candidate
        return candidate


message_id = _MessageIds()
"""Return the next message id; the same for every consumer of the message."""

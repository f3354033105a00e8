"""Tokens that devices get for their signature, and show instead of it afterwards (device-protocol, 2.6, 10.1, 10.2).

A token says whose it is and when it was issued, sealed with the device's secret. What is kept is when the token that
counts was issued, so that a new one replaces the one before, and a token ends with the device and with its secret.
"""

import base64
import binascii
import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeAlias

from sqlalchemy import delete, insert, select

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices.events import DeviceDeleted, DeviceTokenIssued
from thingplane.devices.record import Device
from thingplane.devices.tables import device_tokens
from thingplane.storage.database import Database

Purpose: TypeAlias = Literal["http", "mqtt", "coap"]
"""Where a token is shown; one for one purpose is worth nothing for another."""

_CACHED: Final = 100_000
_ID_BYTES: Final = 8
_TIME_BYTES: Final = 6
_SEAL_BYTES: Final = 16
_BYTES: Final = _ID_BYTES + _TIME_BYTES + _SEAL_BYTES


class TokenError(Exception):
    """A token that is not accepted."""


class TokenExpiredError(TokenError):
    """The token was good once: it is too old, or another one has replaced it."""


class DeviceTokens:
    """Issues and checks tokens. They have 40 characters: letters, digits, ``-`` and ``_``."""

    def __init__(
        self, database: Database, clock: Clock, bus: Bus, find: Callable[[int], Awaitable[Device | None]]
    ) -> None:
        """Wire.

        Args:
            database: where it is kept which tokens count.
            clock: tells when tokens are issued and expire.
            bus: tells of tokens and deletions.
            find: returns a device by its key.
        """
        self._database = database
        self._clock = clock
        self._bus = bus
        self._find = find
        self._issued: OrderedDict[tuple[int, str], int] = OrderedDict()
        bus.subscribe(DeviceTokenIssued, self._take)
        bus.subscribe(DeviceDeleted, self._forget)

    async def issue(self, device: Device, purpose: Purpose) -> str:
        """Return a new token, durable; it replaces the device's earlier one for this purpose."""
        now = self._clock.now_ms()
        mine = (device_tokens.c.device_id == device.id, device_tokens.c.purpose == purpose)
        async with self._database.write() as connection:
            await connection.execute(delete(device_tokens).where(*mine))
            row = {"device_id": device.id, "purpose": purpose, "issued_at": now}
            await connection.execute(insert(device_tokens).values(row))
        self._bus.publish(DeviceTokenIssued(device.id, purpose, now))
        claims = device.id.to_bytes(_ID_BYTES, "big") + now.to_bytes(_TIME_BYTES, "big")
        return base64.urlsafe_b64encode(claims + _seal(device, purpose, claims)).decode()

    async def verify(self, token: str, purpose: Purpose, lifetime_s: int) -> Device:
        """Return whose token it is.

        Args:
            token: what the device shows.
            purpose: where.
            lifetime_s: seconds that tokens are valid.

        Raises:
            TokenExpiredError: it was good once.
            TokenError: it never was, or its device is gone.
        """
        claims, seal = _read(token)
        device_id = int.from_bytes(claims[:_ID_BYTES], "big")
        issued_at = int.from_bytes(claims[_ID_BYTES:], "big")
        device = await self._find(device_id) if device_id < 2**63 else None
        if device is None or not hmac.compare_digest(seal, _seal(device, purpose, claims)):
            raise TokenError
        if self._clock.now_ms() - issued_at >= lifetime_s * 1000:
            raise TokenExpiredError
        if await self._newest(device_id, purpose) != issued_at:
            raise TokenExpiredError
        return device

    async def _newest(self, device_id: int, purpose: Purpose) -> int | None:
        key = (device_id, purpose)
        known = self._issued.get(key)
        if known is not None:
            self._issued.move_to_end(key)
            return known
        query = select(device_tokens.c.issued_at).where(
            device_tokens.c.device_id == device_id, device_tokens.c.purpose == purpose
        )
        async with self._database.read() as connection:
            found = (await connection.execute(query)).scalar()
        # One that was issued meanwhile has come through the bus.
        if found is not None and key not in self._issued:
            self._keep(key, found)
        return self._issued.get(key)

    def _keep(self, key: tuple[int, str], issued_at: int) -> None:
        self._issued[key] = issued_at
        self._issued.move_to_end(key)
        if len(self._issued) > _CACHED:
            self._issued.popitem(last=False)

    def _take(self, event: DeviceTokenIssued) -> None:
        self._keep((event.device_id, event.purpose), event.issued_at)

    def _forget(self, event: DeviceDeleted) -> None:
        for key in [(event.device_id, purpose) for purpose in ("http", "mqtt", "coap")]:
            self._issued.pop(key, None)


def _seal(device: Device, purpose: str, claims: bytes) -> bytes:
    content = b"device token\0" + purpose.encode() + b"\0" + claims
    return hmac.digest(device.secret.encode(), content, "sha256")[:_SEAL_BYTES]


def _read(token: str) -> tuple[bytes, bytes]:
    try:
        content = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise TokenError from None
    if len(content) != _BYTES:
        raise TokenError
    return content[:-_SEAL_BYTES], content[-_SEAL_BYTES:]

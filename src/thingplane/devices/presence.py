"""Which devices are online, and since when: in memory at once, in the database a moment later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from sqlalchemy import bindparam, select, update

from thingplane.clock import Clock
from thingplane.devices.directory import COLUMNS, from_row
from thingplane.devices.record import Device
from thingplane.devices.tables import devices
from thingplane.storage.database import Database

WRITE_DELAY: Final = 0.5
"""Seconds that times of connections may wait for the next write."""

_log = structlog.get_logger(__name__)

_WRITE = (
    update(devices)
    .where(devices.c.id == bindparam("key"))
    .values(
        activated_at=bindparam("activated"),
        online_at=bindparam("online"),
        offline_at=bindparam("offline"),
        ip=bindparam("address"),
        online=bindparam("connected"),
    )
)


class Presence:
    """Connections of devices.

    A connection is counted from ``connected`` to ``disconnected``: when a second one replaces the first, the order in
    which the gateway tells of both does not matter.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._online: dict[int, tuple[Device, int]] = {}
        self._unwritten: dict[int, Device] = {}
        self._being_written: dict[int, Device] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    def online(self, device_id: int) -> bool:
        """Tell whether the device has a connection."""
        return device_id in self._online

    def held(self, device_id: int) -> Device | None:
        """Return the object of a device that is online, or whose times are not written yet."""
        entry = self._online.get(device_id)
        return entry[0] if entry else self._unwritten.get(device_id) or self._being_written.get(device_id)

    def connected(self, device: Device, ip: str) -> None:
        """Take note of a connection."""
        now = self._clock.now_ms()
        entry = self._online.get(device.id)
        self._online[device.id] = (device, entry[1] + 1 if entry else 1)
        if device.activated_at is None:
            device.activated_at = now
        device.online_at = now
        device.ip = ip
        self._write_later(device)

    def reported(self, device: Device, ip: str) -> None:
        """Take note of a message that came without a connection: the device is active now, but not online."""
        if device.activated_at is None:
            device.activated_at = self._clock.now_ms()
        elif device.ip == ip:
            return
        device.ip = ip
        self._write_later(device)

    def disconnected(self, device: Device) -> None:
        """Take note of the end of a connection; one of a deleted device is of no interest any more."""
        entry = self._online.get(device.id)
        if entry is None:
            return
        if entry[1] > 1:
            self._online[device.id] = (device, entry[1] - 1)
            return
        del self._online[device.id]
        # A device that was reset meanwhile has never been online.
        if device.activated_at is not None:
            device.offline_at = self._clock.now_ms()
        self._write_later(device)

    def drop(self, device_id: int) -> None:
        """Forget a device that was deleted."""
        self._online.pop(device_id, None)
        self._unwritten.pop(device_id, None)
        self._being_written.pop(device_id, None)

    async def cut_off(self, after: int, limit: int) -> list[Device]:
        """Return devices that were online when a crash of the platform cut them off, for use before any connects.

        Args:
            after: key behind which to begin; 0 for the beginning.
            limit: at most so many.
        """
        query = select(*COLUMNS).where(devices.c.online, devices.c.id > after).order_by(devices.c.id).limit(limit)
        async with self._database.read() as connection:
            return [from_row(row) for row in await connection.execute(query)]

    async def settle(self, up_to: int) -> int:
        """Let the connections end now that a crash has cut off, of devices up to a key; returns the time in ms."""
        now = self._clock.now_ms()
        cut_off = update(devices).where(devices.c.online, devices.c.id <= up_to)
        async with self._database.write() as connection:
            await connection.execute(cut_off.values(online=False, offline_at=now))
        return now

    async def flush(self) -> None:
        """Write what is not written yet, so that queries find it; not inside a transaction."""
        if self._unwritten or self._being_written:
            async with self._lock:
                await self._write()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Let nothing be written inside the block; not inside a transaction."""
        async with self._lock:
            yield

    async def close(self) -> None:
        """Write what is not written yet."""
        if self._writing is not None:
            await self._writing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.flush()

    def _write_later(self, device: Device) -> None:
        self._unwritten[device.id] = device
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_DELAY, self._start_writing)

    def _start_writing(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write_behind())

    async def _write_behind(self) -> None:
        try:
            await self.flush()
        except Exception:  # noqa: BLE001 (logged, and tried again)
            # The times stay in memory and are tried again; devices go on working without their record of them.
            _log.exception("times of devices could not be written, trying again", devices=len(self._unwritten))
        finally:
            self._writing = None
            if self._unwritten:
                self._timer = asyncio.get_running_loop().call_later(WRITE_DELAY, self._start_writing)

    async def _write(self) -> None:
        if not self._unwritten:
            return
        self._being_written, self._unwritten = self._unwritten, {}
        rows = [
            {
                "key": device.id,
                "activated": device.activated_at,
                "online": device.online_at,
                "offline": device.offline_at,
                "address": device.ip,
                "connected": device.id in self._online,
            }
            for device in self._being_written.values()
        ]
        try:
            async with self._database.write() as connection:
                await connection.execute(_WRITE, rows)
        except BaseException:
            self._unwritten = {**self._being_written, **self._unwritten}
            raise
        finally:
            self._being_written = {}

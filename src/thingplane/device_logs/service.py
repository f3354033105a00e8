"""Logs of devices, bounded in number and age."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.device_logs.entry import LEVELS, OTHER, Entry, Source
from thingplane.device_logs.tables import device_log_switches, device_logs
from thingplane.devices.service import devices
from thingplane.storage.database import Database
from thingplane.storage.periodic import Periodic
from thingplane.storage.revisions import Revision

__all__ = ["LEVELS", "OTHER", "DeviceLogs", "Entry", "Source"]

DAY_MS: Final = 86_400_000
SWEEP_EVERY_S: Final = 3600
FLUSH_AFTER_S: Final = 0.5
"""Seconds that a note of the platform may wait for others."""
MAX_NOTES: Final = 1000
"""Notes that may wait; the oldest is lost to a further one."""
_COLUMNS: Final = [device_logs.c[name] for name in Entry.__struct_fields__]

_log = structlog.get_logger(__name__)


class DeviceLogs:
    """The logs of all devices. They go with their device."""

    def __init__(self, database: Database, clock: Clock, *, per_device: int = 1000, days: int = 7) -> None:
        """Wire; ``start`` has to be awaited for entries to age.

        Args:
            database: where entries are kept.
            clock: tells their age.
            per_device: entries of a device; the oldest goes when there are more.
            days: that an entry is kept.
        """
        self._database = database
        self._clock = clock
        self._per_device = per_device
        self._days = days
        self._notes: deque[tuple[int, Entry]] = deque(maxlen=MAX_NOTES)
        self._flushing: asyncio.Task[None] | None = None
        self._sweeping = Periodic("deletion of device logs", self.sweep, SWEEP_EVERY_S)
        self.switched = Revision(database, "device log switches")
        """Grows with every switch that a device has to be told of."""

    async def start(self) -> None:
        """Forget entries that are too old, now and from time to time."""
        self._sweeping.start()

    async def close(self) -> None:
        """Write the notes that wait."""
        await self._sweeping.stop()
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.wait([self._flushing])
        await self._write_notes()

    # Writing.

    async def append(self, device_id: int, entries: Sequence[Entry]) -> bool:
        """Add entries to a device's log; they are durable when this returns. False when the device is gone."""
        try:
            async with self._database.write() as connection:
                await self._append(connection, device_id, entries)
        except IntegrityError:
            return False
        return True

    async def _append(self, connection: AsyncConnection, device_id: int, entries: Sequence[Entry]) -> None:
        rows = [{**msgspec.structs.asdict(entry), "device_id": device_id} for entry in entries[-self._per_device :]]
        await connection.execute(insert(device_logs), rows)
        mine = device_logs.c.device_id == device_id
        oldest = select(device_logs.c.id).where(mine).order_by(device_logs.c.id.desc()).offset(self._per_device - 1)
        kept = await connection.scalar(oldest.limit(1))
        if kept is not None:
            await connection.execute(delete(device_logs).where(mine, device_logs.c.id < kept))

    def note(self, device_id: int, module: str, code: int, content: str) -> None:
        """Write what went wrong with a message of a device into its log, within a second.

        Nobody waits for it, so a device that sends nothing but such messages cannot hold up anything: of many notes
        in a short time the last ones are written.

        Args:
            device_id: whose message.
            module: part of the platform, such as ``script``.
            code: of the device protocol (reference, 3.2).
            content: in words.
        """
        entry = Entry(
            source=Source.PLATFORM,
            received_at=self._clock.now_ms(),
            level="ERROR",
            module=module,
            code=str(int(code)),
            content=clean(content),
        )
        self._notes.append((device_id, entry))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def flush(self) -> None:
        """Write the notes that wait now."""
        await self._write_notes()

    async def _flush(self) -> None:
        await asyncio.sleep(FLUSH_AFTER_S)
        await self._write_notes()

    async def _write_notes(self) -> None:
        notes, self._notes = self._notes, deque(maxlen=MAX_NOTES)
        by_device: dict[int, list[Entry]] = {}
        for device_id, entry in notes:
            by_device.setdefault(device_id, []).append(entry)
        if not by_device:
            return
        try:
            async with self._database.write() as connection:
                there = (
                    select(devices.c.id).where(devices.c.id.in_(by_device)).with_for_update(read=True, key_share=True)
                )
                for device_id in (await connection.execute(there)).scalars().all():
                    await self._append(connection, device_id, by_device[device_id])
        except (SQLAlchemyError, OSError) as error:
            _log.warning("notes for device logs are lost", notes=len(notes), error=repr(error))

    # Reading.

    async def page(
        self, device_id: int, limit: int, *, level: str | None = None, source: Source | None = None
    ) -> list[Entry]:
        """Return the newest entries of a device, oldest of them first.

        Args:
            device_id: whose log.
            limit: at most so many.
            level: only entries of this level.
            source: only entries of this source.
        """
        query = select(*_COLUMNS).where(device_logs.c.device_id == device_id)
        if level is not None:
            query = query.where(device_logs.c.level == level)
        if source is not None:
            query = query.where(device_logs.c.source == source.value)
        query = query.order_by(device_logs.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [_to_entry(row) for row in reversed(rows)]

    async def sweep(self) -> None:
        """Forget entries that are too old."""
        before = self._clock.now_ms() - self._days * DAY_MS
        async with self._database.write() as connection:
            await connection.execute(delete(device_logs).where(device_logs.c.received_at < before))

    # The switch.

    async def wanted(self, device_id: int) -> bool:
        """Tell whether a device was asked to post its log."""
        query = select(device_log_switches.c.enabled).where(device_log_switches.c.device_id == device_id)
        async with self._database.read() as connection:
            return bool(await connection.scalar(query))

    async def switch(self, device_id: int, *, enabled: bool) -> None:
        """Ask a device to post its log, or to stop that; a running node tells it within seconds if it is online."""
        table = device_log_switches
        async with self._database.write() as connection:
            await connection.execute(delete(table).where(table.c.device_id == device_id))
            await connection.execute(insert(table).values(device_id=device_id, enabled=enabled, announced=False))
            await self.switched.increase(connection)

    async def unannounced(self) -> list[tuple[int, bool]]:
        """Return the devices that have to be told, and what."""
        table = device_log_switches
        query = select(table.c.device_id, table.c.enabled).where(table.c.announced.is_(False))
        async with self._database.read() as connection:
            return [(row.device_id, row.enabled) for row in await connection.execute(query)]

    async def announced(self, device_id: int, *, enabled: bool) -> None:
        """Note that a device was told, or cannot be."""
        table = device_log_switches
        same = (table.c.device_id == device_id, table.c.enabled.is_(enabled))
        async with self._database.write() as connection:
            await connection.execute(update(table).where(*same).values(announced=True))


def _to_entry(row: Any) -> Entry:
    return Entry(**{**row._mapping, "source": Source(row.source)})  # noqa: SLF001 - the documented way to columns


def clean(text: str) -> str:
    """Return text without what PostgreSQL cannot store."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")

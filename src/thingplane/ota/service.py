"""Updates over the air: the parts of this slice put together; also the way in for other slices."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices.service import Device
from thingplane.ota.ota import OtaService
from thingplane.ota.package import DEFAULT_MODULE
from thingplane.ota.tables import ota_module_versions
from thingplane.ota.version_cache import VersionCache, VersionsReported
from thingplane.storage.database import Database

__all__ = [
    "DEFAULT_MODULE",
    "ModuleVersion",
    "OtaService",
    "OtaVersionService",
    # The table itself, for queries of other slices that join it.
    "ota_module_versions",
]

# Far beyond every row, and small enough for the 64-bit integers of both databases.
_MAX_OFFSET: Final = 2**53

_device = ota_module_versions.c.device_id
_module = ota_module_versions.c.module


class ModuleVersion(msgspec.Struct, frozen=True):
    """What a device runs of a module."""

    module: str
    version: str


class OtaVersionService:
    """The reported versions of all devices. They go with their device."""

    def __init__(self, database: Database, clock: Clock, bus: Bus) -> None:
        """Wire the service.

        Args:
            database: where versions are kept.
            clock: tells when they were reported.
            bus: carries ``VersionsReported``, and brings that of those who take reports of many devices at once.
        """
        self._database = database
        self._clock = clock
        self._bus = bus
        self._default = VersionCache(bus)

    async def report(self, device: Device, version: str, module: str = DEFAULT_MODULE) -> bool:
        """Record the version that a device runs of a module.

        Returns:
            Whether it is another one than before; False also for a device that is gone.
        """
        mine = (_device == device.id, _module == module)
        now = self._clock.now_ms()
        change = update(ota_module_versions).where(*mine).values(version=version, reported_at=now)
        row = {"device_id": device.id, "module": module, "version": version, "reported_at": now}
        async with self._database.write() as connection:
            before = await connection.scalar(select(ota_module_versions.c.version).where(*mine).with_for_update())
            changed = before != version
            if before is None:
                try:
                    async with connection.begin_nested():
                        await connection.execute(insert(ota_module_versions).values(row))
                except IntegrityError:
                    # Another report of the same device was quicker, or the device was deleted.
                    changed = bool((await connection.execute(change)).rowcount)
            else:
                await connection.execute(change)
        self._bus.publish(VersionsReported(frozenset([device.id])))
        return changed

    async def of(self, device_id: int) -> dict[str, str]:
        """Return a device's versions by module."""
        query = select(_module, ota_module_versions.c.version).where(_device == device_id).order_by(_module)
        async with self._database.read() as connection:
            return {row.module: row.version for row in await connection.execute(query)}

    async def of_default(self, device_ids: Sequence[int]) -> dict[int, str | None]:
        """Return which version of the default module devices run, by the devices' keys; None: they never said so."""
        found = self._default.find(device_ids)
        missing = [device_id for device_id in device_ids if device_id not in found]
        if missing:
            changes = self._default.changes
            query = select(_device, ota_module_versions.c.version)
            query = query.where(_device.in_(missing), _module == DEFAULT_MODULE)
            read: dict[int, str | None] = dict.fromkeys(missing)
            async with self._database.read() as connection:
                read.update({row.device_id: row.version for row in await connection.execute(query)})
            self._default.keep(read, changes)
            found |= read
        return found

    async def page(self, device_id: int, page: int, size: int) -> tuple[list[ModuleVersion], int]:
        """Return a page of a device's versions, ordered by module, and the number of all.

        Args:
            device_id: whose versions.
            page: number of the page, from 1.
            size: versions on a page.
        """
        query = select(ota_module_versions).where(_device == device_id).order_by(_module)
        query = query.limit(size).offset(min((page - 1) * size, _MAX_OFFSET))
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).where(_device == device_id))).scalar_one()
            rows = (await connection.execute(query)).all()
        return [ModuleVersion(row.module, row.version) for row in rows], total

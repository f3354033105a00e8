"""Devices in memory: found by name, by IotId and by key, loaded in batches, bounded."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select

from thingplane.devices.batching import Batcher
from thingplane.devices.record import Device
from thingplane.devices.tables import devices
from thingplane.storage.database import Database

Name = tuple[str, str]
"""(ProductKey, DeviceName)."""


COLUMNS: Final = tuple(devices.c[name] for name in Device.__struct_fields__)
"""What to select for ``DeviceDirectory.intern``."""


def from_row(row: Any) -> Device:
    """Return the device of a row with ``COLUMNS``."""
    return Device(**row._mapping)  # noqa: SLF001 (its documented name)


class DeviceDirectory:
    """A cache of devices, least recently used out first.

    A device that is connected keeps its one object even when the cache has let it go: ``held`` finds it again.
    """

    def __init__(self, database: Database, capacity: int, held: Callable[[int], Device | None]) -> None:
        """Start empty.

        Args:
            database: where devices are.
            capacity: devices kept in memory.
            held: returns the object of a device that is in use elsewhere in this process.
        """
        self._database = database
        self._capacity = capacity
        self._held = held
        self._by_name: OrderedDict[Name, Device] = OrderedDict()
        self._by_id: dict[int, Device] = {}
        self._by_iot_id: dict[str, Device] = {}
        self._names = Batcher(self._load_names)
        self._ids = Batcher(self._load_ids)
        self._iot_ids = Batcher(self._load_iot_ids)
        self._loads: dict[int, set[int]] = {}
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._by_name)

    def cached(self, product_key: str, name: str) -> Device | None:
        """Return the device if it is in memory."""
        key = (product_key, name)
        device = self._by_name.get(key)
        if device is not None:
            self._by_name.move_to_end(key)
        return device

    def cached_id(self, device_id: int) -> Device | None:
        """Return the device if it is in memory."""
        device = self._by_id.get(device_id)
        if device is None:
            return self._held(device_id)
        self._by_name.move_to_end((device.product_key, device.name))
        return device

    def cached_iot_id(self, iot_id: str) -> Device | None:
        """Return the device if it is in memory."""
        device = self._by_iot_id.get(iot_id)
        if device is not None:
            self._by_name.move_to_end((device.product_key, device.name))
        return device

    async def find(self, product_key: str, name: str) -> Device | None:
        """Return the device with this name, or None."""
        device = self.cached(product_key, name)
        # PostgreSQL would refuse the query, and with it those for other devices of the same batch.
        if device is None and "\0" not in product_key and "\0" not in name:
            device = await self._names.get((product_key, name))
        return device

    async def find_id(self, device_id: int) -> Device | None:
        """Return the device with this key, or None."""
        return self.cached_id(device_id) or await self._ids.get(device_id)

    async def find_iot_id(self, iot_id: str) -> Device | None:
        """Return the device with this IotId, or None."""
        device = self.cached_iot_id(iot_id)
        if device is None and "\0" not in iot_id:  # as above
            device = await self._iot_ids.get(iot_id)
        return device

    def intern(self, row: Any) -> Device:
        """Return the one object of the device of a row with ``COLUMNS``, without a place in the cache of its own."""
        return self.cached_id(row.id) or from_row(row)

    def add(self, device: Device) -> Device:
        """Keep a device in memory."""
        key = (device.product_key, device.name)
        self._by_name[key] = device
        self._by_name.move_to_end(key)
        self._by_id[device.id] = device
        self._by_iot_id[device.iot_id] = device
        if len(self._by_name) > self._capacity:
            _, oldest = self._by_name.popitem(last=False)
            del self._by_id[oldest.id]
            del self._by_iot_id[oldest.iot_id]
        return device

    def changed(self, device_id: int) -> None:
        """Let no query that is under way bring back what the device was before; call after every committed change."""
        for stale in self._loads.values():
            stale.add(device_id)

    def drop(self, device_id: int) -> None:
        """Forget a device that was deleted."""
        self.changed(device_id)
        device = self._by_id.pop(device_id, None)
        if device is not None:
            del self._by_name[device.product_key, device.name]
            del self._by_iot_id[device.iot_id]

    async def _load_names(self, names: list[Name]) -> Mapping[Name, Device]:
        by_product: dict[str, list[str]] = {}
        for product_key, name in names:
            by_product.setdefault(product_key, []).append(name)
        wanted = or_(
            *(
                and_(devices.c.product_key == product_key, devices.c.name.in_(names))
                for product_key, names in by_product.items()
            )
        )
        return {(device.product_key, device.name): device for device in await self._load(wanted)}

    async def _load_ids(self, ids: list[int]) -> Mapping[int, Device]:
        return {device.id: device for device in await self._load(devices.c.id.in_(ids))}

    async def _load_iot_ids(self, iot_ids: list[str]) -> Mapping[str, Device]:
        return {device.iot_id: device for device in await self._load(devices.c.iot_id.in_(iot_ids))}

    async def _load(self, wanted: ColumnElement[bool]) -> list[Device]:
        while True:
            number = next(self._numbers)
            stale = self._loads[number] = set[int]()
            try:
                async with self._database.read() as connection:
                    rows = (await connection.execute(select(*COLUMNS).where(wanted))).all()
            finally:
                del self._loads[number]
            if not any(row.id in stale for row in rows):
                return [self.add(self.intern(row)) for row in rows]

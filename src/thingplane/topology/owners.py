"""Whose sub-device a device is, in memory: messages that gateways send for sub-devices must not wait for the disk."""

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import select

from thingplane.bus import Bus
from thingplane.devices.service import DeviceReset
from thingplane.storage.database import Database
from thingplane.topology.events import TopologyChanged
from thingplane.topology.tables import topology_relations

CAPACITY: Final = 100_000
"""Devices of which it is remembered."""
_MAX_KEYS: Final = 500
"""Devices of one query."""
_ANY: Final = 0
"""No device's key: stands for all of them."""


class Owners:
    """The gateways of devices: a cache, least recently loaded out first."""

    def __init__(self, database: Database, bus: Bus, capacity: int = CAPACITY) -> None:
        """Start empty.

        Args:
            database: where relationships are.
            bus: tells of their changes.
            capacity: devices remembered.
        """
        self._database = database
        self._capacity = capacity
        self._known: OrderedDict[int, int | None] = OrderedDict()
        self._loads: dict[int, set[int]] = {}
        self._numbers = itertools.count()
        bus.subscribe(TopologyChanged, self._changed)
        # A deleted gateway needs no care: its key never comes back, and who looks it up finds nobody.
        bus.subscribe(DeviceReset, self._reset)

    async def of(self, device_ids: Iterable[int]) -> dict[int, int]:
        """Return the gateways of devices by their keys; those without one are left out."""
        wanted = dict.fromkeys(device_ids)
        found = {device_id: self._known[device_id] for device_id in wanted if device_id in self._known}
        missing = [device_id for device_id in wanted if device_id not in found]
        for start in range(0, len(missing), _MAX_KEYS):
            found |= await self._load(missing[start : start + _MAX_KEYS])
        return {device_id: gateway_id for device_id, gateway_id in found.items() if gateway_id is not None}

    async def _load(self, device_ids: Sequence[int]) -> dict[int, int | None]:
        query = select(topology_relations.c.sub_device_id, topology_relations.c.gateway_id)
        query = query.where(topology_relations.c.sub_device_id.in_(device_ids))
        while True:
            number = next(self._numbers)
            stale = self._loads[number] = set[int]()
            try:
                async with self._database.read() as connection:
                    rows = (await connection.execute(query)).all()
            finally:
                del self._loads[number]
            # What has changed while it was read has to be read again.
            if stale.isdisjoint([*device_ids, _ANY]):
                break
        found: dict[int, int | None] = dict.fromkeys(device_ids)
        found.update({row.sub_device_id: row.gateway_id for row in rows})
        for device_id, gateway_id in found.items():
            self._known[device_id] = gateway_id
            self._known.move_to_end(device_id)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return found

    def _changed(self, event: TopologyChanged) -> None:
        self._forget([sub.device_id for sub in event.sub_devices])

    def _reset(self, event: DeviceReset) -> None:
        """Forget whose sub-device a device was, and whose gateway."""
        owned = [device_id for device_id, gateway_id in self._known.items() if gateway_id == event.device_id]
        self._forget([event.device_id, *owned])
        for stale in self._loads.values():
            stale.add(_ANY)

    def _forget(self, device_ids: Sequence[int]) -> None:
        for stale in self._loads.values():
            stale.update(device_ids)
        for device_id in device_ids:
            self._known.pop(device_id, None)

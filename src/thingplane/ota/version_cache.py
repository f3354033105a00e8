"""Versions of the default module, in memory: details of devices are asked for often, and name them."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from thingplane.bus import Bus

CAPACITY: Final = 100_000
"""Devices whose version is remembered."""


class VersionsReported(msgspec.Struct, frozen=True):
    """Devices have reported a version; it is durable."""

    device_ids: frozenset[int]


class VersionCache:
    """What devices run, by their keys; None: nothing that they ever said. The first that was kept goes first."""

    def __init__(self, bus: Bus, capacity: int = CAPACITY) -> None:
        """Start empty.

        Args:
            bus: brings ``VersionsReported``. Deleted devices need no care: their keys never come back.
            capacity: devices remembered.
        """
        self._capacity = capacity
        self._known: OrderedDict[int, str | None] = OrderedDict()
        self.changes = 0
        """Counts what was reported, so that nothing that was read before comes back in."""
        bus.subscribe(VersionsReported, self._forget)

    def find(self, device_ids: Iterable[int]) -> dict[int, str | None]:
        """Return what is known of these devices."""
        return {device_id: self._known[device_id] for device_id in device_ids if device_id in self._known}

    def keep(self, versions: Mapping[int, str | None], changes: int) -> None:
        """Remember versions that were read when ``changes`` was this, unless others were reported since."""
        if changes != self.changes:
            return
        self._known.update(versions)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def _forget(self, event: VersionsReported) -> None:
        self.changes += 1
        for device_id in event.device_ids:
            self._known.pop(device_id, None)

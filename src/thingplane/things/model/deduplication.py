"""Deduplication of property messages before they leave the platform.

Source: guide 4.7.11, UpdateProductFilterConfig. It concerns what rules and server-side subscriptions get; the history
keeps every report.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

CAPACITY: Final = 10_000
"""Devices remembered."""

Report: TypeAlias = tuple[str, int, bytes]
"""Identifier, time in epoch milliseconds, JSON text of the value."""


class Deduplicator:
    """Remembers the last report of each property of each device and tells which new ones repeat it.

    The memory is this process's: after a restart, and for devices that were silent while ``capacity`` others reported,
    the first report counts as new.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Starts with nothing remembered; `capacity` is the number of devices to remember."""
        self._capacity = capacity
        self._devices: OrderedDict[int, dict[str, tuple[int, bytes]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._devices)

    def deduplicate(
        self, device_id: int, reports: Iterable[Report], *, by_timestamp: bool, by_value: bool
    ) -> list[Report]:
        """Returns the reports that are no duplicates, and remembers them.

        Args:
            device_id: who reports.
            reports: the properties of one message, as the model accepted them.
            by_timestamp: a duplicate repeats the time of the property's last report (PropertyTimestampFilter).
            by_value: it repeats the value (PropertyValueFilter); with both set it repeats both. Numbers are compared as
                numbers and objects without regard to the order of their members.

        Returns:
            What has to be forwarded; everything when neither rule is set. A message of which nothing is left is not
            forwarded.
        """
        if not by_timestamp and not by_value:
            return list(reports)
        last = self._last(device_id)
        fresh = []
        for identifier, time, value in reports:
            known = last.get(identifier)
            if (
                known is not None
                and (not by_timestamp or known[0] == time)
                and (not by_value or _equal(known[1], value))
            ):
                continue
            last[identifier] = (time, value)
            fresh.append((identifier, time, value))
        return fresh

    def forget(self, device_id: int) -> None:
        """Lets go of a device."""
        self._devices.pop(device_id, None)

    def _last(self, device_id: int) -> dict[str, tuple[int, bytes]]:
        last = self._devices.get(device_id)
        if last is None:
            last = self._devices[device_id] = {}
            if len(self._devices) > self._capacity:
                self._devices.popitem(last=False)
        else:
            self._devices.move_to_end(device_id)
        return last


def _equal(one: bytes, other: bytes) -> bool:
    return one == other or bool(msgspec.json.decode(one) == msgspec.json.decode(other))

"""The last value of every property, for those devices somebody looks at.

A device that nobody asked about costs nothing. The first question reads the last values from the history; from then on
the device's reports keep them up to date, until the least recently used snapshot has to make room. A value is shown
when it is durable, not before.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Final

from thingplane.storage.timeseries import GroupCommit, Point, TimeSeries
from thingplane.storage.timeseries.points import explode

CAPACITY: Final = 10_000
"""Devices whose last values are kept in memory."""


class _Snapshot:
    __slots__ = ("loaded", "points")

    def __init__(self) -> None:
        self.points: dict[str, Point] = {}
        self.loaded: asyncio.Task[None] | None = None

    def put(self, point: Point) -> None:
        """Take over a point unless a newer one is known; of the same millisecond the one that arrives last counts."""
        known = self.points.get(point.identifier)
        if known is None or known.time <= point.time:
            self.points[point.identifier] = point


class Snapshots:
    """Last property values by device."""

    def __init__(self, series: TimeSeries, commits: GroupCommit, capacity: int = CAPACITY) -> None:
        """Start empty.

        Args:
            series: the history.
            commits: tells when a report is durable.
            capacity: devices kept in memory.
        """
        self._series = series
        self._commits = commits
        self._capacity = capacity
        self._devices: OrderedDict[int, _Snapshot] = OrderedDict()

    def __len__(self) -> int:
        return len(self._devices)

    def report(self, device_id: int, received: int, points: bytes) -> None:
        """Take note of a report that was appended to the history and will be committed with this loop turn.

        Args:
            device_id: who reports.
            received: arrival in epoch milliseconds.
            points: what was appended.
        """
        snapshot = self._devices.get(device_id)
        if snapshot is not None:
            self._commits.after(partial(_show, snapshot, received, points))

    async def of(self, device_id: int) -> Mapping[str, Point]:
        """Return the last durable value of each property of a device."""
        snapshot = self._devices.get(device_id)
        if snapshot is None:
            snapshot = self._devices[device_id] = _Snapshot()
            snapshot.loaded = asyncio.get_running_loop().create_task(self._load(device_id, snapshot))
            if len(self._devices) > self._capacity:
                self._devices.popitem(last=False)
        else:
            self._devices.move_to_end(device_id)
        if snapshot.loaded is not None:
            # Others wait for the same load: one that gives up must not take it from them.
            await asyncio.shield(snapshot.loaded)
        return snapshot.points

    def forget(self, device_id: int) -> None:
        """Let go of a device."""
        self._devices.pop(device_id, None)

    async def _load(self, device_id: int, snapshot: _Snapshot) -> None:
        try:
            # What was appended before this snapshot existed is in no report to it; after this commit it is in `latest`.
            await self._commits.durable()
            for identifier, point in (await self._series.latest(device_id)).items():
                known = snapshot.points.get(identifier)
                if known is None or known.time < point.time:
                    snapshot.points[identifier] = point
        except BaseException:
            if self._devices.get(device_id) is snapshot:
                del self._devices[device_id]
            raise
        snapshot.loaded = None


def _show(snapshot: _Snapshot, received: int, points: bytes, error: BaseException | None) -> None:
    if error is None:
        for identifier, time, value in explode(points, received):
            snapshot.put(Point(identifier, time, value))

"""Reading what devices sent, verified by their thing model or not."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from thingplane.storage.timeseries import Kind, Point, TimeSeries
from thingplane.telemetry.paging import Page, Read, page
from thingplane.telemetry.posts import decode_object
from thingplane.telemetry.snapshots import Snapshots
from thingplane.things.model.validator import MAX_AHEAD_MS

MAX_LOOKED_THROUGH: Final = 10_000
"""Unverified values of a device among which the last of each property is looked for: a property that has not been sent
for longer is not found."""


class _Unverified(Point):
    """What no model has verified."""

    __slots__ = ()


class OriginalData:
    """The history together with what no thing model has verified. Times are epoch milliseconds."""

    def __init__(self, series: TimeSeries, snapshots: Snapshots) -> None:
        """Take what is read.

        Args:
            series: the history.
            snapshots: last values of verified properties.
        """
        self._series = series
        self._snapshots = snapshots

    async def properties(
        self, device_id: int, identifier: str, start: int, end: int, size: int, *, ascending: bool
    ) -> Page[Point]:
        """Return a page of the values of one property; both ends of the range are included."""
        read = self._reader(device_id, (Kind.PROPERTY, Kind.PROPERTY_UNVERIFIED), identifier, ascending=ascending)
        return await page(read, list, start, end, size, ascending=ascending)

    async def events(
        self, device_id: int, identifier: str, start: int, end: int, size: int, *, ascending: bool
    ) -> Page[Point]:
        """Return a page of the events of one name; both ends of the range are included."""
        read = self._reader(device_id, (Kind.EVENT, Kind.EVENT_UNVERIFIED), identifier, ascending=ascending)
        return await page(read, _whole_events, start, end, size, ascending=ascending, points_per_record=2)

    async def last_properties(self, device_id: int, now: int) -> Mapping[str, Point]:
        """Return the last value of each property."""
        latest = dict(await self._snapshots.of(device_id))
        unverified = await self._series.query(
            device_id, Kind.PROPERTY_UNVERIFIED, None, 0, now + MAX_AHEAD_MS, MAX_LOOKED_THROUGH, ascending=False
        )
        for point in reversed(unverified):
            known = latest.get(point.identifier)
            if known is None or known.time <= point.time:
                latest[point.identifier] = point
        return latest

    def _reader(self, device_id: int, kinds: tuple[Kind, Kind], identifier: str, *, ascending: bool) -> Read:
        async def read(start: int, end: int, limit: int) -> list[Point]:
            points: list[Point] = []
            for kind in kinds:
                found = await self._series.query(device_id, kind, [identifier], start, end, limit, ascending=ascending)
                points += found if kind is kinds[0] else [_Unverified(*point) for point in found]
            points.sort(key=attrgetter("time"), reverse=not ascending)
            return points[:limit]

        return read


def _whole_events(points: Sequence[Point]) -> list[Point]:
    """Leave out what the model took of events that are there as they came, too.

    Args:
        points: events of one name and millisecond.
    """
    wholes = [decode_object(point.value) for point in points if isinstance(point, _Unverified)]
    if not wholes:
        return list(points)
    left: list[Point] = []
    for point in points:
        output = {} if isinstance(point, _Unverified) else decode_object(point.value)
        whole = next((whole for whole in wholes if _is_part(output, whole)), None)
        if whole is None:
            left.append(point)
        else:
            wholes.remove(whole)
    return left


def _is_part(output: dict[str, Any], whole: dict[str, Any]) -> bool:
    # What the model took of an event has at least one parameter, and lacks at least one.
    return 0 < len(output) < len(whole) and all(whole.get(name) == value for name, value in output.items())

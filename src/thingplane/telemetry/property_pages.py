"""Several properties at once: a page of each, cut at one millisecond so that the next page continues all of them."""

from collections.abc import Mapping
from typing import NamedTuple

from thingplane.storage.timeseries import Point
from thingplane.telemetry.paging import Read, complete, next_time


class PropertyPages(NamedTuple):
    """Values by identifier, and where the next ones are."""

    values: dict[str, list[Point]]
    next_time: int
    """First millisecond of the next page of all properties."""
    next_valid: bool
    """Whether any property has more values."""


async def property_pages(
    reads: Mapping[str, Read], start: int, end: int, size: int, *, ascending: bool
) -> PropertyPages:
    """Read a page of each property.

    The property that fills its page first ends the page of all: what the others have behind that millisecond comes
    with the next page. A property's page is longer than ``size`` only when a single millisecond is.

    Args:
        reads: by identifier, how points are read.
        start: first millisecond of the range.
        end: last millisecond of the range, included.
        size: values of a property.
        ascending: oldest first, else newest first.
    """
    pages: dict[str, list[Point]] = {}
    last: int | None = None
    for identifier, read in reads.items():
        groups, more = await complete(read, start, end, size + 1, ascending=ascending)
        points: list[Point] = []
        for _, group in groups:
            if points and len(points) + len(group) > size:
                more = True
                break
            points += group
        pages[identifier] = points
        if more and (last is None or (points[-1].time < last) is ascending):
            last = points[-1].time
    if last is None:
        return PropertyPages(pages, next_time(None, start, end, ascending=ascending), next_valid=False)
    until = last
    shown = {
        identifier: [point for point in points if (point.time <= until if ascending else point.time >= until)]
        for identifier, points in pages.items()
    }
    return PropertyPages(shown, next_time(until, start, end, ascending=ascending), next_valid=True)

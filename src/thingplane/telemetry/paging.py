"""Pages of a device's history, addressed by time.

A page ends between two milliseconds: the next one starts at the millisecond after (or before) its last record, so that
nothing is lost and nothing comes twice however many records share a millisecond. Only when a single millisecond holds
more records than a page may have is that page longer than asked for.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import groupby
from typing import Final, Generic, NamedTuple, TypeVar

from thingplane.storage.timeseries import Point

R = TypeVar("R")

MAX_POINTS_OF_A_MILLISECOND: Final = 10_000
"""What a page may hold of one millisecond at most; a device that stamps more values than this alike loses the rest."""

Read = Callable[[int, int, int], Awaitable[list[Point]]]
"""(start, end, limit) → points in the order of the page; both ends of the range are included, in epoch ms."""
Fold = Callable[[Sequence[Point]], list[R]]
"""Makes records of the points of one millisecond."""


class Page(NamedTuple, Generic[R]):
    """Some records, and where the next ones are."""

    records: list[R]
    next_time: int
    """First millisecond of the next page: its StartTime in ascending order, its EndTime in descending order."""
    next_valid: bool
    """Whether there is a next page."""


async def complete(
    read: Read, start: int, end: int, limit: int, *, ascending: bool
) -> tuple[list[tuple[int, list[Point]]], bool]:
    """Read about ``limit`` points, in whole milliseconds.

    Args:
        read: how points are read.
        start: first millisecond of the range.
        end: last millisecond of the range.
        limit: points to read; fewer are returned when the last millisecond would be torn, more when there is only one.
        ascending: order of the points.

    Returns:
        (millisecond, its points) in order, and whether the range holds more than these.
    """
    points = await read(start, end, limit)
    groups = [(time, list(group)) for time, group in groupby(points, lambda point: point.time)]
    if len(points) < limit:
        return groups, False
    if len(groups) > 1:
        return groups[:-1], True
    time = groups[0][0]
    whole = await read(time, time, MAX_POINTS_OF_A_MILLISECOND)
    rest = await read(time + 1, end, 1) if ascending else await read(start, time - 1, 1)
    return [(time, whole)], bool(rest)


async def page(
    read: Read, fold: Fold[R], start: int, end: int, size: int, *, ascending: bool, points_per_record: int = 1
) -> Page[R]:
    """Read one page of records.

    Args:
        read: how points are read.
        fold: how the points of a millisecond become records; none may span two milliseconds.
        start: first millisecond of the range.
        end: last millisecond of the range, included.
        size: records of a page.
        ascending: oldest first, else newest first.
        points_per_record: most points that ``fold`` makes one record of.
    """
    groups, more = await complete(read, start, end, points_per_record * (size + 1), ascending=ascending)
    records: list[R] = []
    last: int | None = None
    for time, folded in _folded(groups, fold):
        if records and len(records) + len(folded) > size:
            more = True
            break
        records += folded
        last = time
    return Page(records, next_time(last, start, end, ascending=ascending), more)


def next_time(last: int | None, start: int, end: int, *, ascending: bool) -> int:
    """Return the first millisecond behind the last one of a page; behind the range when the page is empty."""
    if ascending:
        return (end if last is None else last) + 1
    return (start if last is None else last) - 1


def _folded(groups: list[tuple[int, list[Point]]], fold: Fold[R]) -> Iterator[tuple[int, list[R]]]:
    for time, points in groups:
        yield time, fold(points)

"""Reading points by device, kind, identifier and time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from thingplane.storage.timeseries.interface import Kind, Point
from thingplane.storage.timeseries.postgres.partitions import DAY_MS

_STEPS_DAYS = (2, 16, 128)

_NAMED = """SELECT k AS kind, i AS identifier FROM unnest($2::smallint[]) k CROSS JOIN unnest($3::text[]) i"""
_ALL = """SELECT k, (SELECT h.identifier FROM history h
            WHERE h.device_id = $1 AND h.kind = k AND h.time BETWEEN $4 AND $5 ORDER BY h.identifier LIMIT 1)
        FROM unnest($2::smallint[]) k WHERE $3::text[] IS NULL
        UNION ALL
        SELECT n.kind, (SELECT h.identifier FROM history h
            WHERE h.device_id = $1 AND h.kind = n.kind AND h.identifier > n.identifier AND h.time BETWEEN $4 AND $5
            ORDER BY h.identifier LIMIT 1)
        FROM names n WHERE n.identifier IS NOT NULL"""


def _statement(names: str, direction: str) -> str:
    return f"""WITH RECURSIVE names (kind, identifier) AS ({names})
    SELECT h.identifier, h.time, h.value FROM names CROSS JOIN LATERAL (
        SELECT identifier, time, arrival, value FROM history
        WHERE device_id = $1 AND kind = names.kind AND identifier = names.identifier AND time BETWEEN $4 AND $5
        ORDER BY time {direction}, arrival {direction} LIMIT $6) h
    ORDER BY h.time {direction}, h.arrival {direction} LIMIT $6"""  # noqa: S608  constants of this module


_STATEMENTS = {
    (named, ascending): _statement(_NAMED if named else _ALL, "ASC" if ascending else "DESC")
    for named in (True, False)
    for ascending in (True, False)
}


async def read_points(  # noqa: PLR0917  in the order of the index
    connection: Any,
    device_id: int,
    kinds: Sequence[Kind],
    identifiers: Sequence[str] | None,
    windows: Sequence[tuple[int, int]],
    limit: int,
    *,
    ascending: bool,
) -> list[Point]:
    """Return the first points of a query, window by window until there are enough."""
    statement = _STATEMENTS[identifiers is not None, ascending]
    points: list[Point] = []
    for start, end in windows:
        left = limit - len(points)
        if left <= 0:
            break
        rows = await connection.fetch(statement, device_id, kinds, identifiers, start, end, left)
        points.extend(Point(*row) for row in rows)
    return points


def windows(start: int, end: int, anchor: int, *, ascending: bool) -> list[tuple[int, int]]:
    """Cut a range of time into windows that grow with the distance from ``anchor``, in the order of the query.

    A statement costs something for every partition it may touch, and what is asked for mostly is near: the last points
    before now, or the first ones since a given time. Bounds are included, as those of the query.
    """
    day = anchor // DAY_MS
    if ascending:
        cuts = [cut for step in _STEPS_DAYS if start < (cut := (day + step) * DAY_MS) <= end]
        bounds = [start, *cuts, end + 1]
        return [(a, b - 1) for a, b in pairwise(bounds)]
    cuts = [cut for step in _STEPS_DAYS if start < (cut := (day - step) * DAY_MS) <= end]
    bounds = [end + 1, *cuts, start]
    return [(b, a - 1) for a, b in pairwise(bounds)]

"""The latest value of every property, without a write to a second table for every point.

``history_latest`` covers everything before ``history_state.latest_from``; newer points are looked up in the history
itself, whose last few partitions they are in. ``fold`` moves that line. It stays two days behind today, and points
older than yesterday go to ``history_latest`` at once, so no point can slip in behind the line unnoticed, even with the
clocks of the nodes a day apart.
"""

from collections.abc import Iterable
from typing import Any

from thingplane.storage.timeseries.interface import Kind, Point
from thingplane.storage.timeseries.postgres.partitions import DAY_MS

Row = tuple[int, int, str, int, bytes]
"""(device id, kind, identifier, time, value)."""

_KEEP = """ON CONFLICT (device_id, identifier) DO UPDATE
    SET time = excluded.time, arrival = excluded.arrival, value = excluded.value
    WHERE (excluded.time, excluded.arrival) > (l.time, l.arrival)"""
_KEEP_ROWS = f"""INSERT INTO history_latest AS l (device_id, identifier, time, arrival, value)
    SELECT device_id, identifier, time, nextval('history_arrival'), value
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[]) r (device_id, identifier, time, value) {_KEEP}"""  # noqa: S608  constants
_KEEP_RANGE = f"""INSERT INTO history_latest AS l (device_id, identifier, time, arrival, value)
    SELECT DISTINCT ON (device_id, identifier) device_id, identifier, time, arrival, value FROM history
    WHERE kind = {Kind.PROPERTY:d} AND time >= $1 AND time < $2
    ORDER BY device_id, identifier, time DESC, arrival DESC {_KEEP}"""  # noqa: S608  constants
# One index look-up per identifier and partition: a DISTINCT would read every point.
_READ = f"""WITH RECURSIVE names (identifier) AS (
        (SELECT identifier FROM history WHERE device_id = $1 AND kind = {Kind.PROPERTY:d} AND time >= $2
            ORDER BY identifier LIMIT 1)
        UNION ALL
        SELECT (SELECT h.identifier FROM history h
            WHERE h.device_id = $1 AND h.kind = {Kind.PROPERTY:d} AND h.time >= $2 AND h.identifier > names.identifier
            ORDER BY h.identifier LIMIT 1)
        FROM names WHERE names.identifier IS NOT NULL),
    points AS (
        SELECT identifier, time, arrival, value FROM history_latest WHERE device_id = $1
        UNION ALL
        SELECT h.identifier, h.time, h.arrival, h.value FROM names CROSS JOIN LATERAL (
            SELECT identifier, time, arrival, value FROM history
            WHERE device_id = $1 AND kind = {Kind.PROPERTY:d} AND identifier = names.identifier AND time >= $2
            ORDER BY time DESC, arrival DESC LIMIT 1) h)
    SELECT DISTINCT ON (identifier) identifier, time, value FROM points ORDER BY identifier, time DESC, arrival DESC"""  # noqa: S608


async def read_latest(connection: Any, device_id: int, latest_from: int) -> dict[str, Point]:
    """Return the last property values of a device; ``latest_from`` may be out of date."""
    rows = await connection.fetch(_READ, device_id, latest_from)
    return {row["identifier"]: Point(*row) for row in rows}


def late_rows(rows: Iterable[Row], now: int) -> list[Row]:
    """Return the last of each property among points so old that ``history_latest`` must take them at once."""
    floor = (now // DAY_MS - 1) * DAY_MS
    last: dict[tuple[int, str], Row] = {}
    for row in rows:
        device_id, kind, identifier, time, _ = row
        if time < floor and kind == Kind.PROPERTY:
            known = last.get((device_id, identifier))
            if known is None or time >= known[3]:
                last[device_id, identifier] = row
    # In one order everywhere: two nodes that lock the same rows must not wait for each other.
    return [last[key] for key in sorted(last)]


async def keep_rows(connection: Any, rows: list[Row]) -> None:
    """Put points into ``history_latest`` unless it has newer ones."""
    device_ids, _, identifiers, times, values = zip(*rows, strict=True)
    await connection.execute(_KEEP_ROWS, device_ids, identifiers, times, values)


async def forget_latest(connection: Any, device_id: int, latest_from: int) -> None:
    """Drop the latest values of a device, the recent points that they are looked up from included; in a transaction."""
    await connection.execute("DELETE FROM history_latest WHERE device_id = $1", device_id)
    await connection.execute("DELETE FROM history WHERE device_id = $1 AND time >= $2", device_id, latest_from)


async def fold(connection: Any, now: int) -> int:
    """Move the line to two days ago and return it, in epoch ms."""
    target = (now // DAY_MS - 2) * DAY_MS
    async with connection.transaction():
        latest_from: int = await connection.fetchval("SELECT latest_from FROM history_state FOR UPDATE")
        if latest_from >= target:
            return latest_from
        await connection.execute(_KEEP_RANGE, latest_from, target)
        await connection.execute("UPDATE history_state SET latest_from = $1", target)
    return target


async def keep_before(connection: Any, latest_from: int, before: int) -> None:
    """Save the latest values of everything before ``before``, which is about to be dropped; in a transaction."""
    if latest_from < before:
        # A retention of less than two days: nobody may write between this and the drop.
        await connection.execute("LOCK TABLE history IN SHARE ROW EXCLUSIVE MODE")
        await connection.execute(_KEEP_RANGE, latest_from, before)

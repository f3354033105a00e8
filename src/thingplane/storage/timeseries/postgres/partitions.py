"""Partitions of the history: one per UTC day around today, and one for stray points far from it.

Any number of nodes may do all of this at the same time.
"""

from collections.abc import Iterable
from typing import Any

from thingplane.storage.timeseries.postgres.schema import lock_schema

DAY_MS = 86_400_000
_DAYS_BACK = 40
"""So many past days get a partition on demand. Older points are few; a device must not create tables at will."""
_DAYS_AHEAD = 3
_PREFIX = "history_d"


class Partitions:
    """The days that have a partition, as far as this node knows."""

    def __init__(self) -> None:
        self._days: set[int] = set()

    def oldest(self) -> int:
        """Return the beginning of the first partition, in epoch ms; 0 without partitions."""
        return min(self._days, default=0) * DAY_MS

    async def load(self, connection: Any) -> None:
        """Learn which partitions there are."""
        rows = await connection.fetch(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = 'history'::regclass AND c.relname LIKE 'history\\_d%'"
        )
        self._days = {int(row["relname"].removeprefix(_PREFIX)) for row in rows}

    async def create_ahead(self, connection: Any, now: int) -> None:
        """Create the partitions of today and the next two days."""
        today = now // DAY_MS
        await self.ensure(connection, now, (day * DAY_MS for day in range(today, today + _DAYS_AHEAD)))

    async def ensure(self, connection: Any, now: int, times: Iterable[int]) -> None:
        """Create the partitions for points at ``times`` that should have one and have none."""
        days = {time // DAY_MS for time in times} - self._days
        if days:
            today = now // DAY_MS
            for day in sorted(days):
                if day >= 0 and today - _DAYS_BACK <= day <= today + _DAYS_AHEAD:
                    await _create(connection, day)
                    self._days.add(day)

    async def drop(self, connection: Any, before: int) -> None:
        """Drop the partitions of days that ended by ``before`` and older stray points, under ``lock_schema``."""
        await self.load(connection)
        for day in sorted(self._days):
            if (day + 1) * DAY_MS <= before:
                await connection.execute(f"DROP TABLE {_PREFIX}{day}")
                self._days.discard(day)
        await connection.execute("DELETE FROM history_stray WHERE time < $1", before)


async def _create(connection: Any, day: int) -> None:
    name, start, end = f"{_PREFIX}{day}", day * DAY_MS, (day + 1) * DAY_MS
    async with connection.transaction():
        await lock_schema(connection)
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
            return
        # Points of this day that came while it was far ahead are among the strays, and must not stay there: PostgreSQL
        # refuses a partition for which the default partition has rows.
        await connection.execute("LOCK TABLE history_stray IN ACCESS EXCLUSIVE MODE")
        await connection.execute(f"CREATE TABLE {name} (LIKE history INCLUDING DEFAULTS INCLUDING INDEXES)")
        await connection.execute(
            f"WITH moved AS (DELETE FROM history_stray WHERE time >= $1 AND time < $2 RETURNING *) "  # noqa: S608
            f"INSERT INTO {name} SELECT * FROM moved",  # a number makes the name
            start,
            end,
        )
        await connection.execute(f"ALTER TABLE history ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})")

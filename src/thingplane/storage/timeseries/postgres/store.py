"""The time-series store in PostgreSQL."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from thingplane.clock import Clock
from thingplane.storage.timeseries.errors import TimeSeriesError
from thingplane.storage.timeseries.interface import Done, Kind, Point, Stats, kinds_of
from thingplane.storage.timeseries.points import explode
from thingplane.storage.timeseries.postgres.committer import Committer
from thingplane.storage.timeseries.postgres.companion import Companion
from thingplane.storage.timeseries.postgres.latest import (
    Row,
    fold,
    forget_latest,
    keep_before,
    keep_rows,
    late_rows,
    read_latest,
)
from thingplane.storage.timeseries.postgres.partitions import Partitions
from thingplane.storage.timeseries.postgres.queries import read_points, windows
from thingplane.storage.timeseries.postgres.schema import create_tables, lock_schema

_COLUMNS = ("device_id", "kind", "identifier", "time", "value")
_CONNECT_TIMEOUT_S = 10.0
_COMMAND_TIMEOUT_S = 60.0
_MAINTENANCE_TIMEOUT_S = 3600.0
_SETTINGS = {
    "synchronous_commit": "on",  # acknowledged means durable, whatever the server's default
    "plan_cache_mode": "force_custom_plan",  # only a plan for these very times can leave out the other partitions
    "jit": "off",  # compiling takes longer than any of these statements
}
_STATS = """SELECT count(*), coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint FROM pg_inherits
    WHERE inhparent = 'history'::regclass"""


class PostgresTimeSeries:
    """Device history in PostgreSQL; see ``interface.TimeSeries`` for what it promises.

    Any number of nodes may use the same database.
    """

    def __init__(self, url: str, clock: Clock, companion: Companion | None = None) -> None:
        """Remember where the database is: ``postgresql://user:password@host:port/name``."""
        self._url = url
        self._clock = clock
        self._partitions = Partitions()
        self._companion = companion
        self._committer = Committer(self._write, companion)
        self._writer: Any = None
        self._pool: Any = None
        self._latest_from = -(1 << 63)

    async def open(self) -> None:
        """Connect, and create the tables that are missing."""
        with _errors():
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=8,
                timeout=_CONNECT_TIMEOUT_S,
                command_timeout=_COMMAND_TIMEOUT_S,
                server_settings=_SETTINGS,
                reset=_leave,
            )
        try:
            async with self._reading() as connection:
                await create_tables(connection)
                if self._companion is not None:
                    await self._companion.open(connection)
                await self._partitions.load(connection)
                await self._partitions.create_ahead(connection, self._clock.now_ms())
                self._latest_from = await connection.fetchval("SELECT latest_from FROM history_state")
        except BaseException:
            await self._pool.close()
            raise

    async def close(self) -> None:
        """Finish the commits under way and disconnect."""
        await self._committer.close()
        if self._writer is not None:
            await self._writer.close()
        await self._pool.close()

    def append(
        self,
        device_id: int,
        kind: Kind,
        received: int,
        points: bytes,
        span: tuple[int, int] | None = None,  # noqa: ARG002 - every row has its own time here
    ) -> None:
        """Add one message to the batch of the next commit."""
        kind_number = int(kind)
        self._committer.append(
            [(device_id, kind_number, *point) for point in sorted(explode(points, received))]  # one order everywhere
        )

    def commit(self, done: Done) -> None:
        """Make the batch durable in the background, then call ``done``."""
        self._committer.commit(done)

    async def _write(self, rows: list[Row], taken: list[Any]) -> None:
        if self._writer is None or self._writer.is_closed():
            self._writer = await self._connect(_COMMAND_TIMEOUT_S)
        try:
            now = self._clock.now_ms()
            await self._partitions.ensure(self._writer, now, (row[3] for row in rows))
            late = late_rows(rows, now)
            companion = self._companion if taken else None
            if companion is not None:
                await companion.prepare(self._writer, taken)
            async with self._writer.transaction():
                if companion is not None:
                    await companion.write(self._writer, taken)
                if late:
                    await keep_rows(self._writer, late)
                if rows:
                    await self._writer.copy_records_to_table("history", records=rows, columns=_COLUMNS)
        except BaseException:
            # Whatever state the connection is in, the next commit starts with a fresh one.
            self._writer.terminate()
            raise

    async def _connect(self, command_timeout: float) -> Any:
        return await asyncpg.connect(
            self._url, timeout=_CONNECT_TIMEOUT_S, command_timeout=command_timeout, server_settings=_SETTINGS
        )

    async def query(  # noqa: PLR0917  as the interface
        self,
        device_id: int,
        kind: Kind,
        identifiers: Sequence[str] | None,
        start: int,
        end: int,
        limit: int,
        *,
        ascending: bool,
    ) -> list[Point]:
        """Return the first points of a device within a range of time."""
        if limit <= 0 or start > end:
            return []
        anchor = max(start, self._partitions.oldest()) if ascending else min(end, self._clock.now_ms())
        wanted = None if identifiers is None else list(dict.fromkeys(identifiers))
        async with self._reading() as connection:
            return await read_points(
                connection,
                device_id,
                kinds_of(kind),
                wanted,
                windows(start, end, anchor, ascending=ascending),
                limit,
                ascending=ascending,
            )

    async def latest(self, device_id: int) -> dict[str, Point]:
        """Return the last property values of a device."""
        async with self._reading() as connection:
            return await read_latest(connection, device_id, self._latest_from)

    async def retire(self, before: int) -> None:
        """Drop the partitions of days that ended by ``before``, and save the latest values of past days.

        To be called every day, whatever the retention: it also creates the partitions ahead and keeps ``latest`` quick.
        """
        now = self._clock.now_ms()
        with _errors():
            connection = await self._connect(_MAINTENANCE_TIMEOUT_S)
            try:
                await self._partitions.create_ahead(connection, now)
                self._latest_from = await fold(connection, now)
                async with connection.transaction():
                    await lock_schema(connection)
                    await keep_before(connection, self._latest_from, before)
                    await self._partitions.drop(connection, before)
            finally:
                await connection.close()

    async def forget(self, device_id: int) -> None:
        """Drop the latest values of a deleted device."""
        async with self._reading() as connection, connection.transaction():
            await forget_latest(connection, device_id, self._latest_from)

    async def stats(self) -> Stats:
        """Return figures for the metrics page."""
        async with self._reading() as connection:
            return Stats(self._committer.pending(), *await connection.fetchrow(_STATS))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Any]:
        with _errors():
            async with self._pool.acquire(timeout=_CONNECT_TIMEOUT_S) as connection:
                yield connection


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise TimeSeriesError(f"History in PostgreSQL: {str(error) or type(error).__name__}") from error


async def _leave(_connection: Any) -> None:
    """Give a connection back without asking the server to reset what nothing here changes."""

"""The log in PostgreSQL: rows in the transactions of the history, a partition for each segment.

The log creates its tables itself, beside those of the history; Alembic owns the metadata tables only.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

import asyncpg
import msgspec

from thingplane.clock import Clock
from thingplane.forwarding.limits import Limits
from thingplane.forwarding.log import SEGMENT_BITS, Segment, Settled
from thingplane.forwarding.message import Forwarded
from thingplane.forwarding.routing import Audience
from thingplane.storage.timeseries import TimeSeriesError
from thingplane.storage.timeseries.postgres.schema import lock_schema

_TABLES = """
CREATE TABLE IF NOT EXISTS forwarded (
    position bigint PRIMARY KEY, audience integer NOT NULL, at bigint NOT NULL, message bytea NOT NULL
) PARTITION BY RANGE (position);
CREATE TABLE IF NOT EXISTS forwarded_audience (
    segment bigint, number integer, members bigint[] NOT NULL, PRIMARY KEY (segment, number)
);
"""
_PARTITIONS = """SELECT c.relname, pg_total_relation_size(c.oid)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'forwarded'::regclass"""
_READ = """SELECT message FROM forwarded
    WHERE position BETWEEN $1 AND $2 AND position = ANY($3::bigint[]) ORDER BY position"""
_SCAN = "SELECT position, audience, message FROM forwarded WHERE position > $1 ORDER BY position LIMIT $2"
_COLUMNS = ("position", "audience", "at", "message")
_PREFIX: Final = "forwarded_s"
_CHUNK: Final = 500
"""Messages read at a time: some 2 ms."""
_TIMEOUT_S: Final = 60.0

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Forwarded).decode


class _Batch:
    """Messages that belong to one transaction."""

    __slots__ = ("audiences", "interned", "messages", "rows")

    def __init__(self) -> None:
        self.messages: list[Forwarded] = []
        self.audiences: list[Audience] = []
        self.rows: list[tuple[int, int, int, bytes]] = []
        self.interned: dict[Audience, tuple[int, int]] = {}
        """Audiences of the batch with their segments and numbers."""


class PostgresLog:
    """The log beside a history in PostgreSQL; a ``Companion`` of it, see ``log.ForwardingLog``."""

    def __init__(self, url: str, clock: Clock, limits: Limits | None = None) -> None:
        """Remember where the database is; the history opens it."""
        self.settled: Settled = _ignore
        self.next_position = 0
        self._url = url
        self._clock = clock
        self._limits = limits or Limits()
        self.segment = 0
        self._audience_number = 0
        self._batch = _Batch()
        self._partitions: set[int] = set()
        self._known: set[tuple[int, int]] = set()
        self._closed: dict[int, Segment] = {}
        self._at = 0
        self._bytes = 0
        self._first_at = 0
        self._pool: Any = None

    # What the history asks.

    async def open(self, connection: Any) -> None:
        """Create the tables, and find the end of the log."""
        async with connection.transaction():
            await lock_schema(connection)
            await connection.execute(_TABLES)
        self._partitions = {_number(row["relname"]) for row in await connection.fetch(_PARTITIONS)}
        self.segment = max(self._partitions, default=1)
        start = self.segment << SEGMENT_BITS
        last = await connection.fetchval("SELECT max(position) FROM forwarded WHERE position >= $1", start)
        self.next_position = start if last is None else last + 1
        if last is not None:
            self._first_at = await connection.fetchval(
                "SELECT at FROM forwarded WHERE position >= $1 ORDER BY position LIMIT 1", start
            )
        self._audience_number = await connection.fetchval("SELECT coalesce(max(number), 0) FROM forwarded_audience")
        # A pool of its own: reading a backlog must not keep queries of the history waiting.
        self._pool = await asyncpg.create_pool(
            self._url, min_size=0, max_size=2, command_timeout=_TIMEOUT_S, server_settings={"jit": "off"}
        )

    def pending(self) -> int:
        """Return how many messages wait for the next commit."""
        return len(self._batch.messages)

    def take(self) -> _Batch:
        """Give the batch."""
        batch, self._batch = self._batch, _Batch()
        return batch

    async def prepare(self, connection: Any, taken: Sequence[_Batch]) -> None:
        """Create the partitions that the batches need."""
        needed = {segment for batch in taken for segment, _ in batch.interned.values()}
        for number in sorted(needed - self._partitions):
            async with connection.transaction():
                await lock_schema(connection)
                start, end = number << SEGMENT_BITS, (number + 1) << SEGMENT_BITS
                await connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {_PREFIX}{number} PARTITION OF forwarded "
                    f"FOR VALUES FROM ({start}) TO ({end})"
                )
            self._partitions.add(number)

    async def write(self, connection: Any, taken: Sequence[_Batch]) -> None:
        """Write the batches."""
        interned = {
            key: audience.members
            for batch in taken
            for audience, key in batch.interned.items()
            if key not in self._known
        }
        if interned:
            await connection.executemany(
                "INSERT INTO forwarded_audience VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                [(*key, members) for key, members in interned.items()],
            )
        rows = taken[0].rows if len(taken) == 1 else list(chain.from_iterable(batch.rows for batch in taken))
        await connection.copy_records_to_table("forwarded", records=rows, columns=_COLUMNS)

    def settle(self, taken: Sequence[_Batch], error: BaseException | None) -> None:
        """Learn how the transaction ended, and tell."""
        for batch in taken:
            if error is None:
                self._known.update(batch.interned.values())
                if not self._first_at:
                    self._first_at = batch.rows[0][2]
            self.settled(batch.messages, batch.audiences, error)

    # What the forwarder asks.

    def append(self, message: Forwarded, audience: Audience) -> bool:
        """Add a message to the batch of the next commit; True for the first of a batch."""
        batch = self._batch
        is_first = not batch.messages
        if is_first:
            self._at = self._clock.now_ms()
            if self._full():
                self._begin_segment()
                message = msgspec.structs.replace(message, position=self.next_position)
        self.next_position = message.position + 1
        if audience not in batch.interned:
            if audience.segment != self.segment:
                self._audience_number += 1
                audience.segment, audience.number = self.segment, self._audience_number
            batch.interned[audience] = (audience.segment, audience.number)
        text = _encode(message)
        batch.messages.append(message)
        batch.audiences.append(audience)
        batch.rows.append((message.position, audience.number, self._at, text))
        self._bytes += len(text)
        return is_first

    def _full(self) -> bool:
        limits = self._limits
        return bool(self._first_at) and (
            self._bytes >= limits.segment_bytes
            or self.next_position - (self.segment << SEGMENT_BITS) >= limits.segment_messages
            or self._at - self._first_at >= limits.segment_age_ms
        )

    def _begin_segment(self) -> None:
        self.segment += 1
        self.next_position = self.segment << SEGMENT_BITS
        self._first_at = self._bytes = 0

    async def read(self, positions: Sequence[int]) -> list[Forwarded]:
        """Return messages by their positions."""
        found: list[Forwarded] = []
        for start in range(0, len(positions), _CHUNK):
            chunk = positions[start : start + _CHUNK]
            with _errors():
                rows = await self._pool.fetch(_READ, chunk[0], chunk[-1], chunk)
            found.extend(_decode(row[0]) for row in rows)
            await asyncio.sleep(0)
        return found

    async def scan(self, after: int) -> AsyncIterator[tuple[Forwarded, tuple[int, ...]]]:
        """Yield messages behind a position with the subscribers each was due to."""
        members: dict[tuple[int, int], tuple[int, ...]] = {}
        while True:
            with _errors():
                rows = await self._pool.fetch(_SCAN, after, _CHUNK)
                if not rows:
                    return
                if any((position >> SEGMENT_BITS, audience) not in members for position, audience, _ in rows):
                    for segment, number, listed in await self._pool.fetch("SELECT * FROM forwarded_audience"):
                        members[segment, number] = tuple(listed)
            for position, audience, text in rows:
                yield _decode(text), members[position >> SEGMENT_BITS, audience]
                after = position

    async def segments(self) -> list[Segment]:
        """Return the segments that have messages."""
        found: list[Segment] = []
        with _errors():
            sizes = {_number(name): size for name, size in await self._pool.fetch(_PARTITIONS)}
            for number, size in sorted(sizes.items()):
                segment = self._closed.get(number) or await self._look_at(number, size)
                if segment is not None:
                    found.append(segment)
                    if number < self.segment:
                        self._closed[number] = segment
        return found

    async def _look_at(self, number: int, size: int) -> Segment | None:
        ends = f"SELECT position, at FROM {_PREFIX}{number} ORDER BY position"  # noqa: S608  a number makes the name
        first = await self._pool.fetchrow(f"{ends} LIMIT 1")
        last = await self._pool.fetchrow(f"{ends} DESC LIMIT 1")
        if first is None or last is None:
            return None
        return Segment(number, last[0] - (number << SEGMENT_BITS) + 1, size, first[1], last[1])

    async def drop(self, number: int) -> None:
        """Drop a partition."""
        if number == self.segment:
            return
        with _errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await lock_schema(connection)
                await connection.execute(f"DROP TABLE IF EXISTS {_PREFIX}{number}")
                await connection.execute("DELETE FROM forwarded_audience WHERE segment = $1", number)
        self._partitions.discard(number)
        self._closed.pop(number, None)
        self._known = {key for key in self._known if key[0] != number}

    async def close(self) -> None:
        """Disconnect."""
        if self._pool is not None:
            await self._pool.close()


def _number(name: str) -> int:
    return int(name.removeprefix(_PREFIX))


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise TimeSeriesError(f"Forwarded messages in PostgreSQL: {reason}") from error


def _ignore(_messages: Sequence[Forwarded], _audiences: Sequence[Audience], _error: BaseException | None) -> None:
    """Nobody forwards yet."""

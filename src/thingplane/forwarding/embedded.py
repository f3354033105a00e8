"""The log in the hot files of the embedded history: one transaction, one disk flush for both.

A segment is what one hot file has of the log, and has the file's number. When the history of the file is sealed and
somebody still waits for a message in it, the log keeps the file; nothing is copied.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import apsw
import msgspec

from thingplane.clock import Clock
from thingplane.forwarding.limits import Limits
from thingplane.forwarding.log import SEGMENT_BITS, Segment, Settled
from thingplane.forwarding.message import Forwarded
from thingplane.forwarding.routing import Audience
from thingplane.storage.timeseries import TimeSeriesError
from thingplane.storage.timeseries.embedded import layout

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS forwarded (
        position INTEGER PRIMARY KEY, audience INTEGER NOT NULL, at INTEGER NOT NULL, message BLOB NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS forwarded_audience (number INTEGER PRIMARY KEY, members TEXT NOT NULL)",
)
_COLUMNS = 4
_INSERT = "INSERT INTO forwarded (position, audience, at, message) VALUES "
_INSERTS = [(size, _INSERT + ",".join(["(?,?,?,?)"] * size)) for size in (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)]
_READ = "SELECT message FROM forwarded WHERE position IN carray(?) ORDER BY position"
_SCAN = "SELECT position, audience, message FROM forwarded WHERE position > ? ORDER BY position LIMIT ?"
_ENDS = """SELECT min(position), max(position) FROM forwarded"""
_CHUNK: Final = 128
"""Messages read at a time: some 0.3 ms."""
_STEP_S: Final = 0.001
"""Reading lets the loop do other things after so long."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Forwarded).decode


class _File:
    """A hot file, the history's or the log's own."""

    __slots__ = ("connection", "first", "last", "owned", "path", "unwanted")

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self.connection = connection
        self.first: int | None = None
        self.last: int | None = None
        self.owned = False
        self.unwanted = False
        rows: list[Any] = connection.execute(_ENDS).fetchall()
        self.first, self.last = rows[0]

    def written_at(self, position: int | None) -> int:
        rows: list[Any] = self.connection.execute("SELECT at FROM forwarded WHERE position = ?", (position,)).fetchall()
        return int(rows[0][0])

    def size(self) -> int:
        log = self.path.with_name(self.path.name + "-wal")
        return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)


class EmbeddedLog:
    """The log of a node on its own; a ``Companion`` of the embedded history, see ``log.ForwardingLog``."""

    def __init__(self, clock: Clock, limits: Limits | None = None) -> None:
        """Start without files; the history brings them when it is opened."""
        self.settled: Settled = _ignore
        self.next_position = 0
        self._clock = clock
        self._limits = limits or Limits()
        self._files: dict[int, _File] = {}
        self.segment = -1
        self._messages: list[Forwarded] = []
        self._audiences: list[Audience] = []
        self._values: list[int | bytes] = []
        self._interned: list[Audience] = []
        self._audience_number = 0
        self._at = 0
        self._bytes = 0
        self._first_at = 0

    # What the history asks.

    def create(self, generation: int, path: Path, connection: apsw.Connection) -> None:
        """Add the tables to a hot file; what waits for the next commit goes there."""
        for statement in _SCHEMA:
            connection.execute(statement)
        file = self._files[generation] = _File(path, connection)
        numbers: list[Any] = connection.execute("SELECT max(number) FROM forwarded_audience").fetchall()
        self._audience_number = numbers[0][0] or 0
        self.segment = generation
        start = generation << SEGMENT_BITS
        self.next_position = start if file.last is None else file.last + 1
        self._first_at = 0 if file.first is None else file.written_at(file.first)
        self._bytes = 0 if file.last is None else file.size()
        waiting = list(zip(self._messages, self._audiences, strict=True))
        self._begin_batch()
        for message, audience in waiting:
            self.append(msgspec.structs.replace(message, position=self.next_position), audience)

    def pending(self) -> int:
        """Return how many messages wait for the next commit."""
        return len(self._messages)

    def write(self, connection: apsw.Connection) -> None:
        """Write the batch."""
        values, left, begin = self._values, len(self._messages), 0
        if not left:
            return
        if self._interned:
            connection.executemany(
                "INSERT INTO forwarded_audience VALUES (?, ?)",
                [(audience.number, ",".join(map(str, audience.members))) for audience in self._interned],
            )
        for size, insert in _INSERTS:
            while left >= size:
                connection.execute(insert, values[begin : begin + size * _COLUMNS])
                begin += size * _COLUMNS
                left -= size

    def settle(self, error: BaseException | None) -> None:
        """Learn how the commit ended, and tell."""
        messages, audiences = self._messages, self._audiences
        if not messages:
            return
        if error is None:
            file = self._files[self.segment]
            file.last = messages[-1].position
            if file.first is None:
                file.first = messages[0].position
                self._first_at = self._at
        else:
            for audience in self._interned:
                audience.segment = -1
        self._begin_batch()
        self.settled(messages, audiences, error)

    def full(self) -> bool:
        """Tell whether the next segment should begin."""
        if not self._first_at:
            return False
        limits = self._limits
        return (
            self._bytes >= limits.segment_bytes
            or self.next_position - (self.segment << SEGMENT_BITS) >= limits.segment_messages
            or self._clock.now_ms() - self._first_at >= limits.segment_age_ms
        )

    def take_over(self, generation: int, path: Path, connection: apsw.Connection) -> bool:
        """Keep a file that has messages, unless nobody waits for any of them."""
        file = self._files.get(generation)
        if file is None:
            # Sealed before a crash; ``drop`` is told when nobody waits for it.
            if not connection.table_exists("main", "forwarded"):
                return False
            file = self._files[generation] = _File(path, connection)
        if file.unwanted or file.last is None:
            del self._files[generation]
            return False
        file.owned = True
        return True

    # What the forwarder asks.

    def append(self, message: Forwarded, audience: Audience) -> bool:
        """Add a message to the batch of the next commit; True for the first of a batch."""
        self.next_position = message.position + 1
        if audience.segment != self.segment:
            self._intern(audience)
        text = _encode(message)
        messages = self._messages
        is_first = not messages
        if is_first:
            self._at = self._clock.now_ms()
        messages.append(message)
        self._audiences.append(audience)
        self._values += (message.position, audience.number, self._at, text)
        self._bytes += len(text)
        return is_first

    async def read(self, positions: Sequence[int]) -> list[Forwarded]:
        """Return messages by their positions."""
        found: list[Forwarded] = []
        began = perf_counter()
        for number, group in groupby(positions, lambda position: position >> SEGMENT_BITS):
            wanted = array("q", group)
            for start in range(0, len(wanted), _CHUNK):
                file = self._files.get(number)
                if file is None or file.unwanted:
                    break
                chunk = apsw.carray(wanted[start : start + _CHUNK])
                found.extend(_decode(row[0]) for row in self._rows(file, _READ, (chunk,)))
                if perf_counter() - began > _STEP_S:
                    await asyncio.sleep(0)
                    began = perf_counter()
        return found

    async def scan(self, after: int) -> AsyncIterator[tuple[Forwarded, tuple[int, ...]]]:
        """Yield messages behind a position with the subscribers each was due to."""
        for number in sorted(self._files):
            members: dict[int, tuple[int, ...]] = {}
            # A file whose last message is not behind the position has nothing to read.
            while (file := self._files.get(number)) is not None and file.last is not None and file.last > after:
                rows = self._rows(file, _SCAN, (after, _CHUNK))
                if not rows:
                    break
                for position, audience, text in rows:
                    if audience not in members:
                        members |= self._members(file)
                    yield _decode(text), members[audience]
                    after = position
                await asyncio.sleep(0)

    async def segments(self) -> list[Segment]:
        """Return the segments that have messages."""
        found = []
        for number, file in sorted(self._files.items()):
            if file.first is not None and file.last is not None and not file.unwanted:
                rows = file.last - (number << SEGMENT_BITS) + 1
                first_at = file.written_at(file.first)
                found.append(Segment(number, rows, file.size(), first_at, file.written_at(file.last)))
        return found

    async def drop(self, number: int) -> None:
        """Delete a segment, or leave that to the history whose file it is."""
        file = self._files.get(number)
        if file is None or number == self.segment:
            return
        if not file.owned:
            file.unwanted = True
            return
        del self._files[number]
        try:
            file.connection.close()
            layout.remove_database(file.path)
        except (apsw.Error, OSError) as error:
            raise TimeSeriesError(f"{file.path} cannot be deleted: {error}") from error

    async def close(self) -> None:
        """Close the files that are the log's own."""
        for file in self._files.values():
            if file.owned:
                file.connection.close()
        self._files.clear()

    def _begin_batch(self) -> None:
        self._messages, self._audiences, self._values, self._interned = [], [], [], []

    def _intern(self, audience: Audience) -> None:
        self._audience_number += 1
        audience.segment, audience.number = self.segment, self._audience_number
        self._interned.append(audience)

    @staticmethod
    def _members(file: _File) -> dict[int, tuple[int, ...]]:
        rows: list[Any] = file.connection.execute("SELECT number, members FROM forwarded_audience").fetchall()
        return {number: tuple(map(int, members.split(","))) for number, members in rows}

    @staticmethod
    def _rows(file: _File, statement: str, bindings: tuple[Any, ...]) -> list[Any]:
        try:
            # All at once: a statement left open would keep the write-ahead log from starting again.
            return file.connection.execute(statement, bindings).fetchall()
        except apsw.Error as error:
            raise TimeSeriesError(f"{file.path} cannot be read: {error}") from error


def _ignore(_messages: Sequence[Forwarded], _audiences: Sequence[Audience], _error: BaseException | None) -> None:
    """Nobody forwards yet."""

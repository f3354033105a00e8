"""The hot file: messages in order of arrival, one row each, found through an index in memory."""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw

from thingplane.storage.timeseries.embedded import layout
from thingplane.storage.timeseries.embedded.companion import Companion
from thingplane.storage.timeseries.embedded.index import HotIndex
from thingplane.storage.timeseries.embedded.threads import in_thread
from thingplane.storage.timeseries.embedded.top import Hit, Top
from thingplane.storage.timeseries.errors import TimeSeriesError
from thingplane.storage.timeseries.interface import Kind
from thingplane.storage.timeseries.points import explode, span

_SCHEMA = """CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY, device_id INTEGER NOT NULL, kind INTEGER NOT NULL, received INTEGER NOT NULL,
    points BLOB NOT NULL)"""
_COLUMNS = 4
_SIZES = [512, 256, 128, 64, 32, 16, 8, 4, 2, 1]
_INSERT = "INSERT INTO message (device_id, kind, received, points) VALUES "
# Few statements for any number of rows, all of them kept prepared by apsw.
_INSERTS = [(size, _INSERT + ",".join(["(?,?,?,?)"] * size)) for size in _SIZES]
_CHECKPOINT_PAGES = 4000
"""The write-ahead log is copied into the file when it is so long (16 MB)."""


def create_hot(path: Path) -> None:
    """Create a hot file whose name survives a power cut. May run in a thread."""
    connection = apsw.Connection(str(path))
    try:
        _prepare(connection)
    finally:
        connection.close()
    layout.sync(path.parent)


def open_hot(path: Path) -> apsw.Connection:
    """Open a hot file that exists, to read and to write."""
    connection = apsw.Connection(str(path), statementcachesize=64)
    connection.pragma("synchronous", "full")
    # Otherwise closing a file, even one about to be deleted, would copy its whole log in the loop.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return connection


def _prepare(connection: apsw.Connection) -> None:
    connection.pragma("journal_mode", "wal")
    connection.execute(_SCHEMA)


class HotFile:
    """One hot file, open. Used from the loop's thread only."""

    def __init__(self, path: Path, generation: int, companion: Companion | None = None) -> None:
        """Open an existing file and index its rows: 1 µs a row or so."""
        self.path = path
        self.generation = generation
        self.rows = 0
        self.first_received: int | None = None
        self.connection = open_hot(path)
        _prepare(self.connection)  # a crash may have come between the creation of the file and of its table
        # Checkpoints flush the file and take as long as the disk likes; they run in a thread, not inside a commit.
        self.connection.set_wal_hook(self._log_grew)
        self._log_pages = 0
        self._checkpointed = 0
        self._companion = companion
        self._base = generation << layout.SEQUENCE_BITS
        self._index = HotIndex()
        if companion is not None:
            companion.create(generation, path, self.connection)
        self._load()

    def _load(self) -> None:
        spans = []
        for row, device_id, received, points in self.connection.execute(
            "SELECT id, device_id, received, points FROM message ORDER BY id"
        ):
            if self.first_received is None:
                self.first_received = received
            self.rows = row
            spans.append((device_id, *span(points, received)))
        self._index.extend(0, spans)

    def write(self, values: list[int | bytes], spans: list[tuple[int, int, int]]) -> None:
        """Commit messages, durably.

        Args:
            values: device id, kind, received, points of the first message, of the second, …
            spans: For each message device id, earliest and latest time of its points.

        Raises:
            apsw.Error: Nothing was written.
        """
        connection = self.connection
        if self.rows + len(spans) >= 1 << layout.SEQUENCE_BITS:
            raise TimeSeriesError(f"{self.path.name} is full")
        connection.execute("BEGIN IMMEDIATE")
        try:
            begin, left = 0, len(spans)
            for size, insert in _INSERTS:
                while left >= size:
                    connection.execute(insert, values[begin : begin + size * _COLUMNS])
                    begin += size * _COLUMNS
                    left -= size
            if self._companion is not None:
                self._companion.write(connection)
            connection.execute("COMMIT")
        except BaseException:
            # A full disk makes SQLite roll back by itself.
            if not connection.get_autocommit():
                connection.execute("ROLLBACK")
            raise
        if spans:
            if self.first_received is None:
                self.first_received = values[2]  # type: ignore[assignment]
            self._index.extend(self.rows, spans)
            self.rows += len(spans)

    def forget(self, device_id: int) -> None:
        """Stop finding the rows of a device."""
        self._index.forget(device_id)

    def scan(
        self, device_id: int, kinds: Sequence[Kind], identifiers: Sequence[str] | None, top: Top
    ) -> Iterator[None]:
        """Add the points of a query to its result; yields after every bounded step."""
        wanted = None if identifiers is None else frozenset(identifiers)
        for rows in self._index.candidates(device_id, top):
            top.add(
                hit
                for hit in self._hits(rows, kinds)
                if top.start <= hit[0] <= top.end and (wanted is None or hit[2] in wanted)
            )
            yield

    def latest(self, device_id: int, found: dict[str, Hit]) -> Iterator[None]:
        """Put the last property values of a device over older ones in ``found``; yields after every bounded step."""
        for rows in self._index.rows(device_id):
            for hit in self._hits(rows, (Kind.PROPERTY,)):
                known = found.get(hit[2])
                if known is None or hit > known:
                    found[hit[2]] = hit
            yield

    def _hits(self, rows: "array[int]", kinds: Sequence[Kind]) -> Iterator[Hit]:
        for row, kind, received, points in self.connection.execute(
            "SELECT id, kind, received, points FROM message WHERE id IN carray(?)", (apsw.carray(rows),)
        ):
            if kind in kinds:
                for identifier, time, value in explode(points, received):
                    yield time, self._base + row, identifier, value

    def size(self) -> int:
        """Return the bytes on disk, the write-ahead log included."""
        log = self.path.with_name(self.path.name + "-wal")
        return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)

    def _log_grew(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        if pages < self._checkpointed:  # the log was started again
            self._checkpointed = 0
        self._log_pages = pages
        return apsw.SQLITE_OK

    def checkpoint_due(self) -> bool:
        """Tell whether the write-ahead log has grown long since the last checkpoint."""
        return self._log_pages - self._checkpointed >= _CHECKPOINT_PAGES

    async def checkpoint(self) -> None:
        """Copy the write-ahead log into the file, in a thread, if it is due.

        Raises:
            apsw.Error: The disk is full or broken. No message is lost: they stay in the log.
        """
        if self.checkpoint_due():
            self._checkpointed = self._log_pages
            await in_thread(lambda: _checkpoint(self.path))

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def retire(self) -> None:
        """Give the file to the companion, or delete it: its messages are sealed."""
        self.connection.set_wal_hook(None)
        retire_hot(self.path, self.generation, self.connection, self._companion)


def retire_hot(path: Path, generation: int, connection: apsw.Connection, companion: Companion | None) -> None:
    """Give a file whose messages are sealed to the companion, or delete it."""
    if companion is None or not companion.take_over(generation, path, connection):
        connection.close()
        layout.remove_database(path)


def _checkpoint(path: Path) -> None:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.pragma("synchronous", "full")
        # Passive: never waits for the writer, never makes it wait.
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    finally:
        connection.close()

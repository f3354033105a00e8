"""Sealed files: points sorted by device, kind, identifier, time and arrival; written once, then only read."""

import secrets
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw

from thingplane.storage.timeseries.embedded import layout
from thingplane.storage.timeseries.embedded.catalog import SealedFile
from thingplane.storage.timeseries.embedded.top import Top
from thingplane.storage.timeseries.interface import Kind

_SCHEMA = (
    "CREATE TABLE about (bucket TEXT, level INTEGER, generation INTEGER, min_time INTEGER, max_time INTEGER)",
    "CREATE TABLE identifier (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """CREATE TABLE point (
        device_id INTEGER NOT NULL, kind INTEGER NOT NULL, identifier INTEGER NOT NULL, time INTEGER NOT NULL,
        arrival INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (device_id, kind, identifier, time, arrival)
    ) WITHOUT ROWID""",
)
_FORWARD = """SELECT time, arrival, value FROM point WHERE device_id = ? AND kind = ? AND identifier = ?
    AND (time, arrival) > (?, ?) AND time <= ? ORDER BY time, arrival LIMIT ?"""
_BACKWARD = """SELECT time, arrival, value FROM point WHERE device_id = ? AND kind = ? AND identifier = ?
    AND (time, arrival) < (?, ?) AND time >= ? ORDER BY time DESC, arrival DESC LIMIT ?"""
_NEXT_IDENTIFIER = """SELECT identifier FROM point WHERE device_id = ? AND kind = ? AND identifier > ?
    ORDER BY identifier LIMIT 1"""
_CHUNK = 256
_LAST_ARRIVAL = (1 << 63) - 1

_COLUMNS = 6
_BATCH = 50
_INSERT = "INSERT INTO point VALUES (?,?,?,?,?,?)"
_INSERT_BATCH = _INSERT + ",(?,?,?,?,?,?)" * (_BATCH - 1)
"""Takes little more than half the time of so many statements."""

Series = Mapping[str, list[tuple[int, int, bytes]]]
"""By identifier: time, arrival and JSON text of the value of each point."""


class SealedWriter:
    """Writes one sealed file. Until ``finish`` it has a temporary name, afterwards it is on disk for good."""

    def __init__(self, directory: Path, bucket: str, level: int, generation: int) -> None:
        self._name = f"{bucket}-{secrets.token_hex(6)}.sqlite3"
        self._path = directory / self._name
        self._temporary = directory / (self._name + layout.TEMPORARY)
        self._about = (bucket, level, generation)
        self.connection = apsw.Connection(
            str(self._temporary),
            flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI,
        )
        # A file that never gets its name is deleted: no journal, one flush at the end.
        for name, value in (("journal_mode", "off"), ("synchronous", "off"), ("cache_size", -65536)):
            self.connection.pragma(name, value)
        for statement in _SCHEMA:
            self.connection.execute(statement)
        self._identifiers: dict[str, int] = {}
        self._waiting: list[int | bytes] = []

    def begin(self) -> None:
        """Start writing; attach other files before."""
        self.connection.execute("BEGIN")

    def number(self, identifier: str) -> int:
        """Return the number of an identifier in this file."""
        number = self._identifiers.get(identifier)
        if number is None:
            number = self._identifiers[identifier] = len(self._identifiers) + 1
            self.connection.execute("INSERT INTO identifier VALUES (?, ?)", (number, identifier))
        return number

    def add(self, device_id: int, kind: int, series: Series) -> None:
        """Write points. They append to the file's end if devices and kinds ascend and every series is sorted."""
        for number, points in sorted((self.number(identifier), points) for identifier, points in series.items()):
            for time, arrival, value in points:
                self._waiting += (device_id, kind, number, time, arrival, value)
                if len(self._waiting) == _BATCH * _COLUMNS:
                    self.connection.execute(_INSERT_BATCH, self._waiting)
                    self._waiting = []

    def finish(self) -> SealedFile:
        """Flush the file to disk and give it its name; the folder is still to be flushed."""
        left = iter(self._waiting)
        self.connection.executemany(_INSERT, zip(*[left] * _COLUMNS, strict=True))
        extent: Any = self.connection.execute("SELECT count(*), min(time), max(time) FROM point").fetchall()
        points, min_time, max_time = extent[0]
        self.connection.execute("INSERT INTO about VALUES (?, ?, ?, ?, ?)", (*self._about, min_time, max_time))
        self.connection.execute("COMMIT")
        self.connection.close()
        layout.sync(self._temporary)
        size = self._temporary.stat().st_size
        self._temporary.rename(self._path)
        return SealedFile(self._name, *self._about, min_time, max_time, points, size)


class SealedReader:
    """Reads one sealed file."""

    def __init__(self, path: Path) -> None:
        self._connection = layout.open_sealed(path)
        self._names: dict[int, str] = {}

    def scan(
        self, device_id: int, kinds: Sequence[Kind], identifiers: Sequence[str] | None, top: Top
    ) -> Iterator[None]:
        """Add the points of a query to its result; yields after every bounded step."""
        for kind in kinds:
            numbers = self._all(device_id, kind) if identifiers is None else self._some(identifiers)
            for number, name in numbers:
                yield from self._scan(device_id, kind, number, name, top)

    def _scan(self, device_id: int, kind: int, number: int, name: str, top: Top) -> Iterator[None]:
        # Every step is a query of its own that goes on where the last one ended: between steps nothing is held open.
        statement, limit, left = _BACKWARD, top.start, top.limit
        place = (top.end, _LAST_ARRIVAL)
        if top.ascending:
            statement, limit, place = _FORWARD, top.end, (top.start, -1)
        while left > 0 and not top.complete(place[0]):
            chunk = min(left, _CHUNK)
            values = (device_id, kind, number, *place, limit, chunk)
            rows: list[Any] = self._connection.execute(statement, values).fetchall()
            top.add((time, arrival, name, value) for time, arrival, value in rows)
            yield
            if len(rows) < chunk:
                break
            left -= chunk
            place = rows[-1][:2]

    def _some(self, identifiers: Sequence[str]) -> Iterator[tuple[int, str]]:
        for name in identifiers:
            number = self._connection.execute("SELECT id FROM identifier WHERE name = ?", (name,)).get
            if number is not None:
                yield number, name

    def _all(self, device_id: int, kind: int) -> Iterator[tuple[int, str]]:
        number = 0
        while True:
            number = self._connection.execute(_NEXT_IDENTIFIER, (device_id, kind, number)).get
            if number is None:
                return
            name = self._names.get(number)
            if name is None:
                name = self._connection.execute("SELECT name FROM identifier WHERE id = ?", (number,)).get
                self._names[number] = name
            yield number, name


class Readers:
    """The sealed files that are open, at most so many: the least recently used goes first.

    A query that pauses keeps its reader, so files are let go here and closed when nobody holds them any more.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        self._limit = limit
        self._open: OrderedDict[str, SealedReader] = OrderedDict()

    def get(self, name: str) -> SealedReader:
        """Return the reader of a file."""
        reader = self._open.pop(name, None)
        if reader is None:
            if len(self._open) >= self._limit:
                self._open.popitem(last=False)
            reader = SealedReader(self._directory / name)
        self._open[name] = reader
        return reader

    def discard(self, name: str) -> None:
        """Let go a file that is about to be deleted."""
        self._open.pop(name, None)

    def clear(self) -> None:
        """Let go all files."""
        self._open.clear()

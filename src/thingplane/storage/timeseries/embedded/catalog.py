"""The catalog: which sealed files count, and the latest value of every property.

One transaction of the catalog is the moment at which a sealing, a merge or a retirement takes effect. A file that the
catalog does not name does not count and is deleted at the next opening, so a crash at any moment is repaired.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import apsw

from thingplane.storage.timeseries.embedded import layout
from thingplane.storage.timeseries.embedded.top import Hit
from thingplane.storage.timeseries.errors import TimeSeriesError

_FORMAT = 1
_SCHEMA = (
    "CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE file (
        name TEXT PRIMARY KEY, bucket TEXT NOT NULL, level INTEGER NOT NULL, generation INTEGER NOT NULL,
        min_time INTEGER NOT NULL, max_time INTEGER NOT NULL, points INTEGER NOT NULL, bytes INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE latest (
        device_id INTEGER NOT NULL, identifier TEXT NOT NULL, time INTEGER NOT NULL, arrival INTEGER NOT NULL,
        value BLOB NOT NULL, PRIMARY KEY (device_id, identifier)
    ) WITHOUT ROWID""",
    f"INSERT INTO state VALUES ('format', {_FORMAT}), ('sealed_through', 0)",  # noqa: S608  a constant
)
_KEEP_LATEST = """INSERT INTO latest VALUES (?, ?, ?, ?, ?) ON CONFLICT (device_id, identifier) DO UPDATE
    SET time = excluded.time, arrival = excluded.arrival, value = excluded.value
    WHERE (excluded.time, excluded.arrival) > (time, arrival)"""

Latest = tuple[int, str, int, int, bytes]
"""(device id, identifier, time, arrival, value)."""


class SealedFile(NamedTuple):
    """What the catalog knows of a sealed file."""

    name: str
    bucket: str
    level: int
    """How many merges its points went through."""
    generation: int
    """The youngest hot file its points came from."""
    min_time: int
    max_time: int
    points: int
    bytes: int


class Catalog:
    """A connection to the catalog."""

    def __init__(self, directory: Path) -> None:
        """Open the catalog of a history folder, creating it in a folder without history.

        Raises:
            TimeSeriesError: The catalog is missing beside existing history, or was written by a newer version.
        """
        path = directory / layout.CATALOG
        if not path.exists() and any(directory.glob("*.sqlite3")):
            raise TimeSeriesError(f"{path} is missing, but there is history beside it")
        self._connection = apsw.Connection(str(path))
        self._connection.set_busy_timeout(60_000)
        self._connection.pragma("journal_mode", "wal")
        self._connection.pragma("synchronous", "full")
        try:
            self._prepare(path)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: Path) -> None:
        with self._connection:
            if not self._connection.table_exists("main", "state"):
                for statement in _SCHEMA:
                    self._connection.execute(statement)
        if self._state("format") > _FORMAT:
            raise TimeSeriesError(f"{path} was written by a newer version of Thingplane")

    def _state(self, name: str) -> int:
        value: int = self._connection.execute("SELECT value FROM state WHERE name = ?", (name,)).get
        return value

    def sealed_through(self) -> int:
        """Return the last generation of hot files whose points are all sealed."""
        return self._state("sealed_through")

    def files(self) -> list[SealedFile]:
        """Return the sealed files that count."""
        return [
            SealedFile(*row)
            for row in self._connection.execute(
                "SELECT name, bucket, level, generation, min_time, max_time, points, bytes FROM file ORDER BY name"
            )
        ]

    def latest(self, device_id: int) -> Iterator[Hit]:
        """Yield the latest property values of a device, as far as sealed."""
        yield from self._connection.execute(
            "SELECT time, arrival, identifier, value FROM latest WHERE device_id = ?", (device_id,)
        )

    def sealed(self, generation: int, files: Iterable[SealedFile], latest: Iterable[Latest]) -> None:
        """Record, durably, that a hot file's points are now in ``files``, with its last property values."""
        with self._connection:
            self._add(files)
            self._connection.executemany(_KEEP_LATEST, latest)
            self._connection.execute("UPDATE state SET value = ? WHERE name = 'sealed_through'", (generation,))

    def merged(self, names: Sequence[str], file: SealedFile) -> None:
        """Record, durably, that the points of the named files are now in ``file``."""
        with self._connection:
            self._remove(names)
            self._add([file])

    def retire(self, names: Sequence[str]) -> None:
        """Record, durably, that the named files no longer count."""
        with self._connection:
            self._remove(names)

    def forget(self, device_id: int) -> None:
        """Drop the latest values of a device."""
        with self._connection:
            self._connection.execute("DELETE FROM latest WHERE device_id = ?", (device_id,))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _add(self, files: Iterable[SealedFile]) -> None:
        self._connection.executemany("INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?)", files)

    def _remove(self, names: Sequence[str]) -> None:
        self._connection.executemany("DELETE FROM file WHERE name = ?", [(name,) for name in names])

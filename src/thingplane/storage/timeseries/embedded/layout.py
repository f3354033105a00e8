"""Files of the history folder, their names, and how points are spread over them.

======================================  ==============================================================================
``hot-00000007.sqlite3``                messages of generation 7 in order of arrival; the highest generation takes
                                        what comes in
``day-20414-9f86d081884c.sqlite3``      sealed points of one UTC day (days since 1970) and a random name
``past-680-…``, ``future-680-…``        sealed points that arrived days after (before) their time, by month of arrival
``catalog.sqlite3``                     the sealed files that count, and the latest values
``seal.lock``                           held by the one child process that seals or merges
``….tmp``                               a sealed file being written
======================================  ==============================================================================
"""

import os
from functools import lru_cache
from pathlib import Path

import apsw

CATALOG = "catalog.sqlite3"
SEAL_LOCK = "seal.lock"
TEMPORARY = ".tmp"
DAY_MS = 86_400_000

SEQUENCE_BITS = 24
"""Arrival order over all files: generation << 24 | row number in the hot file."""


def hot_name(generation: int) -> str:
    """Return the name of a hot file."""
    return f"hot-{generation:08d}.sqlite3"


def hot_generations(directory: Path) -> list[int]:
    """Return the generations of the hot files that exist, or whose log does, oldest first."""
    return sorted({int(path.name[4:].partition(".")[0]) for path in directory.glob("hot-*.sqlite3*")})


@lru_cache(maxsize=4096)
def bucket(day: int, received_day: int) -> str:
    """Return which sealed file a point belongs to, by the UTC days of its time and of its arrival.

    What comes days late goes to a file of its own, so that it never stretches the time range of a day's file; and what
    is dated in the future, so that it does not keep anything else from retention.
    """
    if day < received_day - 1:
        return f"past-{received_day // 30}"
    if day > received_day + 1:
        return f"future-{received_day // 30}"
    return f"day-{day}"


def open_sealed(path: Path) -> apsw.Connection:
    """Open a sealed file for reading. Nobody writes to it any more, so SQLite need not lock it."""
    connection = apsw.Connection(
        f"file:{_quoted(path)}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    connection.pragma("cache_size", -256)
    connection.pragma("mmap_size", 1 << 30)
    return connection


def attach_sealed(connection: apsw.Connection, path: Path, schema: str) -> None:
    """Attach a sealed file to a connection that was opened with SQLITE_OPEN_URI."""
    connection.execute(f"ATTACH ? AS {schema}", (f"file:{_quoted(path)}?immutable=1",))


def remove_database(path: Path) -> None:
    """Delete a database file and what SQLite keeps beside it."""
    # The database first: a log without its database is nothing, a database without its log is an older state.
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")

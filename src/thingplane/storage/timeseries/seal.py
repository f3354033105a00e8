"""The child process that seals a hot file or merges sealed files.

``python -m thingplane.storage.timeseries.seal FOLDER hot GENERATION``
``python -m thingplane.storage.timeseries.seal FOLDER merge LEVEL FILE FILE …``

A process and not a thread: sorting a quarter million messages in the node's own interpreter would hold up its loop.
It ends when its standard input is closed, that is when the node dies.
"""

import fcntl
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import apsw

from thingplane.storage.timeseries.embedded import layout
from thingplane.storage.timeseries.embedded.catalog import Catalog, Latest
from thingplane.storage.timeseries.embedded.sealed import SealedWriter, Series
from thingplane.storage.timeseries.interface import Kind
from thingplane.storage.timeseries.points import bare_values, explode

_PROPERTY = int(Kind.PROPERTY)  # comparing with the member itself takes three times as long
_NICENESS = 10
"""The node answers devices on the same cores; nobody waits for a sealed file."""


def seal(directory: Path, generation: int) -> None:
    """Turn the messages of a hot file into sealed files and record them in the catalog."""
    writers: dict[str, SealedWriter] = {}
    latest: list[Latest] = []
    hot = apsw.Connection(str(directory / layout.hot_name(generation)), flags=apsw.SQLITE_OPEN_READWRITE)
    hot.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # the file is about to be deleted
    hot.pragma("cache_size", -65536)
    messages = hot.execute("SELECT device_id, id, kind, received, points FROM message ORDER BY device_id, id")
    for device_id, rows in groupby(messages, key=itemgetter(0)):
        last: dict[str, Latest] = {}
        parts = _by_series(rows, generation)
        for bucket, kind in sorted(parts):
            series = parts[bucket, kind]
            for points in series.values():
                points.sort()
            writer = writers.get(bucket)
            if writer is None:
                writer = writers[bucket] = SealedWriter(directory, bucket, 0, generation)
                writer.begin()
            writer.add(device_id, kind, series)
            if kind == _PROPERTY:
                _keep_latest(device_id, series, last)
        latest.extend(last.values())
    hot.close()
    files = [writer.finish() for writer in writers.values()]
    layout.sync(directory)
    catalog = Catalog(directory)
    catalog.sealed(generation, files, latest)
    catalog.close()


def _by_series(rows: Iterable[Any], generation: int) -> dict[tuple[str, int], Series]:
    """Return the points of a device's messages by the bucket that they go to and by kind."""
    parts: dict[tuple[str, int], Series] = defaultdict(lambda: defaultdict(list))
    first_arrival = generation << layout.SEQUENCE_BITS
    today, bucket = -1, ""
    for _, row, kind, received, points in rows:
        arrival = first_arrival + row
        day = received // layout.DAY_MS
        if day != today:
            today, bucket = day, layout.bucket(day, day)
        values = bare_values(points)
        # Most points are of the day, and most of the time that sealing takes outside SQLite is spent on them.
        if values is not None:
            series = parts[bucket, kind]
            for identifier, value in values.items():
                series[identifier].append((received, arrival, bytes(value)))
            continue
        for identifier, time, text in explode(points, received):
            place = bucket if time // layout.DAY_MS == day else layout.bucket(time // layout.DAY_MS, day)
            parts[place, kind][identifier].append((time, arrival, text))
    return parts


def _keep_latest(device_id: int, series: Series, last: dict[str, Latest]) -> None:
    """Put the last of each sorted series into ``last`` if it is later than what is there."""
    for identifier, points in series.items():
        time, arrival, value = points[-1]
        known = last.get(identifier)
        if known is None or (time, arrival) > known[2:4]:
            last[identifier] = (device_id, identifier, time, arrival, value)


def merge(directory: Path, level: int, names: Sequence[str]) -> None:
    """Turn sealed files of one bucket into one and record it in the catalog."""
    catalog = Catalog(directory)
    inputs = [file for file in catalog.files() if file.name in names]
    writer = SealedWriter(directory, inputs[0].bucket, level, max(file.generation for file in inputs))
    connection = writer.connection
    connection.execute("CREATE TEMP TABLE renumbered (file INTEGER, old INTEGER, new INTEGER, PRIMARY KEY (file, old))")
    for i, file in enumerate(inputs):
        layout.attach_sealed(connection, directory / file.name, f"input{i}")
    writer.begin()
    for i in range(len(inputs)):
        rows: list[Any] = connection.execute(f"SELECT id, name FROM input{i}.identifier").fetchall()  # noqa: S608  a number
        connection.executemany(
            "INSERT INTO renumbered VALUES (?, ?, ?)", [(i, old, writer.number(name)) for old, name in rows]
        )
    parts = " UNION ALL ".join(
        f"SELECT device_id, kind, new AS identifier, time, arrival, value FROM input{i}.point "  # noqa: S608  a number
        f"CROSS JOIN renumbered ON file = {i} AND old = identifier"
        for i in range(len(inputs))
    )
    connection.execute(f"INSERT INTO point SELECT * FROM ({parts}) ORDER BY 1, 2, 3, 4, 5")  # noqa: S608  as above
    file = writer.finish()
    layout.sync(directory)
    catalog.merged(names, file)
    catalog.close()


def _end_with_parent() -> None:
    def wait() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(arguments: Sequence[str]) -> None:
    """Do one job."""
    directory, job = Path(arguments[0]), arguments[1]
    os.nice(_NICENESS)
    _end_with_parent()
    with (directory / layout.SEAL_LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if job == "hot":
            seal(directory, int(arguments[2]))
        else:
            merge(directory, int(arguments[2]), arguments[3:])


if __name__ == "__main__":
    main(sys.argv[1:])

"""Program of a test: forwards and acknowledges until it is killed, and prints how far both are durable.

``writer.py FOLDER [URL]``: prints ``F n`` when messages below n are forwarded, ``A n`` when the even ones below n are
acknowledged. Each message goes to the history as well.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop
from tests.common.forwarding import SOURCE, AllTo

from thingplane.clock import SystemClock
from thingplane.forwarding.embedded import EmbeddedLog
from thingplane.forwarding.limits import Limits
from thingplane.forwarding.log import ForwardingLog
from thingplane.forwarding.postgres import PostgresLog
from thingplane.forwarding.service import Forwarded, Forwarder, Kind
from thingplane.storage.database import Database
from thingplane.storage.timeseries import GroupCommit, TimeSeries
from thingplane.storage.timeseries import Kind as HistoryKind
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries, Options
from thingplane.storage.timeseries.postgres import PostgresTimeSeries

DEVICE = 1


def create(folder: Path, url: str) -> tuple[TimeSeries, ForwardingLog, Database]:
    """Return a history with its log, where files and partitions change often, and the metadata database."""
    clock, limits = SystemClock(), Limits(segment_messages=300)
    if url:
        rows = PostgresLog(url, clock, limits)
        return PostgresTimeSeries(url, clock, rows), rows, Database(url)
    log = EmbeddedLog(clock, limits)
    series = EmbeddedTimeSeries(folder / "history", clock, Options(seal_messages=500, merge_files=2), log)
    return series, log, Database(f"sqlite:///{folder / 'metadata.sqlite3'}")


async def main(folder: str, url: str = "") -> None:
    series, log, database = create(Path(folder), url)
    await series.open()
    commits = GroupCommit(series)
    forwarder = Forwarder(log, commits, SystemClock(), database)
    await forwarder.start()
    subscriber = await forwarder.enroll("group", "one")
    forwarder.add_router(AllTo([subscriber]))

    def listen(messages: Sequence[Forwarded]) -> None:
        forwarder.acknowledge(subscriber, [each.position for each in messages if int(each.body) % 2 == 0])

    forwarder.listen(subscriber, listen)
    now = SystemClock().now_ms()
    number = 0
    while True:
        for _ in range(20):
            series.append(DEVICE, HistoryKind.PROPERTY, now + number, b'{"n":%d}' % number)
            forwarder.forward(Kind.PROPERTY, SOURCE, "/a1pk/dev1/thing/event/property/post", b"%d" % number)
            number += 1
        await forwarder.durable()
        os.write(1, b"F %d\n" % number)
        if number % 200 == 0:
            acknowledged = number - 20  # what this turn has forwarded may not have been heard yet
            await forwarder.acknowledged()
            os.write(1, b"A %d\n" % acknowledged)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))

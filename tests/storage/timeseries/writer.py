"""Program of a test: appends message after message until it is killed, and prints the number of each one acknowledged.

``writer.py FOLDER_OR_URL``
"""

import os
import sys
from pathlib import Path

import uvloop

from thingplane.clock import SystemClock
from thingplane.storage.timeseries import GroupCommit, Kind, TimeSeries
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries, Options
from thingplane.storage.timeseries.postgres import PostgresTimeSeries


def create(place: str) -> TimeSeries:
    if place.startswith("postgresql:"):
        return PostgresTimeSeries(place, SystemClock())
    return EmbeddedTimeSeries(Path(place), SystemClock(), Options(seal_messages=500, merge_files=2))


async def main(place: str) -> None:
    store = create(place)
    await store.open()
    group = GroupCommit(store)
    now = SystemClock().now_ms()
    number = 0
    while True:
        for _ in range(20):
            store.append(number % 7 + 1, Kind.PROPERTY, now + number, b'{"n":%d,"twice":%d}' % (number, number))
            number += 1
        await group.durable()
        os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))

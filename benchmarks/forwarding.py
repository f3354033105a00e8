"""The log of forwarded messages: what a message costs beyond its body, and how quickly a backlog drains."""

import asyncio
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.figures import Figure, Goal
from benchmarks.node import Fleet
from thingplane.clock import SystemClock
from thingplane.forwarding import bodies
from thingplane.forwarding.embedded import EmbeddedLog
from thingplane.forwarding.service import Forwarded, Forwarder, Kind, Source
from thingplane.storage.database import Database, metadata
from thingplane.storage.migrate import load_tables
from thingplane.storage.timeseries import GroupCommit
from thingplane.storage.timeseries.embedded.store import EmbeddedTimeSeries

MESSAGES: Final = 200_000
BACKLOG: Final = 1_000_000
BATCH: Final = 50
"""Messages of one loop turn."""
_PAGE: Final = 1000
_SOURCE: Final = Source(1, 2, "a1B2c3D4e5F", 3, "device-000017", "Yx0123456789abcdefghi000000", "CustomCategory")
_TOPIC: Final = "/a1B2c3D4e5F/device-000017/thing/event/property/post"
_ITEMS: Final = [("temperature", 1_700_000_000_000, b"21.5"), ("humidity", 1_700_000_000_000, b"40")]


class _Everybody:
    def __init__(self, members: Sequence[int]) -> None:
        self._members = members

    def subscribers(self, kind: Kind, product_id: int, topic: str) -> Iterable[int]:  # noqa: ARG002 - as the protocol
        return self._members


def forwarding(fleet: Fleet, runs: int) -> Iterator[Figure]:  # noqa: ARG001 - every benchmark gets the fleet
    """Measure one subscriber on a log in this process."""
    appended, committed, drained, bodied, refused = [], [], [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as folder:
            append, commit, body, idle = uvloop.run(_append(Path(folder)))
        appended.append(append)
        committed.append(commit)
        bodied.append(body)
        refused.append(idle)
    with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as folder:
        drained = uvloop.run(_drain(Path(folder), runs))
    yield Figure("forwarding a message to a listener, CPU beyond its body", "µs", appended, Goal(2, 1.5, True))
    yield Figure("… its part of the commit and the acknowledgement", "µs", committed)
    yield Figure("… body of two properties", "µs", bodied)
    yield Figure("… asking whether anybody wants it, with nobody subscribed", "µs", refused)
    yield Figure(f"draining a backlog of {BACKLOG:.0e} from disk", "messages/s", drained, Goal(20_000, 100_000))


class _Bench:
    """A forwarder over a log in a folder."""

    def __init__(self, folder: Path) -> None:
        clock = SystemClock()
        self.log = EmbeddedLog(clock)
        self.series = EmbeddedTimeSeries(folder / "history", clock, companion=self.log)
        self.database = Database(f"sqlite:///{folder / 'metadata.sqlite3'}")
        self.forwarder = Forwarder(self.log, GroupCommit(self.series), clock, self.database)

    async def open(self) -> int:
        """Start, and return a subscriber that gets everything."""
        load_tables()
        async with self.database.write() as connection:
            await connection.run_sync(metadata.create_all)
        await self.series.open()
        await self.forwarder.start()
        member = await self.forwarder.enroll("group", "1")
        self.forwarder.add_router(_Everybody([member]))
        return member

    async def close(self) -> None:
        await self.forwarder.close()
        await self.series.close()
        await self.log.close()
        await self.database.close()


async def _append(folder: Path) -> tuple[float, float, float, float]:
    """Return the CPU µs of a message on the way in, until it is acknowledged, of its body, and of nobody's interest."""
    bench = _Bench(folder)
    member = await bench.open()
    forwarder = bench.forwarder

    def listen(messages: Sequence[Forwarded]) -> None:
        forwarder.acknowledge(member, [message.position for message in messages])

    forwarder.listen(member, listen)
    body = bodies.properties(_SOURCE, b'"123"', 1_700_000_000_000, _ITEMS)
    spent = 0.0
    began = time.thread_time()
    for _ in range(MESSAGES // BATCH):
        start = time.thread_time()
        for _ in range(BATCH):
            if forwarder.wanted(Kind.PROPERTY, 2, _TOPIC):
                forwarder.forward(Kind.PROPERTY, _SOURCE, _TOPIC, body, qos=1)
        spent += time.thread_time() - start
        await asyncio.sleep(0)
    await forwarder.durable()
    rest = time.thread_time() - began - spent
    if forwarder.waiting(member):
        raise RuntimeError("messages were not acknowledged")
    start = time.thread_time()
    for _ in range(MESSAGES):
        bodies.properties(_SOURCE, b'"123"', 1_700_000_000_000, _ITEMS)
    making = time.thread_time() - start
    await forwarder.remove(member)
    start = time.thread_time()
    for _ in range(MESSAGES):
        forwarder.wanted(Kind.PROPERTY, 2, _TOPIC)
    asking = time.thread_time() - start
    await bench.close()
    per = 1_000_000 / MESSAGES
    return spent * per, rest * per, making * per, asking * per


async def _drain(folder: Path, runs: int) -> list[float]:
    """Return the messages a second at which a backlog is read and acknowledged."""
    bench = _Bench(folder)
    member = await bench.open()
    forwarder = bench.forwarder
    body = bodies.properties(_SOURCE, b'"123"', 1_700_000_000_000, _ITEMS)
    others = [await forwarder.enroll("group", str(number)) for number in range(2, runs + 1)]
    members = [member, *others]
    for _ in range(BACKLOG // 500):
        for _ in range(500):
            forwarder.forward(Kind.PROPERTY, _SOURCE, _TOPIC, body, to=members)
        await forwarder.durable()
    rates = []
    for each in members:
        start = time.perf_counter()
        after = -1
        while messages := await forwarder.read(each, after, _PAGE):
            after = messages[-1].position
            forwarder.acknowledge(each, [message.position for message in messages])
        rates.append(BACKLOG / (time.perf_counter() - start))
        if forwarder.waiting(each):
            raise RuntimeError("messages of the backlog are missing")
    await bench.close()
    return rates

"""What is dropped: segments that nobody waits for, messages that waited too long, and the oldest of too many."""

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog
from tests.common.clock import FakeClock
from tests.common.forwarding import SOURCE, open_log

from thingplane.forwarding import retention as module
from thingplane.forwarding.limits import HOUR_MS, Limits
from thingplane.forwarding.log import ForwardingLog
from thingplane.forwarding.retention import Retention
from thingplane.forwarding.service import Forwarder, Kind
from thingplane.storage.database import Database
from thingplane.storage.timeseries import GroupCommit, TimeSeries
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries

LIMITS = Limits(age_ms=8 * HOUR_MS, max_bytes=1 << 40, segment_messages=10)


NOISE = random.Random(0).randbytes(50_000)
"""PostgreSQL would make next to nothing of anything else."""


class Keeper:
    """A forwarder with its retention, over a database."""

    def __init__(self, folder: Path, clock: FakeClock, database: Database, limits: Limits) -> None:
        self.series: TimeSeries
        self.log: ForwardingLog
        self.series, self.log = open_log(folder / "history", clock, database, limits)
        self.forwarder = Forwarder(self.log, GroupCommit(self.series), clock, database)
        self.retention = Retention(self.forwarder, self.log, clock, limits)

    async def open(self) -> None:
        await self.series.open()
        await self.forwarder.start()

    async def forward(self, count: int, *members: int, body: bytes = b"x") -> None:
        for _ in range(count):
            self.forwarder.forward(Kind.CUSTOM, SOURCE, "/a1pk/dev1/user/x", body, to=members)
        await self.forwarder.durable()
        await self.sealed()

    async def sealed(self) -> None:
        """Wait until the history has given full files to the log."""
        if isinstance(self.series, EmbeddedTimeSeries):
            task = self.series._maintenance._task
            if task is not None:
                await task

    async def segments(self) -> list[int]:
        return [segment.number for segment in await self.log.segments()]

    async def close(self) -> None:
        await self.forwarder.close()
        await self.series.close()
        await self.log.close()


Keep = Callable[..., "Keeper"]


@pytest.fixture
async def keep(tmp_path: Path, clock: FakeClock, database: Database) -> AsyncIterator[Keep]:
    opened: list[Keeper] = []

    def make(limits: Limits = LIMITS) -> Keeper:
        opened.append(Keeper(tmp_path, clock, database, limits))
        return opened[-1]

    yield make
    await opened[-1].close()


async def test_segments_go_when_all_have_acknowledged_them(keep: Keep) -> None:
    keeper = keep()
    await keeper.open()
    one, two = [await keeper.forwarder.enroll("group", name) for name in "12"]
    await keeper.forward(12, one, two)
    await keeper.forward(12, one)
    await keeper.forward(1, one)
    first, second, last = await keeper.segments()
    await keeper.retention.look()
    assert await keeper.segments() == [first, second, last]

    positions = [message.position for message in await keeper.forwarder.read(one, -1, 99)]
    keeper.forwarder.acknowledge(one, positions)
    await keeper.retention.look()
    assert await keeper.segments() == [first, second, last]  # in order: the first has something for another one
    keeper.forwarder.acknowledge(two, positions)
    await keeper.retention.look()
    assert await keeper.segments() == [last]
    await keeper.retention.look()
    assert await keeper.segments() == [last]  # it still grows
    await keeper.forward(1, two)
    await keeper.close()

    keeper = keep()
    await keeper.open()
    assert (keeper.forwarder.waiting(one), keeper.forwarder.waiting(two)) == (0, 1)
    [message] = await keeper.forwarder.read(two, -1, 99)
    assert message.position > positions[-1]


async def test_a_backlog_outlives_restarts_in_segments_of_its_own(keep: Keep) -> None:
    keeper = keep()
    await keeper.open()
    one = await keeper.forwarder.enroll("group", "1")
    for number in range(3):
        await keeper.forward(12, one, body=b"%d" % number)
    await keeper.close()
    keeper = keep()
    await keeper.open()
    assert keeper.forwarder.waiting(one) == 36
    messages = await keeper.forwarder.read(one, -1, 99)
    assert [message.body for message in messages] == [b"0"] * 12 + [b"1"] * 12 + [b"2"] * 12
    assert len(await keeper.segments()) == 3


async def test_what_waited_too_long_is_dropped_counted_and_logged(keep: Keep, clock: FakeClock) -> None:
    keeper = keep()
    await keeper.open()
    one = await keeper.forwarder.enroll("group", "slow")
    await keeper.forward(12, one)
    clock.advance(5 * 3600)
    await keeper.forward(5, one)
    clock.advance(4 * 3600)
    with structlog.testing.capture_logs() as logs:
        await keeper.retention.look()
    assert keeper.forwarder.waiting(one) == 5
    assert keeper.retention.reading()["forwarding_dropped_total"] == 12
    assert [(line["reason"], line["subscribers"]) for line in logs] == [("age", {"group slow": 12})]
    # Also in the segment that still grows.
    clock.advance(9 * 3600)
    await keeper.retention.look()
    assert keeper.forwarder.waiting(one) == 0
    assert keeper.retention.reading()["forwarding_dropped_total"] == 17


async def test_the_oldest_of_too_many_bytes_are_dropped(keep: Keep) -> None:
    keeper = keep(Limits(age_ms=8 * HOUR_MS, max_bytes=1_000_000, segment_messages=10))
    await keeper.open()
    one = await keeper.forwarder.enroll("group", "slow")
    for number in range(5):
        await keeper.forward(10, one, body=bytes([number]) + NOISE)
    await keeper.retention.look()
    left = await keeper.forwarder.read(one, -1, 99)
    assert 0 < len(left) < 50
    assert left[-1].body[:1] == b"\4"
    assert keeper.retention.reading()["forwarding_dropped_total"] == 50 - len(left)
    await keeper.retention.look()
    assert keeper.retention.reading()["forwarding_log_segments"] == len(left) / 10


async def test_who_lags_behind_is_named_once(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAG", 20)
    keeper = keep()
    await keeper.open()
    one = await keeper.forwarder.enroll("rule", "7")
    await keeper.forward(25, one)
    with structlog.testing.capture_logs() as logs:
        await keeper.retention.look()
        await keeper.retention.look()
    assert [(line["event"], line["kind"], line["subscriber"], line["waiting"]) for line in logs] == [
        ("a subscriber lags behind", "rule", "7", 25)
    ]
    assert keeper.retention.reading()["forwarding_waiting_most"] == 25


async def test_what_is_not_in_the_log_any_more_is_waited_for_no_longer(keep: Keep) -> None:
    keeper = keep()
    await keeper.open()
    one = await keeper.forwarder.enroll("group", "1")
    await keeper.forward(12, one)
    await keeper.forward(1, one)
    await keeper.log.drop((await keeper.segments())[0])
    assert len(await keeper.forwarder.read(one, -1, 99)) == 1
    assert keeper.forwarder.waiting(one) == 1
    assert keeper.retention.reading()["forwarding_dropped_total"] == 12

"""Two nodes on one database, and a node that comes after one that was killed: devices are told, and told once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.common.clock import FakeClock
from tests.common.downlink import RecordingDownlink
from tests.devices.marks import one_database
from tests.ota.world import World
from thingplane.bus import LocalBus
from thingplane.devices.service import Device, DeviceConnected
from thingplane.ota.lease import LIFETIME_MS, Lease
from thingplane.ota.ota import OtaService
from thingplane.ota.reports import Report
from thingplane.storage.database import Database

postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
LIFETIME_S = LIFETIME_MS // 1000


class Node:
    """The parts of a further node that have to do with updates."""

    def __init__(self, ota: OtaService, downlink: RecordingDownlink, bus: LocalBus) -> None:
        self.ota = ota
        self.downlink = downlink
        self.bus = bus

    def connect(self, device: Device) -> None:
        self.bus.publish(DeviceConnected(device.id, device.product_key, device.name))


@asynccontextmanager
async def node(world: World, *, alone: bool = False) -> AsyncIterator[Node]:
    """Start a node beside the one that the world has, with connections of its own to the database."""
    database, bus, downlink = Database(world.ota._database.url), LocalBus(), RecordingDownlink()
    ota = OtaService(
        database,
        world.clock,
        bus,
        downlink,
        products=world.products,
        devices=world.devices,
        downloads=world.ota._downloads,
        blobs=world.ota.streams._blobs,
        forwarder=world.forwarder,
        base_url=world.ota.base_url,
        alone=alone,
    )
    try:
        await ota.start(ticking=False)
        yield Node(ota, downlink, bus)
    finally:
        await ota.close()
        await database.close()


def told(*downlinks: RecordingDownlink) -> Counter[int]:
    """Return how often devices were told, by their keys."""
    return Counter(message.device_id for downlink in downlinks for message in downlink.sent)


def once(lamps: Sequence[Device]) -> Counter[int]:
    return Counter(lamp.id for lamp in lamps)


@postgresql
async def test_every_task_is_pushed_once_however_many_nodes_tick(world: World) -> None:
    lamps = await world.fleet(30)
    async with node(world) as other:
        job = await world.job(await world.package(), MaximumPerMinute=600)
        for _ in range(2):
            world.clock.advance(1)
            await asyncio.gather(world.ota.scheduler.tick(), other.ota.scheduler.tick())
        counts = [len(told(downlink)) for downlink in (world.downlink, other.downlink)]
        assert sorted(counts) == [0, 20], "one node does it, at the rate of the batch"
        # Nothing is heard of it any more; until its lease is over, nobody knows whether it is dead.
        survivor = (other if counts[0] else world).ota.scheduler
        for _ in range(LIFETIME_S - 3):
            world.clock.advance(1)
            await survivor.tick()
        assert len(told(world.downlink, other.downlink)) == 20
        for _ in range(4):
            world.clock.advance(1)
            await survivor.tick()
        assert told(world.downlink, other.downlink) == once(lamps)
    assert set((await world.states(job)).values()) == {"NOTIFIED"}


@postgresql
async def test_a_batch_is_made_once_by_nodes_that_start_at_the_same_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thingplane.ota.building.AT_ONCE", 2)
    lamps = await world.fleet(9)
    job = await world.job(await world.package())
    async with node(world) as first, node(world) as second:
        for each in (world, first, second):
            await each.ota._builder.done()
    assert Counter(task["DeviceName"] for task in await all_tasks(world, job)) == Counter(lamp.name for lamp in lamps)


async def all_tasks(world: World, job: str) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = (await world.call("ListOTATaskByJob", JobId=job, PageSize=100))["Data"][
        "SimpleOTATaskInfo"
    ]
    return listed


@postgresql
async def test_a_node_without_the_lease_follows_dynamic_batches(world: World) -> None:
    await world.fleet(1)
    async with node(world) as other:
        await world.tick()
        job = await world.job(await world.package(), "Dynamic", SrcVersion=["1.1"])
        world.clock.advance(11)
        await other.ota.scheduler.tick()
        (lamp,) = await world.fleet(1, None, "late")
        await other.ota.report(report(lamp, "1.1"))
        assert await world.states(job) == {"late-1": "QUEUED"}
        # It does not know yet that the policy was cancelled.
        await world.call("CancelOTAStrategyByJob", JobId=job)
        (later,) = await world.fleet(1, None, "later")
        await other.ota.report(report(later, "1.1"))
        assert later.name not in await world.states(job)


def report(device: Device, version: str) -> Report:
    return Report(device_id=device.id, product_id=device.product_id, module="default", version=version)


async def test_a_node_that_has_the_database_for_itself_waits_for_no_lease(world: World) -> None:
    (lamp,) = await world.fleet(1)
    dead = Lease(world.ota._database, world.clock, "ota")
    assert await dead.hold()
    await world.job(await world.package())
    await world.tick()
    assert world.pushed([lamp]) == [0]
    async with node(world, alone=True) as successor:
        await successor.ota.scheduler.tick()
        assert told(successor.downlink) == once([lamp])
        # It was not quite dead.
        assert not await dead.hold()


@one_database
async def test_devices_that_come_back_before_the_lease_does_are_told_again(world: World) -> None:
    lamp, silent = await world.fleet(2)
    await world.job(await world.package())
    await world.tick()
    assert world.pushed([lamp, silent]) == [1, 1]
    # Another process, which has to wait: the first one was killed, and may be alive.
    async with node(world) as other:
        other.connect(lamp)
        await other.ota.scheduler.tick()
        for _ in range(LIFETIME_S + 1):
            world.clock.advance(1)
            await other.ota.scheduler.tick()
        assert told(other.downlink) == once([lamp])


async def test_a_lease_of_a_wrong_clock_does_not_last(database: Database, clock: FakeClock) -> None:
    ahead = FakeClock(clock.now_ms() + 3_600_000)
    assert await Lease(database, ahead, "ota").hold()
    assert await Lease(database, clock, "ota").hold()

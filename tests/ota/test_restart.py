"""What a node that stops leaves to its next start, or to another node."""

import asyncio
from typing import Any

from sqlalchemy import update

from tests.common.clock import FakeClock
from tests.ota.world import World
from thingplane.ota.lease import LIFETIME_MS, Lease
from thingplane.ota.tables import ota_jobs
from thingplane.storage.database import Database


async def test_a_batch_that_was_being_made_is_completed(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr("thingplane.ota.building.AT_ONCE", 2)
    lamps = await world.fleet(7)
    job = await world.job(await world.package())
    # Stopped after the first part, as by a power cut: the second one has not begun.
    await world.ota.close()
    made = len(await world.states(job))
    assert 2 <= made <= 7
    async with world.ota._database.write() as connection:
        await connection.execute(update(ota_jobs).values(building=True))
    await world.ota.start(ticking=False)
    await world.ota._builder.done()
    assert set(await world.states(job)) == {lamp.name for lamp in lamps}
    await world.tick()
    assert world.pushed(lamps) == [1] * 7


async def test_a_phased_batch_in_parts_has_its_size(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr("thingplane.ota.building.AT_ONCE", 2)
    await world.fleet(9)
    job = await world.job(await world.package(), TargetSelection="GRAY", GrayPercent="60")
    await world.ota._builder.done()
    assert len(await world.states(job)) == 5


async def test_cancelling_a_batch_that_is_being_made_ends_it(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr("thingplane.ota.building.AT_ONCE", 1)
    await world.fleet(5)
    job = await world.job(await world.package())
    await world.call("CancelOTATaskByJob", JobId=job, CancelQueuedTask=True)
    await world.ota._builder.done()
    await world.tick()
    assert set((await world.states(job)).values()) == {"CANCELED"}
    assert await world.status(job) == "CANCELED"


async def test_many_reports_at_once(world: World) -> None:
    lamps = await world.fleet(20)
    job = await world.job(await world.package())
    await asyncio.gather(*(world.inform(lamp, "2.0") for lamp in lamps))
    assert set((await world.states(job)).values()) == {"SUCCEEDED"}
    assert await world.status(job) == "COMPLETED"


async def test_one_node_holds_the_lease(database: Database, clock: FakeClock) -> None:
    first, second = Lease(database, clock, "ota"), Lease(database, clock, "ota")
    assert await first.hold()
    assert not await second.hold()
    clock.advance(LIFETIME_MS / 1000 - 1)
    assert await first.hold()
    clock.advance(LIFETIME_MS / 1000 - 1)
    assert not await second.hold(), "it was renewed"
    clock.advance(2)
    assert await second.hold(), "the first one has been silent for too long"
    assert not await first.hold()
    await second.release()
    assert await first.hold()


async def test_nodes_that_begin_at_the_same_time_agree(database: Database, clock: FakeClock) -> None:
    leases = [Lease(database, clock, "ota") for _ in range(4)]
    assert sorted(await asyncio.gather(*(lease.hold() for lease in leases))) == [False, False, False, True]


async def test_a_node_without_the_lease_does_nothing(world: World) -> None:
    lamps = await world.fleet(1)
    other = Lease(world.ota._database, world.clock, "ota")
    assert await other.hold()
    job = await world.job(await world.package())
    await world.tick()
    assert world.pushed(lamps) == [0]
    await world.tick(LIFETIME_MS / 1000)
    assert world.pushed(lamps) == [1]
    assert await world.states(job) == {"lamp-1": "NOTIFIED"}

"""What subscribers are told of updates outlives the process that should have told them."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.ota.world import World
from thingplane.ota.tables import ota_outbox


async def left(world: World) -> int:
    async with world.ota._database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(ota_outbox))).scalar_one()


async def settled(world: World) -> None:
    """Return when nothing waits for the log any more."""
    while world.ota.outbox._worker is not None:
        await asyncio.wait([world.ota.outbox._worker])


def kinds(told: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, Any]]:
    return [(topic.partition("/ota/")[2], body.get("status") or body.get("moduleVersion")) for topic, body in told]


async def test_what_a_crash_kept_from_the_log_is_told_after_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lamp,) = await world.fleet(1)
    subscriber = await world.listen()
    with monkeypatch.context() as crashing:
        # Everything up to the commit, and nothing after it.
        crashing.setattr(world.ota.outbox, "send", lambda _written: None)
        job = await world.job(await world.package())
        await world.inform(lamp, "2.0")
    assert await world.states(job) == {"lamp-1": "SUCCEEDED"}
    assert await world.told(subscriber) == []
    assert await left(world) == 4
    await world.ota.close()

    await world.ota.start(ticking=False)
    await settled(world)

    told = await world.told(subscriber)
    assert kinds(told) == [
        ("job/status", "IN_PROGRESS"),
        ("upgrade", "SUCCEEDED"),
        ("job/status", "COMPLETED"),
        ("version/post", "2.0"),
    ]
    assert await left(world) == 0


async def test_what_the_log_did_not_take_is_told_again_with_the_same_id(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thingplane.ota.outbox.RETRY_DELAY_S", 0.01)
    (lamp,) = await world.fleet(1)
    subscriber = await world.listen()
    failures = [OSError("disk full")]
    durable = world.forwarder.durable

    async def fails_once() -> None:
        if failures:
            raise failures.pop()
        await durable()

    monkeypatch.setattr(world.forwarder, "durable", fails_once)
    await world.inform(lamp, "1.1")
    await settled(world)
    messages = await world.forwarder.read(subscriber, -1, 100)
    assert len(messages) == 2
    assert len({message.message_id for message in messages}) == 1
    assert await left(world) == 0


async def test_nothing_is_written_down_that_nobody_wants(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.ota.outbox, "send", lambda _written: None)
    (lamp,) = await world.fleet(1)
    await world.job(await world.package())
    await world.inform(lamp, "2.0")
    assert await left(world) == 0

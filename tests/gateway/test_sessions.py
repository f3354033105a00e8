"""Sessions and messages that outlive connections and nodes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Table, func, select

from tests.gateway.client import Client
from tests.gateway.support import PRODUCT_KEY, World, start_world, until
from thingplane.bus import DownlinkMessage
from thingplane.devices.service import DeviceDeleted
from thingplane.gateway.settings import GatewaySettings
from thingplane.gateway.tables import messages, sessions, subscriptions
from thingplane.mqtt import Properties
from thingplane.mqtt.packets import Connack, Puback, Publish, Subscribe, Subscription
from thingplane.storage.database import Database

OWN = f"/{PRODUCT_KEY}/sensor-01"
SYS = f"/sys{OWN}/"
SET = SYS + "thing/service/property/set"
GET = OWN + "/user/get"


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    world = await start_world(database)
    yield world
    await world.stop()


async def restarted(world: World, settings: GatewaySettings | None = None) -> World:
    await world.stop()
    return await start_world(world.database, settings)


async def rows(database: Database) -> tuple[int, int, int]:
    async with database.read() as connection:
        counts = [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (sessions, subscriptions, messages)
        ]
    return counts[0], counts[1], counts[2]


async def settled(world: World) -> tuple[int, int, int]:
    """Return the numbers of stored sessions, subscriptions and messages once all is written."""
    await world.gateway.store.durable()
    return await rows(world.database)


def message(payload: bytes, qos: int = 1, topic: str = SET, **fields: object) -> DownlinkMessage:
    return DownlinkMessage(device_id=1, topic=topic, payload=payload, qos=qos, **fields)  # type: ignore[arg-type]


async def acknowledged(client: Client) -> Publish:
    packet = await client.expect(Publish)
    client.send(Puback(packet.packet_id))
    return packet


@asynccontextmanager
async def without(world: World, table: Table) -> AsyncIterator[None]:
    """Take a table away for a block; other tests use the database, too."""
    async with world.database.write() as connection:
        await connection.run_sync(table.drop)
    yield
    async with world.database.write() as connection:
        await connection.run_sync(table.create)


async def test_a_clean_session_leaves_nothing_behind(world: World) -> None:
    client = await Client.connected(world)
    await client.subscribe(GET)
    await client.disconnect()
    assert not await world.gateway.downlink.send(message(b"1"))
    assert await settled(world) == (0, 0, 0)
    again = await Client.open(world)
    assert not (await again.connect(clean_start=False)).session_present


async def test_messages_of_qos_1_wait_for_a_session_that_is_kept(world: World) -> None:
    client = await Client.connected(world, clean_start=False)
    await client.subscribe(GET)
    await client.disconnect()
    assert await world.gateway.downlink.send(message(b"1"))
    assert await world.gateway.downlink.send(message(b"2", topic=GET, needs_subscription=True))
    assert not await world.gateway.downlink.send(message(b"3", 0))
    assert not await world.gateway.downlink.send(message(b"4", topic=OWN + "/user/other", needs_subscription=True))
    assert await rows(world.database) == (1, 1, 2)
    again = await Client.open(world)
    assert (await again.connect(clean_start=False)).session_present
    assert [(await acknowledged(again)).payload for _ in range(2)] == [b"1", b"2"]
    await again.drain()
    assert await settled(world) == (1, 1, 0)


@pytest.mark.parametrize("version", [4, 5])
async def test_sessions_and_messages_survive_a_restart_of_the_node(world: World, version: int) -> None:
    properties = Properties(session_expiry_interval=3600) if version == 5 else None
    terms: dict[str, Any] = {"clean_start": False, "properties": properties}
    client = await Client.connected(world, version=version, **terms)
    await client.subscribe(GET, SYS + "thing/service/#")
    await client.unsubscribe(SYS + "thing/service/+", SYS + "thing/service/#")
    sent_online = message(b"unacknowledged", topic=GET, needs_subscription=True)
    assert await world.gateway.downlink.send(sent_online)
    client.abort()
    kept = message(
        b"kept",
        topic=GET,
        needs_subscription=True,
        expiry=100,
        retain=True,
        properties={"content_type": "t", "correlation_data": b"\xff", "user": [("a", "b")]},
    )
    assert await world.gateway.downlink.send(kept)

    other = await restarted(world)
    try:
        # A message that comes before the device wakes its session.
        assert await other.gateway.downlink.send(message(b"later", topic=GET, needs_subscription=True))
        assert not await other.gateway.downlink.send(message(b"muted", topic=SYS + "thing/service/reset"))
        again = await Client.open(other, version=version)
        assert (await again.connect(**terms)).session_present
        packets = [await acknowledged(again) for _ in range(3)]
        assert [packet.payload for packet in packets] == [b"unacknowledged", b"kept", b"later"]
        assert [packet.retain for packet in packets] == [False, True, False]
        if version == 5:
            received = packets[1].properties
            assert received is not None
            assert (received.content_type, received.correlation_data) == ("t", b"\xff")
            assert received.user_properties == [("a", "b")]
            assert received.message_expiry_interval is not None
            assert 0 < received.message_expiry_interval <= 100
        await again.drain()
        assert (await settled(other))[2] == 0
    finally:
        await other.stop()


async def test_a_restored_session_without_clean_start_needs_no_message(world: World) -> None:
    await (await Client.connected(world, clean_start=False)).disconnect()
    other = await restarted(world)
    try:
        # Both connections look for the session at the same time.
        first, second = await Client.open(other), await Client.open(other)
        answers = await asyncio.gather(first.connect(clean_start=False), second.connect(clean_start=False))
        assert all(connack.session_present for connack in answers)
    finally:
        await other.stop()


async def test_a_clean_start_forgets_the_kept_session(world: World) -> None:
    await (await Client.connected(world, clean_start=False)).disconnect()
    assert await world.gateway.downlink.send(message(b"1"))
    other = await restarted(world)
    try:
        client = await Client.open(other)
        assert not (await client.connect(clean_start=True)).session_present
        assert await client.drain() == []
        assert await settled(other) == (0, 0, 0)
        await client.disconnect()
        assert not (await (await Client.open(other)).connect(clean_start=False)).session_present
        assert await settled(other) == (1, 0, 0)
    finally:
        await other.stop()


async def test_sessions_expire_while_the_node_runs_and_while_it_does_not(world: World) -> None:
    await (await Client.connected(world, clean_start=False)).disconnect()
    await (await Client.connected(world, "sensor-02", clean_start=False)).disconnect()
    assert (await settled(world))[0] == 2
    world.clock.advance(7 * 86_400 + 5)
    await until(lambda: not world.gateway.reading()["mqtt_kept_sessions"])
    assert await settled(world) == (0, 0, 0)

    await (await Client.connected(world, clean_start=False)).disconnect()
    await world.stop()
    later = await start_world(world.database)
    await later.stop()
    assert (await rows(world.database))[0] == 1
    future = await start_world(world.database, advance=30 * 86_400)
    assert future.gateway.reading()["mqtt_kept_sessions"] == 0
    assert await rows(world.database) == (0, 0, 0)
    await future.stop()


async def test_waiting_messages_expire(world: World) -> None:
    await (await Client.connected(world, clean_start=False)).disconnect()
    assert await world.gateway.downlink.send(message(b"short", expiry=10))
    assert await world.gateway.downlink.send(message(b"long"))
    world.pass_time(11)
    again = await Client.open(world)
    assert (await again.connect(clean_start=False)).session_present
    assert (await acknowledged(again)).payload == b"long"
    await again.drain()
    assert (await settled(world))[2] == 0


async def test_only_so_many_messages_wait(database: Database) -> None:
    world = await start_world(database, GatewaySettings(tick=0.02, offline_messages_per_device=3))
    try:
        await (await Client.connected(world, clean_start=False)).disconnect()
        outcomes = [await world.gateway.downlink.send(message(b"%d" % n)) for n in range(5)]
        assert outcomes == [True, True, True, False, False]
        assert (await settled(world))[2] == 3
        again = await Client.connected(world, clean_start=False)
        assert [(await acknowledged(again)).payload for _ in range(3)] == [b"0", b"1", b"2"]
        assert world.gateway.reading()["mqtt_downlinks_lost_total:queue full"] == 2
    finally:
        await world.stop()


async def test_deleting_a_device_deletes_its_session(world: World) -> None:
    client = await Client.connected(world, clean_start=False)
    await client.subscribe(GET)
    await world.gateway.downlink.send(message(b"1"))
    async with world.database.write() as connection:
        await world.gateway.store.remove_device(connection, 1)
    world.bus.publish(DeviceDeleted(1, PRODUCT_KEY, "sensor-01"))
    await client.closed()
    assert await settled(world) == (0, 0, 0)
    assert not await world.gateway.downlink.send(message(b"2"))


async def test_a_subscription_is_acknowledged_only_when_it_is_durable(world: World) -> None:
    client = await Client.connected(world, clean_start=False)
    assert await client.subscribe(GET, SYS + "thing/service/#") == [1, 1]
    assert await rows(world.database) == (1, 2, 0)
    assert await client.unsubscribe(GET) == []
    assert await rows(world.database) == (1, 1, 0)


async def test_a_subscription_that_cannot_be_stored_ends_the_connection(world: World) -> None:
    client = await Client.connected(world, clean_start=False)
    await settled(world)
    async with without(world, subscriptions):
        client.send(Subscribe(1, [Subscription(GET, 1)]))
        assert await client.closed() == []


async def test_a_session_that_could_not_be_stored_is_stored_at_the_next_connection(world: World) -> None:
    async with without(world, sessions):
        client = await Client.connected(world, clean_start=False)
        with pytest.raises(Exception, match="gateway_sessions"):
            await settled(world)
    await client.disconnect()
    again = await Client.connected(world, clean_start=False)
    assert await again.subscribe(GET) == [1]
    assert await settled(world) == (1, 1, 0)


async def test_a_message_that_cannot_be_stored_is_not_promised(world: World) -> None:
    client = await Client.connected(world, clean_start=False)
    await client.disconnect()
    await settled(world)
    async with without(world, messages):
        with pytest.raises(Exception, match="gateway_messages"):
            await world.gateway.downlink.send(message(b"1"))


async def test_a_message_is_delivered_again_when_it_was_not_acknowledged(world: World) -> None:
    client = await Client.connected(world, clean_start=False)
    await world.gateway.downlink.send(message(b"1"))
    first = await client.expect(Publish)
    client.abort()
    again = await Client.open(world)
    connack: Connack = await again.connect(clean_start=False)
    assert connack.session_present
    second = await acknowledged(again)
    assert (first.dup, second.dup) == (False, True)
    assert first.packet_id == second.packet_id

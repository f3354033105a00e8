"""Connections that are accepted, refused, taken over and ended."""

import asyncio
from typing import Any

import pytest
from structlog.testing import LogCapture

from tests.gateway.client import Client, connect_packet
from tests.gateway.conftest import StartWorld
from tests.gateway.support import PRODUCT_KEY, FakeDevice, World, until
from thingplane.devices.service import DeviceDeleted, DeviceDisabled, DeviceReset
from thingplane.mqtt import Properties
from thingplane.mqtt.packets import Connack, Disconnect
from thingplane.products.service import ProductDeleted


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize("is_cached", [True, False])
async def test_a_device_with_a_right_signature_is_accepted(world: World, version: int, is_cached: bool) -> None:
    if not is_cached:
        world.devices.uncached.add("sensor-01")
        world.topics.is_cached = False
    client = await Client.open(world, version=version)
    connack = await client.connect()
    assert (connack.code, connack.session_present) == (0, False)
    assert world.devices.log == ["sensor-01 connected from 127.0.0.1"]
    assert world.gateway.downlink.online(1)
    await client.disconnect()
    assert world.devices.log[1:] == ["sensor-01 disconnected"]
    assert not world.gateway.downlink.online(1)


async def test_mqtt_5_clients_are_told_the_documented_limits(world: World) -> None:
    client = await Client.open(world, version=5)
    connack = await client.connect(keepalive=300, properties=Properties(session_expiry_interval=60))
    properties = connack.properties
    assert properties is not None
    assert properties.retain_available == 1
    assert properties.wildcard_subscription_available == 1
    assert properties.subscription_identifier_available == 0
    assert properties.shared_subscription_available == 1
    assert properties.maximum_qos == 1
    assert properties.server_keep_alive == 300
    assert properties.session_expiry_interval == 60
    assert properties.maximum_packet_size == 262_144
    assert properties.topic_alias_maximum == 20


@pytest.mark.parametrize(
    ("fields", "codes", "reason"),
    [
        ({"client_id": "x" * 65}, (2, 0x85), "client_id"),
        ({"keepalive": 29}, (2, 0x85), "keepalive"),
        ({"keepalive": 0}, (2, 0x85), "keepalive"),
        ({"keepalive": 1201}, (2, 0x85), "keepalive"),
        ({"password": b"0" * 64}, (4, 0x86), "signature"),
        ({"password": None}, (4, 0x86), "signature"),
        ({"username": f"sensor-99&{PRODUCT_KEY}"}, (4, 0x86), "unknown"),
        ({"username": "sensor-01"}, (4, 0x86), "username"),
        ({"client_id": "sn0001|authType=id2|"}, (4, 0x86), "auth_type"),
        ({"client_id": "sn0001|securemode=8,authtype=id2|"}, (4, 0x86), "auth_type"),
        ({"client_id": "sn0001|authType=register,random=1|"}, (2, 0x85), "client_id"),
    ],
)
@pytest.mark.parametrize("is_cached", [True, False])
async def test_refusals_have_the_documented_codes(
    world: World, fields: dict[str, Any], codes: tuple[int, int], reason: str, is_cached: bool
) -> None:
    if not is_cached:
        world.devices.uncached.add("sensor-01")
    for version, expected in zip((4, 5), codes, strict=True):
        client = await Client.open(world, version=version)
        connack = await client.connect(**fields)
        assert connack.code == expected
        assert await client.closed() == []
    assert world.gateway.reading()[f"mqtt_refused_total:{reason}"] == 2
    assert world.devices.log == []


async def test_a_disabled_device_is_refused(world: World) -> None:
    world.devices.devices[PRODUCT_KEY, "sensor-01"].enabled = False
    assert (await (await Client.open(world)).connect()).code == 4


async def test_neither_password_nor_secret_is_logged(world: World, logs: LogCapture) -> None:
    client = await Client.open(world)
    packet = connect_packet(password=b"wrongpassword")
    client.send(packet)
    assert (await client.expect(Connack)).code == 4
    await Client.connected(world)
    text = repr(logs.entries)
    assert "connection refused" in text
    assert "wrongpassword" not in text
    assert "0123456789abcdef" not in text


async def test_plain_connections_can_be_forbidden(start: StartWorld) -> None:
    world = await start(plain=False)
    assert (await (await Client.open(world)).connect()).code == 2


async def test_connections_over_the_rate_are_refused(start: StartWorld) -> None:
    world = await start(connects_per_minute=2)
    codes = [(await (await Client.open(world)).connect()).code for _ in range(3)]
    assert codes == [0, 0, 3]
    # Strangers can't use up the device's own attempts.
    world.clock.advance(60)
    for _ in range(3):
        assert (await (await Client.open(world)).connect(password=b"x")).code == 4
    assert (await (await Client.open(world)).connect()).code == 0


async def test_a_second_connection_takes_over_the_first(world: World) -> None:
    first = await Client.connected(world, version=5)
    second = await Client.connected(world)
    [disconnect] = await first.closed()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason == 0x8E
    assert world.gateway.downlink.online(1)
    third = await Client.connected(world)
    assert await second.closed() == []
    await third.disconnect()
    assert sorted(world.devices.log) == ["sensor-01 connected from 127.0.0.1"] * 3 + ["sensor-01 disconnected"] * 3
    assert not world.gateway.downlink.online(1)


async def test_a_silent_device_is_closed_after_one_and_a_half_keep_alives(world: World) -> None:
    client = await Client.connected(world, version=5, keepalive=30)
    world.pass_time(44)
    assert await client.drain() == []
    world.pass_time(44)
    assert await client.drain() == []
    world.pass_time(48)
    [disconnect] = await client.closed()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason == 0x8D


@pytest.mark.parametrize(
    "event",
    [
        DeviceDisabled(1, PRODUCT_KEY, "sensor-01", 0),
        DeviceDeleted(1, PRODUCT_KEY, "sensor-01"),
        ProductDeleted(1, PRODUCT_KEY),
    ],
)
async def test_disabling_and_deleting_end_the_connection(
    world: World, event: DeviceDisabled | DeviceDeleted | ProductDeleted
) -> None:
    world.devices.add(FakeDevice(3, "other", product_id=2))
    client = await Client.connected(world, version=5)
    other = await Client.connected(world, "other")
    world.bus.publish(event)
    [disconnect] = await client.closed()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason == 0x87
    assert await other.drain() == []


async def test_a_reset_ends_the_connection(world: World) -> None:
    client = await Client.connected(world, version=5)
    world.bus.publish(DeviceReset(1, PRODUCT_KEY, "sensor-01", 0))
    [disconnect] = await client.closed()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason == 0x98


async def test_a_device_that_goes_away_while_it_is_looked_for_is_forgotten(world: World) -> None:
    world.devices.uncached.add("sensor-01")
    gate = asyncio.Event()
    looking = asyncio.Event()
    find = world.devices.find

    async def slow_find(product_key: str, name: str) -> FakeDevice | None:
        looking.set()
        await gate.wait()
        return await find(product_key, name)

    world.devices.find = slow_find  # type: ignore[method-assign]
    client = await Client.open(world)
    client.send(connect_packet())
    await looking.wait()
    client.abort()
    await until(lambda: not world.gateway._hub.open)
    gate.set()
    await world.gateway._admission.close()
    assert world.devices.log == []
    assert not world.gateway.downlink.online(1)


async def test_permissions_are_read_once_for_all_devices_that_connect_meanwhile(world: World) -> None:
    world.topics.is_cached = False
    world.topics.gate.clear()
    clients = [await Client.open(world) for _ in range(2)]
    answers = asyncio.gather(clients[0].connect(), clients[1].connect("sensor-02"))
    await until(lambda: len(world.gateway._admission._tasks) == 2)
    world.topics.gate.set()
    assert [connack.code for connack in await answers] == [0, 0]
    assert world.topics.reads == 1


async def test_a_failing_look_up_answers_that_the_server_is_unavailable(world: World, logs: LogCapture) -> None:
    world.devices.uncached.add("sensor-01")

    async def broken_find(_product_key: str, _name: str) -> FakeDevice | None:
        raise OSError("database")

    world.devices.find = broken_find  # type: ignore[assignment,method-assign]
    assert (await (await Client.open(world)).connect()).code == 3
    assert "connection could not be decided" in [line["event"] for line in logs.entries]


async def test_stopping_tells_mqtt_5_clients_and_closes_all(world: World) -> None:
    new = await Client.connected(world, version=5)
    old = await Client.connected(world, "sensor-02")
    stopping = asyncio.create_task(world.gateway.stop())
    [disconnect] = await new.closed()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason == 0x8B
    assert await old.closed() == []
    await stopping
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await Client.open(world)

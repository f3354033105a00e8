"""Devices that come all at once, again and again, slowly, or not quite."""

import asyncio

from tests.gateway.client import Client, connect_packet
from tests.gateway.conftest import StartWorld
from tests.gateway.support import FakeDevice, World, until
from tests.mqtt.wire import write_packets
from thingplane.mqtt import ReasonCode
from thingplane.mqtt.packets import Connack, Disconnect

STORM = 300


async def test_a_storm_of_devices_that_are_not_in_memory_is_let_in(world: World) -> None:
    names = [f"storm-{number}" for number in range(STORM)]
    for number, name in enumerate(names):
        world.devices.add(FakeDevice(1000 + number, name))
    world.devices.uncached.update(names)
    world.topics.is_cached = False
    clients = await asyncio.gather(*(Client.connected(world, name) for name in names))
    assert len(clients) == STORM
    reading = world.gateway.reading()
    assert (reading["mqtt_connections"], reading["mqtt_connects_total"]) == (STORM, STORM)


async def test_two_devices_with_one_identity_fight_without_end_and_leave_nothing_behind(world: World) -> None:
    held = await Client.connected(world, version=5)
    for _ in range(100):
        newcomer = await Client.connected(world, version=5)
        [goodbye] = await held.closed()
        assert isinstance(goodbye, Disconnect)
        assert goodbye.reason == ReasonCode.SESSION_TAKEN_OVER
        held = newcomer
    reading = world.gateway.reading()
    assert (reading["mqtt_connections"], reading["mqtt_connects_total"]) == (1, 101)
    assert (len(world.gateway._hub.open), len(world.gateway._broker.sessions)) == (1, 1)
    came = sum("sensor-01 connected" in line for line in world.devices.log)
    went = sum("sensor-01 disconnected" in line for line in world.devices.log)
    assert (came, went) == (101, 100)


async def test_a_burst_of_one_identity_ends_with_one_connection(world: World) -> None:
    clients = [await Client.open(world) for _ in range(50)]
    for client in clients:
        client.send(connect_packet())
    answers = await asyncio.gather(*(client.expect(Connack) for client in clients))
    # 3: another one came after it, before it was its turn.
    assert {answer.code for answer in answers} == {0, 3}
    await until(lambda: len(world.gateway._hub.open) == 1)
    assert world.gateway.reading()["mqtt_connections"] == 1


async def test_wrong_passwords_do_not_disturb_who_is_connected(world: World) -> None:
    client = await Client.connected(world)
    for _ in range(30):
        stranger = await Client.open(world)
        assert (await stranger.connect(password=b"0" * 64)).code == 4
    assert await client.drain() == []
    assert world.gateway.reading()["mqtt_connections"] == 1


async def test_a_connect_may_come_byte_by_byte_but_not_for_ever(start: StartWorld) -> None:
    world = await start(connect_timeout=10.0)
    data = write_packets([connect_packet()], 4)
    slow = await Client.open(world)
    for position in range(len(data)):
        slow.write(data[position : position + 1])
        await asyncio.sleep(0)
    assert (await slow.expect(Connack)).code == 0
    endless = [await Client.open(world) for _ in range(20)]
    for client in endless:
        client.write(data[:-1])
    await until(lambda: len(world.gateway._hub.open) == 21)
    world.pass_time(11)
    for client in endless:
        assert await client.closed() == []
    assert len(world.gateway._hub.open) == 1
    assert world.gateway.reading()["mqtt_rejected_total:no connect"] == 20


async def test_a_device_that_vanished_is_offline_after_one_and_a_half_keep_alives(world: World) -> None:
    """Nothing tells the server of a half-open connection but that nothing comes any more."""
    gone = await Client.connected(world, keepalive=60)
    world.pass_time(89)
    assert world.gateway.downlink.online(1)
    world.pass_time(3)
    assert await gone.closed() == []
    assert not world.gateway.downlink.online(1)
    assert world.devices.log[-1] == "sensor-01 disconnected"

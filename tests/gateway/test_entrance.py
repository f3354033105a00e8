"""Messages by other transports than MQTT: the same permissions, handlers, commit and pace."""

import asyncio

import pytest

from tests.gateway.conftest import StartWorld
from tests.gateway.support import PRODUCT_KEY, FakeDevice, World, until
from thingplane.alink import Uplink
from thingplane.mqtt import ReasonCode

SYS = f"/sys/{PRODUCT_KEY}/sensor-01/"
POST = SYS + "thing/event/property/post"
BODY = b'{"id":"7","params":{"Temp":21.5}}'


async def test_a_post_is_handled_stored_and_answered(world: World) -> None:
    outcome = await world.gateway.entrance.publish(FakeDevice(1), POST, BODY)
    assert outcome.code == 0
    assert outcome.message_id > 0
    [(topic, reply)] = outcome.replies
    assert topic == POST + "_reply"
    assert b'"code":200' in reply
    assert world.series.commits == 1
    assert [params for *_, params in world.series.appended] == [b'{"Temp":21.5}']


async def test_it_returns_after_the_commit_only(world: World) -> None:
    world.series.is_held = True
    task = asyncio.create_task(world.gateway.entrance.publish(FakeDevice(1), POST, BODY))
    await until(lambda: bool(world.series.held))
    assert not task.done()
    world.series.release()
    assert (await task).code == 0


async def test_a_failed_commit_is_told(world: World) -> None:
    world.series.error = OSError("disk full")
    assert (await world.gateway.entrance.publish(FakeDevice(1), POST, BODY)).code == ReasonCode.UNSPECIFIED_ERROR


async def test_a_handler_that_waits_is_waited_for(world: World) -> None:
    gate = asyncio.Event()

    async def slow(uplink: Uplink) -> None:
        await gate.wait()
        uplink.reply()

    world.table.add("thing/topo/get", slow)
    task = asyncio.create_task(world.gateway.entrance.publish(FakeDevice(1), SYS + "thing/topo/get", b'{"id":"1"}'))
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    assert len((await task).replies) == 1


async def test_a_handler_that_fails_is_told(world: World) -> None:
    def broken(_uplink: Uplink) -> None:
        raise RuntimeError

    world.table.add("thing/broken", broken)
    outcome = await world.gateway.entrance.publish(FakeDevice(1), SYS + "thing/broken", b"{}")
    assert outcome.code == ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR
    assert b'"code":500' in outcome.replies[0][1]


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        (f"/{PRODUCT_KEY}/sensor-01/user/update", 0),
        (f"/{PRODUCT_KEY}/sensor-01/user/get", ReasonCode.NOT_AUTHORIZED),
        (f"/{PRODUCT_KEY}/sensor-02/user/update", ReasonCode.NOT_AUTHORIZED),
        (f"/{PRODUCT_KEY}/sensor-01/../sensor-02/user/update", ReasonCode.NOT_AUTHORIZED),
        (f"/sys/{PRODUCT_KEY}/sensor-02/thing/event/property/post", ReasonCode.NOT_AUTHORIZED),
        (f"/sys/{PRODUCT_KEY}/SENSOR-01/thing/event/property/post", ReasonCode.NOT_AUTHORIZED),
        (f"sys/{PRODUCT_KEY}/sensor-01/thing/event/property/post", ReasonCode.NOT_AUTHORIZED),
        ("", ReasonCode.TOPIC_NAME_INVALID),
        (f"/{PRODUCT_KEY}/+/user/update", ReasonCode.TOPIC_NAME_INVALID),
        (f"/{PRODUCT_KEY}/sensor-01/user/#", ReasonCode.TOPIC_NAME_INVALID),
        (f"/{PRODUCT_KEY}/sensor-01\0/user/update", ReasonCode.TOPIC_NAME_INVALID),
        (f"/{PRODUCT_KEY}/sensor-01/user/\ud800", ReasonCode.TOPIC_NAME_INVALID),
        (f"/{PRODUCT_KEY}/sensor-01/user/" + "x" * 1100, ReasonCode.TOPIC_NAME_INVALID),
    ],
)
async def test_permissions_are_those_of_mqtt(world: World, topic: str, code: int) -> None:
    assert (await world.gateway.entrance.publish(FakeDevice(1), topic, b"x")).code == code


async def test_disabled_devices_and_large_messages_are_refused(world: World) -> None:
    entrance = world.gateway.entrance
    assert (await entrance.publish(FakeDevice(1, enabled=False), POST, BODY)).code == ReasonCode.NOT_AUTHORIZED
    assert (await entrance.publish(FakeDevice(1), POST, b"x" * 262_145)).code == ReasonCode.PACKET_TOO_LARGE
    assert world.series.appended == []


async def test_the_pace_of_a_device_is_limited(start: StartWorld) -> None:
    world = await start(publishes_per_second=2)
    entrance = world.gateway.entrance
    codes = [(await entrance.publish(FakeDevice(1), POST, BODY)).code for _ in range(3)]
    assert codes == [0, 0, ReasonCode.QUOTA_EXCEEDED]
    assert (await entrance.publish(FakeDevice(2, "sensor-02"), POST.replace("01", "02"), BODY)).code == 0
    world.clock.advance(1)
    assert (await entrance.publish(FakeDevice(1), POST, BODY)).code == 0

"""Messages and requests to devices."""

import asyncio

import pytest
from structlog.testing import LogCapture

from tests.gateway.client import Client
from tests.gateway.conftest import StartWorld
from tests.gateway.support import PRODUCT_KEY, World
from thingplane.bus import (
    ConnectionLostError,
    DeviceBusyError,
    DeviceOfflineError,
    Downlink,
    DownlinkMessage,
    RequestTimeoutError,
)
from thingplane.mqtt.packets import Puback, Publish

OWN = f"/{PRODUCT_KEY}/sensor-01"
SYS = f"/sys{OWN}/"


def message(topic: str = SYS + "rrpc/request/5", payload: bytes = b"ask", **fields: object) -> DownlinkMessage:
    return DownlinkMessage(device_id=1, topic=topic, payload=payload, **fields)  # type: ignore[arg-type]


@pytest.fixture
def downlink(world: World) -> Downlink:
    return world.gateway.downlink


@pytest.mark.parametrize("qos", [0, 1])
async def test_the_publisher_decides_the_qos(world: World, downlink: Downlink, qos: int) -> None:
    client = await Client.connected(world)
    await client.subscribe(OWN + "/user/get")
    assert await downlink.send(message(OWN + "/user/get", qos=qos, needs_subscription=True))
    packet = await client.expect(Publish)
    assert (packet.topic, packet.payload, packet.qos) == (OWN + "/user/get", b"ask", qos)


async def test_messages_to_an_offline_device_are_lost(world: World, downlink: Downlink) -> None:
    assert not await downlink.send(message(qos=0))
    assert not await downlink.send(message(qos=1))
    assert world.gateway.reading()["mqtt_downlinks_lost_total:offline"] == 2


async def test_custom_topics_need_a_subscription(world: World, downlink: Downlink) -> None:
    client = await Client.connected(world)
    topic = OWN + "/user/all/x"
    assert not await downlink.send(message(topic, needs_subscription=True))
    await client.subscribe(OWN + "/user/all/#")
    assert await downlink.send(message(topic, needs_subscription=True))
    assert (await client.expect(Publish)).topic == topic
    await client.unsubscribe(OWN + "/user/all/#")
    assert not await downlink.send(message(topic, needs_subscription=True))


async def test_mqtt_5_properties_are_passed_on(world: World, downlink: Downlink) -> None:
    client = await Client.connected(world, version=5)
    properties: dict[str, object] = {
        "payload_format": 1,
        "content_type": "text",
        "response_topic": OWN + "/user/update",
        "correlation_data": b"\x00\xff",
        "user": [("a", "1"), ("a", "2")],
    }
    assert await downlink.send(message(properties=properties, expiry=60, qos=1))
    received = (await client.expect(Publish)).properties
    assert received is not None
    assert received.payload_format_indicator == 1
    assert received.content_type == "text"
    assert received.response_topic == OWN + "/user/update"
    assert received.correlation_data == b"\x00\xff"
    assert received.user_properties == [("a", "1"), ("a", "2")]
    assert received.message_expiry_interval == 60


async def test_the_extension_bit_tells_whether_custom_rrpc_is_understood(world: World, downlink: Downlink) -> None:
    assert not downlink.custom_rrpc(1)
    await Client.connected(world, client_id="sn0001|signmethod=hmacsha256,ext=3,|")
    await Client.connected(world, "sensor-02", client_id="sn0001|signmethod=hmacsha256,ext=2|")
    assert (downlink.custom_rrpc(1), downlink.custom_rrpc(2)) == (True, False)


@pytest.mark.parametrize(
    ("request_topic", "response_topic"),
    [
        (SYS + "rrpc/request/5", SYS + "rrpc/response/5"),
        (f"/ext/rrpc/5{OWN}/user/get", f"/ext/rrpc/5{OWN}/user/get"),
        (f"/ext/rrpc/5{SYS}thing/service/reset", f"/ext/rrpc/5{SYS}thing/service/reset"),
    ],
)
async def test_a_request_returns_the_devices_answer(
    world: World, downlink: Downlink, request_topic: str, response_topic: str
) -> None:
    client = await Client.connected(world)
    request = asyncio.create_task(downlink.request(message(request_topic), 5, 5000))
    assert (await client.expect(Publish)).payload == b"ask"
    client.send(Publish(response_topic, b"\xffanswer"))
    assert await request == b"\xffanswer"
    # A second answer comes too late.
    client.send(Publish(response_topic, b"again"))
    await client.drain()
    assert world.gateway.reading()["mqtt_dropped_total:late response"] == 1


async def test_answers_of_other_devices_and_with_other_ids_do_not_count(world: World, downlink: Downlink) -> None:
    client = await Client.connected(world)
    other = await Client.connected(world, "sensor-02")
    request = asyncio.create_task(downlink.request(message(), 5, 100))
    await client.expect(Publish)
    await other.publish(SYS + "rrpc/response/5", b"1")
    await other.publish(f"/sys/{PRODUCT_KEY}/sensor-02/rrpc/response/5", b"2")
    for wrong in ("6", "x", "\u0665", "5" * 30):
        await client.publish(SYS + "rrpc/response/" + wrong, b"3")
    with pytest.raises(RequestTimeoutError):
        await request


async def test_a_request_to_an_offline_device_fails_at_once(world: World, downlink: Downlink) -> None:
    with pytest.raises(DeviceOfflineError):
        await downlink.request(message(), 5, 5000)
    # A kept session without a connection can't answer either.
    await (await Client.connected(world, clean_start=False)).disconnect()
    with pytest.raises(DeviceOfflineError):
        await downlink.request(message(), 5, 5000)


async def test_a_request_ends_with_its_connection(world: World, downlink: Downlink) -> None:
    client = await Client.connected(world)
    request = asyncio.create_task(downlink.request(message(), 5, 5000))
    await client.expect(Publish)
    client.abort()
    with pytest.raises(ConnectionLostError):
        await request
    assert not downlink.resolve(1, 5, b"")


async def test_message_ids_of_one_device_are_used_once(world: World, downlink: Downlink) -> None:
    client = await Client.connected(world)
    first = asyncio.create_task(downlink.request(message(), 5, 5000))
    await client.expect(Publish)
    with pytest.raises(ValueError, match="in use"):
        await downlink.request(message(), 5, 5000)
    assert downlink.resolve(1, 5, b"yes")
    assert not downlink.resolve(1, 5, b"no")
    assert await first == b"yes"


async def test_messages_wait_while_the_device_acknowledges_too_few(world: World, downlink: Downlink) -> None:
    client = await Client.connected(world)
    outcomes = await asyncio.gather(*[downlink.send(message(payload=b"%d" % n, qos=1)) for n in range(150)])
    assert all(outcomes)
    received = []
    for _ in range(150):
        packet = await client.expect(Publish)
        received.append(packet.payload)
        client.send(Puback(packet.packet_id))
    assert received == [b"%d" % n for n in range(150)]


async def test_what_needs_no_waiting_is_sent_at_once(world: World, downlink: Downlink) -> None:
    assert downlink.offer(message(qos=0)) is False
    assert downlink.offer(message(qos=1)) is None
    client = await Client.connected(world)
    topic = OWN + "/user/get"
    assert downlink.offer(message(topic, needs_subscription=True)) is False
    await client.subscribe(topic)
    for qos in (0, 1):
        assert downlink.offer(message(topic, qos=qos, needs_subscription=True)) is True
        assert (await client.expect(Publish)).qos == qos
    assert world.gateway.reading()["mqtt_downlinks_total"] == 2


async def test_a_message_that_is_kept_for_a_session_takes_waiting(world: World, downlink: Downlink) -> None:
    client = await Client.connected(world, clean_start=False)
    assert downlink.offer(message(qos=1)) is None
    assert await downlink.send(message(qos=1))
    assert (await client.expect(Publish)).payload == b"ask"


async def test_a_message_that_needs_room_is_not_lost_by_a_device_that_is_connected(start: StartWorld) -> None:
    world = await start(offline_messages_per_device=2)
    downlink = world.gateway.downlink
    client = await Client.connected(world)
    sent = 0
    while await downlink.send(message(payload=b"%d" % sent, qos=1)):
        sent += 1
    needed = message(payload=b"needed", qos=1, needs_room=True)
    assert downlink.offer(needed) is None
    with pytest.raises(DeviceBusyError):
        await downlink.send(needed)
    assert world.gateway.reading()["mqtt_downlinks_lost_total:queue full"] == 1
    for _ in range(sent):
        client.send(Puback((await client.expect(Publish)).packet_id))
    await client.subscribe(OWN + "/user/get")
    assert await downlink.send(needed)
    assert (await client.expect(Publish)).payload == b"needed"


async def test_a_device_that_does_not_read_loses_qos_0_first_and_then_its_connection(
    world: World, downlink: Downlink
) -> None:
    client = await Client.connected(world)
    outcomes = [await downlink.send(message(payload=bytes(200_000))) for _ in range(100)]
    assert outcomes[0]
    assert not outcomes[-1]
    assert client.buffered is not None
    assert downlink.online(1)


async def test_a_breach_of_the_write_buffer_closes_the_connection(start: StartWorld, logs: LogCapture) -> None:
    world = await start(write_buffer=65_536)
    client = await Client.connected(world)
    client.stop_reading()
    while world.gateway.downlink.online(1):
        client.send(*[Publish("/nowhere", b"", 1, packet_id=n) for n in range(1, 200)])
        await world.gateway.downlink.send(message(payload=bytes(60_000)))
        await asyncio.sleep(0)
    assert world.gateway.reading()["mqtt_overflows_total"] == 1
    [line] = [line for line in logs.entries if "does not read" in line["event"]]
    assert line["device"] == OWN

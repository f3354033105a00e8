"""What MQTT 5 adds, in both directions (device-protocol, 1.12)."""

import asyncio
import hmac
import queue
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from tests.gateway.client import Client
from tests.gateway.support import PRODUCT_KEY, SECRET, World, password
from thingplane.alink import Uplink
from thingplane.bus import DownlinkMessage
from thingplane.mqtt import Properties, ReasonCode
from thingplane.mqtt.packets import Disconnect, Puback, Publish

OWN = f"/{PRODUCT_KEY}/sensor-01/user/"
SET = f"/sys/{PRODUCT_KEY}/sensor-01/thing/service/property/set"


@pytest.fixture
def customs(world: World) -> list[Uplink]:
    seen: list[Uplink] = []
    world.gateway.on_custom_message(seen.append)
    return seen


async def test_what_a_device_says_with_a_publish_reaches_the_slices(world: World, customs: list[Uplink]) -> None:
    client = await Client.connected(world, version=5)
    properties = Properties(
        payload_format_indicator=1,
        message_expiry_interval=30,
        content_type="text/plain",
        response_topic=OWN + "get",
        correlation_data=b"\0\xff",
        user_properties=[(f"k{n}", "v") for n in range(25)],
    )
    client.send(Publish(OWN + "update", b"x", 1, packet_id=1, properties=properties))
    assert (await client.expect(Puback)).reason == 0
    [uplink] = customs
    assert uplink.properties == {
        "payload_format": 1,
        "expiry": 30,
        "content_type": "text/plain",
        "response_topic": OWN + "get",
        "correlation_data": b"\0\xff",
        "user": [(f"k{n}", "v") for n in range(20)],
    }
    client.send(Publish(OWN + "update", b"x", 1, packet_id=2))
    await client.expect(Puback)
    assert customs[1].properties is None


async def test_what_a_back_end_says_reaches_the_device(world: World) -> None:
    client = await Client.connected(world, version=5)
    message = DownlinkMessage(
        device_id=1,
        topic=SET,
        payload=b"{}",
        retain=True,
        expiry=60,
        properties={
            "payload_format": 1,
            "content_type": "application/json",
            "response_topic": OWN + "update",
            "correlation_data": b"\1\2",
            "user": [("a", "1"), ("a", "2")],
        },
    )
    assert await world.gateway.downlink.send(message)
    packet = await client.expect(Publish)
    assert (packet.topic, packet.payload, packet.retain) == (SET, b"{}", True)
    assert packet.properties == Properties(
        payload_format_indicator=1,
        message_expiry_interval=60,
        content_type="application/json",
        response_topic=OWN + "update",
        correlation_data=b"\1\2",
        user_properties=[("a", "1"), ("a", "2")],
    )
    # Clients of older versions get the message without them.
    old = await Client.connected(world, "sensor-02")
    assert await world.gateway.downlink.send(
        DownlinkMessage(device_id=2, topic=SET.replace("01", "02"), payload=b"{}", properties=message.properties)
    )
    assert (await old.expect(Publish)).payload == b"{}"


@pytest.mark.parametrize("qos", [0, 1])
async def test_a_topic_alias_is_used_as_far_as_the_client_takes_it(world: World, qos: int) -> None:
    client = await Client.connected(world, version=5, properties=Properties(topic_alias_maximum=2))

    async def send(alias: int, topic: str = SET) -> tuple[str, int | None]:
        properties: dict[str, object] = {"topic_alias": alias}
        message = DownlinkMessage(device_id=1, topic=topic, payload=b"x", qos=qos, properties=properties)
        sending = asyncio.create_task(world.gateway.downlink.send(message))
        packet = await client.expect(Publish)
        if packet.packet_id:
            client.send(Puback(packet.packet_id))
        assert await sending
        return packet.topic, packet.properties.topic_alias if packet.properties else None

    get = f"/sys/{PRODUCT_KEY}/sensor-01/thing/service/property/get"
    assert await send(2) == (SET, 2)
    assert await send(2) == ("", 2)
    assert await send(2, get) == (get, 2)  # means something else from now on
    assert await send(2, get) == ("", 2)
    assert await send(1) == (SET, 1)
    assert await send(3) == (SET, None)


async def test_aliases_of_the_device(world: World, customs: list[Uplink]) -> None:
    client = await Client.connected(world, version=5)
    client.send(
        Publish(OWN + "update", b"1", 1, packet_id=1, properties=Properties(topic_alias=20)),
        Publish("", b"2", 1, packet_id=2, properties=Properties(topic_alias=20)),
    )
    assert [(await client.expect(Puback)).reason for _ in range(2)] == [0, 0]
    assert [item.topic for item in customs] == [OWN + "update"] * 2
    client.send(Publish(OWN + "update", b"3", 1, packet_id=3, properties=Properties(topic_alias=21)))
    [goodbye] = await client.closed()
    assert isinstance(goodbye, Disconnect)
    assert goodbye.reason == ReasonCode.TOPIC_ALIAS_INVALID


async def test_the_window_of_the_device_is_kept(world: World) -> None:
    client = await Client.connected(
        world, version=5, clean_start=False, properties=Properties(receive_maximum=2, session_expiry_interval=60)
    )
    for number in range(3):
        message = DownlinkMessage(device_id=1, topic=SET, payload=b"%d" % number, qos=1)
        assert await world.gateway.downlink.send(message)
    first, second = await client.expect(Publish), await client.expect(Publish)
    assert [item for item in await client.drain() if isinstance(item, Publish)] == []
    client.send(Puback(first.packet_id))
    assert (await client.expect(Publish)).payload == b"2"
    assert second.payload == b"1"


async def test_what_has_expired_is_not_delivered(world: World) -> None:
    options: dict[str, Any] = {"clean_start": False, "properties": Properties(session_expiry_interval=600)}
    client = await Client.connected(world, version=5, **options)
    await client.disconnect()
    for number, expiry in enumerate((5, 100, None)):
        message = DownlinkMessage(device_id=1, topic=SET, payload=b"%d" % number, qos=1, expiry=expiry)
        assert await world.gateway.downlink.send(message)
    world.pass_time(40)
    client = await Client.connected(world, version=5, **options)
    first, second = await client.expect(Publish), await client.expect(Publish)
    assert (first.payload, second.payload) == (b"1", b"2")
    assert first.properties is not None
    # The time it has waited is taken off.
    assert first.properties.message_expiry_interval == 60


async def test_a_client_without_an_identifier_gets_one(world: World) -> None:
    content = f"deviceNamesensor-01productKey{PRODUCT_KEY}timestamp2524608000000"
    client = await Client.open(world, version=5)
    connack = await client.connect(
        client_id="|timestamp=2524608000000,securemode=3,signmethod=hmacsha256,ext=3|",
        password=hmac.digest(SECRET.encode(), content.encode(), "sha256").hex().encode(),
    )
    assert connack.code == 0
    assert connack.properties is not None
    assert connack.properties.assigned_client_identifier == f"{PRODUCT_KEY}.sensor-01"
    older = await Client.open(world, version=4)
    assert (await older.connect(client_id="|securemode=3|")).code == 2


async def test_the_most_common_client_library_asks_and_answers(world: World, customs: list[Uplink]) -> None:
    events: queue.Queue[tuple[str, Any]] = queue.Queue()
    client = paho.Client("sn0001|securemode=3,signmethod=hmacsha256|", protocol=paho.MQTTv5)
    client.username_pw_set(f"sensor-01&{PRODUCT_KEY}", password())

    def on_message(_client: Any, _user: Any, message: Any) -> None:
        asked = message.properties
        answer = PahoProperties(PacketTypes.PUBLISH)
        answer.CorrelationData = asked.CorrelationData
        answer.UserProperty = ("from", "device")
        client.publish(asked.ResponseTopic, message.payload[::-1], 1, properties=answer)
        events.put(("asked", (asked.UserProperty, message.topic)))

    client.on_connect = lambda *_: events.put(("connected", None))
    client.on_publish = lambda *_: events.put(("published", None))
    client.on_message = on_message
    client.connect_async("127.0.0.1", world.ports.mqtt)
    client.loop_start()
    try:
        assert await asyncio.to_thread(events.get, timeout=10) == ("connected", None)
        properties: dict[str, object] = {
            "response_topic": OWN + "update",
            "correlation_data": b"7",
            "user": [("from", "back end")],
        }
        message = DownlinkMessage(device_id=1, topic=SET, payload=b"abc", properties=properties)
        assert await world.gateway.downlink.send(message)
        seen = [await asyncio.to_thread(events.get, timeout=10) for _ in range(2)]
        assert ("asked", ([("from", "back end")], SET)) in seen
        [uplink] = customs
        assert (uplink.payload, uplink.topic) == (b"cba", OWN + "update")
        assert uplink.properties == {"correlation_data": b"7", "user": [("from", "device")]}
    finally:
        client.disconnect()
        client.loop_stop()

"""What MQTT 5 adds (device-protocol, 1.12), as the most common client library sees it."""

import asyncio
import hmac
import queue
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.gateway.support import PRODUCT_KEY, SECRET, World, password, until
from thingplane.alink import Uplink
from thingplane.bus import DownlinkMessage
from thingplane.devices.service import DeviceDisabled

OWN: Final = f"/{PRODUCT_KEY}/sensor-01/user/"
SET: Final = f"/sys/{PRODUCT_KEY}/sensor-01/thing/service/property/set"
GROUP: Final = f"/broadcast/{PRODUCT_KEY}/group1"


def properties(kind: int, **values: Any) -> Properties:
    made = Properties(kind)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Device:
    """A paho client on its own thread; what it learns arrives in a queue."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._started: list[paho.Client] = []
        self.client: paho.Client

    def start(self, name: str = "sensor-01", client_id: str | None = None, **connect: Any) -> None:
        """Connect; ``connect`` has ``keepalive``, ``clean`` and ``secret``, and properties by their names."""
        text = "sn0001|securemode=3,signmethod=hmacsha256|" if client_id is None else client_id
        keepalive, clean = connect.pop("keepalive", 60), connect.pop("clean", True)
        secret, prepare = connect.pop("secret", password(name)), connect.pop("prepare", None)
        client = self.client = paho.Client(text, protocol=paho.MQTTv5)
        client.username_pw_set(f"{name}&{PRODUCT_KEY}", secret)
        put = self._events.put

        def on_disconnect(_client: Any, _user: Any, code: Any, said: Any = None) -> None:
            client.disconnect()  # or it waits a second to connect again
            put(("disconnect", (getattr(code, "value", code), said)))

        client.on_connect = lambda _c, _u, flags, code, said: put(("connect", (code.value, flags, said)))
        client.on_disconnect = on_disconnect
        client.on_message = lambda _c, _u, message: put(("message", message))
        client.on_publish = lambda _c, _u, mid: put(("publish", mid))
        client.on_subscribe = lambda _c, _u, _mid, codes, _said: put(("subscribe", [code.value for code in codes]))
        client.on_unsubscribe = lambda _c, _u, _mid, _said, codes: put(("unsubscribe", getattr(codes, "value", codes)))
        if prepare is not None:
            prepare(client)
        asked = properties(PacketTypes.CONNECT, **connect)
        client.connect_async("127.0.0.1", self._world.ports.mqtt, keepalive, clean_start=clean, properties=asked)
        client.loop_start()
        self._started.append(client)

    async def connected(self, name: str = "sensor-01", **connect: Any) -> tuple[dict[str, int], Any]:
        self.start(name, **connect)
        code, flags, said = await self.next("connect")
        assert code == 0
        return flags, said

    async def next(self, kind: str) -> Any:
        """Return the next thing it learned, which has to be of this kind; ends of connections are passed over."""
        while True:
            found, value = await asyncio.to_thread(self._events.get, timeout=10)
            if found == kind:
                return value
            assert found == "disconnect", (found, value)

    async def end(self) -> Any:
        """Return reason code and properties of the end of the connection, whatever came before."""
        found = ""
        while found != "disconnect":
            found, value = await asyncio.to_thread(self._events.get, timeout=10)
        return value

    async def stop(self) -> None:
        for client in self._started:
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)


@pytest.fixture
async def device(world: World) -> AsyncIterator[Device]:
    device = Device(world)
    yield device
    await device.stop()


@pytest.fixture
def customs(world: World) -> list[Uplink]:
    seen: list[Uplink] = []
    world.gateway.on_custom_message(seen.append)
    return seen


async def test_what_the_platform_can_do_is_in_the_connack(device: Device) -> None:
    _, said = await device.connected(SessionExpiryInterval=3600, keepalive=300)
    assert said.json() == {
        "SessionExpiryInterval": 3600,
        "ReceiveMaximum": 100,
        "MaximumQoS": 1,
        "RetainAvailable": 1,
        "MaximumPacketSize": 262_144,
        "TopicAliasMaximum": 20,
        "WildcardSubscriptionAvailable": 1,
        "SubscriptionIdentifierAvailable": 0,
        "SharedSubscriptionAvailable": 1,
        "ServerKeepAlive": 300,
    }
    await device.stop()
    _, said = await device.connected()
    assert said.SessionExpiryInterval == 0


@pytest.mark.parametrize(
    ("connect", "code"),
    [
        ({"secret": "0" * 64}, 0x86),
        ({"keepalive": 29}, 0x85),
        ({"keepalive": 1201}, 0x85),
        ({"client_id": "x" * 65 + "|signmethod=hmacsha256|"}, 0x85),
        ({"AuthenticationMethod": "SCRAM"}, 0x8C),
    ],
)
async def test_a_refusal_has_its_reason(device: Device, connect: dict[str, Any], code: int) -> None:
    device.start(**connect)
    assert (await device.next("connect"))[0] == code


async def test_a_client_without_an_identifier_is_told_its_own(device: Device) -> None:
    content = f"deviceNamesensor-01productKey{PRODUCT_KEY}"
    _, said = await device.connected(
        client_id="", secret=hmac.new(SECRET.encode(), content.encode(), "md5").hexdigest()
    )
    assert said.AssignedClientIdentifier == f"{PRODUCT_KEY}.sensor-01"


async def test_each_filter_has_its_reason(device: Device) -> None:
    await device.connected()
    options = SubscribeOptions(qos=2, retainAsPublished=True)
    filters = [OWN + "get", OWN + "all/#", f"$share/g/{OWN}get", f"/{PRODUCT_KEY}/sensor-02/user/get", "x" * 1025]
    device.client.subscribe([(item, options) for item in filters])
    assert await device.next("subscribe") == [1, 1, 1, 0x87, 0x8F]
    identified = properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=5)
    device.client.subscribe(OWN + "get", options=options, properties=identified)
    assert await device.next("subscribe") == [0xA1]
    device.client.unsubscribe(OWN + "get")
    assert await device.next("unsubscribe") == 0
    device.client.unsubscribe(OWN + "get")
    assert await device.next("unsubscribe") == 0x11


def _take_over(world: World, device: Device) -> None:  # noqa: ARG001 - one of several
    device.start()


def _disable(world: World, _device: Device) -> None:
    world.bus.publish(DeviceDisabled(1, PRODUCT_KEY, "sensor-01", 0))


def _fall_silent(world: World, _device: Device) -> None:
    world.pass_time(92)


def _publish_twice(_world: World, device: Device) -> None:
    device.client.publish(OWN + "update", b"x", 2)


def _too_large(_world: World, device: Device) -> None:
    device.client.publish(OWN + "update", bytes(262_145), 1)


def _unknown_alias(_world: World, device: Device) -> None:
    device.client.publish(OWN + "update", b"x", 0, properties=properties(PacketTypes.PUBLISH, TopicAlias=21))


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (_take_over, 0x8E),
        (_disable, 0x87),
        (_fall_silent, 0x8D),
        (_publish_twice, 0x9B),
        (_too_large, 0x95),
        (_unknown_alias, 0x94),
    ],
)
async def test_a_connection_that_the_platform_ends_is_told_why(
    world: World, device: Device, action: Callable[[World, Device], None], code: int
) -> None:
    await device.connected()
    action(world, device)
    reason, said = await device.end()
    assert reason == code
    assert said.ReasonString


async def test_properties_of_messages_pass_in_both_directions(
    world: World, device: Device, customs: list[Uplink]
) -> None:
    await device.connected()
    sent = properties(
        PacketTypes.PUBLISH,
        PayloadFormatIndicator=1,
        MessageExpiryInterval=30,
        ContentType="text/plain",
        ResponseTopic=OWN + "get",
        CorrelationData=b"\0\xff",
        UserProperty=[("a", "1"), ("a", "2")],
    )
    device.client.publish(OWN + "update", b"up", 1, properties=sent)
    await device.next("publish")
    said = {
        "payload_format": 1,
        "expiry": 30,
        "content_type": "text/plain",
        "response_topic": OWN + "get",
        "correlation_data": b"\0\xff",
        "user": [("a", "1"), ("a", "2")],
    }
    assert [(item.payload, item.properties) for item in customs] == [(b"up", said)]
    back = {name: value for name, value in said.items() if name != "expiry"}
    message = DownlinkMessage(device_id=1, topic=SET, payload=b"down", qos=1, retain=True, expiry=30, properties=back)
    assert await world.gateway.downlink.send(message)
    came = await device.next("message")
    assert (came.topic, came.payload, came.qos, came.retain) == (SET, b"down", 1, True)
    for name in ("PayloadFormatIndicator", "ContentType", "ResponseTopic", "CorrelationData", "UserProperty"):
        assert getattr(came.properties, name) == getattr(sent, name), name
    assert came.properties.MessageExpiryInterval == 30


async def test_aliases_in_both_directions(world: World, device: Device, customs: list[Uplink]) -> None:
    await device.connected(TopicAliasMaximum=3)
    for topic in (OWN + "update", ""):
        device.client.publish(topic, b"x", 1, properties=properties(PacketTypes.PUBLISH, TopicAlias=20))
        await device.next("publish")
    assert [item.topic for item in customs] == [OWN + "update"] * 2
    seen = []
    for _ in range(2):
        message = DownlinkMessage(device_id=1, topic=SET, payload=b"x", properties={"topic_alias": 3})
        assert await world.gateway.downlink.send(message)
        came = await device.next("message")
        seen.append((came.topic, came.properties.TopicAlias))
    assert seen == [(SET, 3), ("", 3)]


async def test_a_session_lasts_as_long_as_was_asked_and_messages_as_long_as_they_may(
    world: World, device: Device
) -> None:
    flags, _ = await device.connected(SessionExpiryInterval=600)
    assert not flags["session present"]
    device.client.subscribe(OWN + "get", 1)
    await device.next("subscribe")
    device.client.disconnect()
    await until(lambda: not world.gateway.downlink.online(1))
    for payload, expiry in ((b"short", 5), (b"long", 100)):
        kept = DownlinkMessage(
            device_id=1, topic=OWN + "get", payload=payload, qos=1, expiry=expiry, needs_subscription=True
        )
        assert await world.gateway.downlink.send(kept)
    world.pass_time(40)
    await device.end()
    flags, _ = await device.connected(clean=False, SessionExpiryInterval=600)
    assert flags["session present"]
    came = await device.next("message")
    assert (came.payload, came.properties.MessageExpiryInterval) == (b"long", 60)
    device.client.disconnect()
    await until(lambda: not world.gateway.downlink.online(1))
    await device.end()
    world.pass_time(700)
    flags, _ = await device.connected(clean=False)
    assert not flags["session present"]


async def test_messages_beyond_the_clients_packet_size_are_left_out(world: World, device: Device) -> None:
    await device.connected(MaximumPacketSize=200)
    assert not await world.gateway.downlink.send(DownlinkMessage(device_id=1, topic=SET, payload=bytes(200)))
    assert await world.gateway.downlink.send(DownlinkMessage(device_id=1, topic=SET, payload=b"small"))
    assert (await device.next("message")).payload == b"small"


async def test_wills_and_retained_messages_are_taken_and_have_no_effect(device: Device, customs: list[Uplink]) -> None:
    await device.connected(prepare=lambda client: client.will_set(OWN + "update", b"will", 1, retain=True))
    device.client.publish(OWN + "update", b"kept", 1, retain=True)
    await device.next("publish")
    device.client.subscribe(OWN + "get", options=SubscribeOptions(qos=1, retainHandling=0))
    await device.next("subscribe")
    assert [item.payload for item in customs] == [b"kept"]


async def test_a_shared_broadcast_reaches_one_of_those_who_share_it(world: World, device: Device) -> None:
    for name in ("sensor-01", "sensor-02"):
        await device.connected(name)
        device.client.subscribe(f"$share/g/{GROUP}", 1)
        await device.next("subscribe")
    chosen = [world.gateway.audience.subscribers(1, GROUP) for _ in range(2)]
    assert sorted(receiver.device_id for [receiver] in chosen) == [1, 2]
    for [receiver] in chosen:
        message = DownlinkMessage(device_id=receiver.device_id, topic=GROUP, payload=b"x", needs_subscription=True)
        assert await world.gateway.downlink.send(message)
        assert (await device.next("message")).topic == GROUP

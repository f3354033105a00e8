"""PubBroadcast and SubscribeTopic."""

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from tests.telemetry.world import ON_ONE_DATABASE, World
from thingplane.bus import DeviceOfflineError, Receiver, SubscriptionRefusedError
from thingplane.devices.service import Device
from thingplane.messaging.broadcasts import BroadcastService

HELLO = base64.b64encode(b"hello").decode()


class FakeAudience:
    """The devices of a world that are connected, and what they have subscribed."""

    def __init__(self, world: World, devices: Sequence[Device]) -> None:
        self._world = world
        self._devices = devices
        self.filters: dict[int, set[str]] = {device.id: set() for device in devices}

    def online(self, product_id: int) -> list[Receiver]:
        here = [device for device in self._devices if device.id in self._world.downlink.connected]
        return [Receiver(d.id, d.product_key, d.name) for d in here if d.product_id == product_id]

    def subscribers(self, product_id: int, topic: str) -> list[Receiver]:
        return [receiver for receiver in self.online(product_id) if topic in self.filters[receiver.device_id]]

    async def subscribe(self, device_id: int, topic_filters: Sequence[str]) -> None:
        if device_id not in self._world.downlink.connected:
            raise DeviceOfflineError
        for topic_filter in topic_filters:
            if topic_filter.endswith("nothing"):
                raise SubscriptionRefusedError(f"The device may not subscribe {topic_filter}.")
        self.filters[device_id] |= set(topic_filters)


@pytest.fixture
async def audience(world: World) -> FakeAudience:
    """Two lamps that are online, a third that is not, and a connected device of another product."""
    other = await world.add_product("Heater")
    devices = [world.device, await world.devices.register(world.product, "lamp2")]
    devices += [await world.devices.register(world.product, "lamp3"), await world.devices.register(other, "heater")]
    for position in (0, 1, 3):
        world.connect(devices[position])
    audience = FakeAudience(world, devices)
    world.services.add(
        BroadcastService(world.downlink, audience, world.products, world.clock, max_subscribers=2, limited=True)
    )
    return audience


async def broadcast(world: World, **parameters: Any) -> dict[str, Any]:
    return await world.call(
        "PubBroadcast", **{"ProductKey": world.product.product_key, "MessageContent": HELLO} | parameters
    )


async def test_all_devices_of_a_product_that_are_online_get_a_broadcast(world: World, audience: FakeAudience) -> None:
    answer = await broadcast(world, MessageContent=HELLO.rstrip("="))
    assert answer["Success"] is True
    key = world.product.product_key
    expected = [f"/sys/{key}/{name}/broadcast/request/{answer['MessageId']}" for name in ("lamp1", "lamp2")]
    assert [message.topic for message in world.downlink.sent] == expected
    assert {(m.payload, m.qos, m.needs_subscription) for m in world.downlink.sent} == {(b"hello", 0, False)}
    assert audience.filters


async def test_subscribers_of_a_topic_get_a_broadcast(world: World, audience: FakeAudience) -> None:
    topic = f"/broadcast/{world.product.product_key}/group1"
    audience.filters[world.device.id].add(topic)
    for _ in range(2):
        assert (await broadcast(world, TopicFullName=topic))["Success"] is True
    assert [(m.device_id, m.topic, m.needs_subscription) for m in world.downlink.sent] == [
        (world.device.id, topic, True)
    ] * 2


async def test_a_topic_with_too_many_subscribers_reaches_nobody(world: World, audience: FakeAudience) -> None:
    topic = f"/broadcast/{world.product.product_key}/group1"
    world.connect(await world.devices.register(world.product, "lamp4"))
    for filters in audience.filters.values():
        filters.add(topic)
    world.downlink.connected |= audience.filters.keys()
    answer = await broadcast(world, TopicFullName=topic)
    assert answer["Code"] == "iot.messagebroker.PublishMessageFailed"
    assert world.downlink.sent == []


async def test_all_devices_are_sent_to_once_a_minute(world: World, audience: FakeAudience) -> None:
    assert (await broadcast(world))["Success"] is True
    sent = len(world.downlink.sent)
    world.clock.advance(59)
    assert (await broadcast(world))["Code"] == "iot.messagebroker.RateLimit"
    assert len(world.downlink.sent) == sent
    world.clock.advance(1)
    assert (await broadcast(world))["Success"] is True
    assert audience.filters


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ProductKey": "a1Unknown00"}, "iot.prod.NotExistedProduct"),
        ({"MessageContent": ""}, "iot.messagebroker.NullMessageContent"),
        ({"MessageContent": "?"}, "iot.messagebroker.MessageContentIsNotBase64Encode"),
        (
            {"MessageContent": base64.b64encode(bytes(64 * 1024 + 1)).decode()},
            "iot.messagebroker.PublishMessageFailed",
        ),
        ({"TopicFullName": ""}, "iot.messagebroker.NullTopicName"),
        ({"TopicFullName": "/broadcast/{pk}"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"TopicFullName": "/broadcast/{pk}/"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"TopicFullName": "/broadcast/{pk}/+"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"TopicFullName": "/broadcast/a1Another00/x"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"TopicFullName": "/{pk}/lamp1/user/get"}, "iot.messagebroker.InvalidFormattedTopicName"),
    ],
)
async def test_broadcasts_that_are_refused(
    world: World, audience: FakeAudience, changes: dict[str, str], code: str
) -> None:
    changes = {name: value.replace("{pk}", world.product.product_key) for name, value in changes.items()}
    answer = await broadcast(world, **changes)
    assert (answer["Success"], answer["Code"]) == (False, code)
    assert world.downlink.sent == []
    assert audience.filters


async def test_topics_are_subscribed_on_behalf_of_a_device(world: World, audience: FakeAudience) -> None:
    key = world.product.product_key
    topics = [f"/{key}/lamp1/user/get", f"/sys/{key}/lamp1/thing/event/+/post_reply"]
    assert (await world.call("SubscribeTopic", Topic=topics))["Success"] is True
    assert audience.filters[world.device.id] == set(topics)


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("topics", "code"),
    [
        (["/{pk}/lamp2/user/get"], "iot.messagebroker.InvalidFormattedTopicName"),
        (["/{pk}/lamp1/user/get", "/{pk}/+/user/get"], "iot.messagebroker.InvalidFormattedTopicName"),
        (["/#"], "iot.messagebroker.InvalidFormattedTopicName"),
        (["user/get"], "iot.messagebroker.InvalidFormattedTopicName"),
        (["/{pk}/lamp1/user/get", "/{pk}/lamp1/user/nothing"], "iot.messagebroker.TopicTemplateIsNotFound"),
        (["/{pk}/lamp1/user/get"] * 11, "iot.common.InvalidFormattedParameter"),
        ([""], "iot.messagebroker.NullTopicName"),
    ],
)
async def test_topics_that_cannot_be_subscribed(
    world: World, audience: FakeAudience, topics: list[str], code: str
) -> None:
    topics = [topic.replace("{pk}", world.product.product_key) for topic in topics]
    assert await world.refused("SubscribeTopic", Topic=topics) == code
    assert audience.filters[world.device.id] == set()


async def test_only_devices_that_are_online_can_be_subscribed_for(world: World, audience: FakeAudience) -> None:
    key = world.product.product_key
    lamp3 = {"ProductKey": key, "DeviceName": "lamp3", "Topic": [f"/{key}/lamp3/user/get"]}
    assert await world.refused("SubscribeTopic", **lamp3) == "iot.device.InactiveDevice"
    world.disconnect()
    lamp1 = {"Topic": [f"/{key}/lamp1/user/get"]}
    assert await world.refused("SubscribeTopic", **lamp1) == "iot.messagebroker.OFFLINE"
    assert (
        await world.refused("SubscribeTopic", **lamp1, ProductKey=key, DeviceName="x") == "iot.device.NotExistedDevice"
    )
    assert not any(audience.filters.values())

"""Which topics a device may subscribe, and how many."""

import pytest

from tests.gateway.client import Client
from tests.gateway.support import PRODUCT_KEY, FakePermissions, World
from thingplane.bus import DownlinkMessage
from thingplane.gateway.topics import family_of, is_system_filter, may_subscribe
from thingplane.mqtt.packets import Publish

OWN = f"/{PRODUCT_KEY}/sensor-01"
SYS = f"/sys{OWN}/"


@pytest.mark.parametrize(
    "topic_filter",
    [
        SYS + "thing/service/property/set",
        SYS + "thing/service/#",
        SYS + "thing/event/+/post_reply",
        SYS + "#",
        SYS + "rrpc/request/+",
        f"/ext/rrpc/+{OWN}/user/get",
        f"/ext/rrpc/+/sys{OWN}/thing/service/+",
        f"/ota/device/upgrade{OWN}",
        f"/ota/device/request{OWN}",
        f"/shadow/get{OWN}",
        f"/ext/session{OWN}/combine/login_reply",
        f"/ext/ntp{OWN}/response",
        f"/ext/error{OWN}",
        "/ext/register",
        "/ext/auth/identity/response",
        "/ext/network/probe/+",
        f"/broadcast/{PRODUCT_KEY}/all",
        f"/broadcast/{PRODUCT_KEY}/#",
        OWN + "/user/get",
        OWN + "/user/all/#",
    ],
)
def test_a_device_may_subscribe_its_own_topics(topic_filter: str) -> None:
    assert may_subscribe(OWN, topic_filter, FakePermissions())


@pytest.mark.parametrize(
    "topic_filter",
    [
        "#",
        "/sys/#",
        f"/sys/{PRODUCT_KEY}/+/thing/service/property/set",
        "/sys/+/sensor-01/thing/service/property/set",
        f"/sys/{PRODUCT_KEY}/sensor-02/#",
        f"/sys/{PRODUCT_KEY}/sensor-011/#",
        f"/sys{OWN}",
        "/ext/rrpc/#",
        "/ext/rrpc/+/+/+/user/get",
        f"/ext/rrpc/+/{PRODUCT_KEY}/sensor-02/user/get",
        f"/ext/rrpc/+/sys/{PRODUCT_KEY}/+/#",
        "/ota/device/upgrade/#",
        f"/ota/device/+{OWN}x",
        f"/ota/+/upgrade{OWN}",
        f"/+/device/upgrade{OWN}",
        f"/shadow/get/{PRODUCT_KEY}/+",
        "/ext/#",
        "/ext/network/probe/#/x",
        "/ext/network/probe/a/b",
        "/broadcast/#",
        f"/broadcast/+{OWN}",
        f"/broadcast/{PRODUCT_KEY}",
        f"/broadcast/{PRODUCT_KEY}/",
        "/broadcast/a1ExampleK12/all",
        OWN + "/user/update",
        OWN + "/user/#",
        OWN + "/#",
        f"/{PRODUCT_KEY}/+/user/get",
        OWN + "/user/all/" + "x" * 128,
    ],
)
def test_a_device_may_not_subscribe_anything_else(topic_filter: str) -> None:
    assert not may_subscribe(OWN, topic_filter, FakePermissions())


def test_identities_are_found_only_as_whole_levels() -> None:
    assert family_of(OWN, f"/ota/device/inform{OWN}") == "/ota/device/inform"
    assert family_of(OWN, f"/ext/session{OWN}/combine/login") == "/ext/session/combine/login"
    assert family_of(OWN, f"/ota/device/inform{OWN}1") is None
    assert family_of(OWN, "/ota/device/inform") is None
    assert not is_system_filter(OWN, OWN + "/user/get")


async def test_refused_filters_show_in_suback(world: World) -> None:
    client = await Client.connected(world)
    codes = await client.subscribe(OWN + "/user/get", OWN + "/user/update", f"/{PRODUCT_KEY}/+/user/get", "#")
    assert codes == [1, 0x80, 0x80, 0x80]
    new = await Client.connected(world, version=5)
    assert await new.subscribe(OWN + "/user/get", OWN + "/user/update") == [1, 0x87]


async def test_permissions_that_are_not_in_memory_are_waited_for_in_order(world: World) -> None:
    client = await Client.connected(world)
    world.topics.is_cached = False
    assert await client.subscribe(OWN + "/user/get") == [1]
    assert await client.unsubscribe(OWN + "/user/get") == []
    assert await client.subscribe(OWN + "/user/update") == [0x80]


async def test_shared_filters_are_checked_without_their_group(world: World) -> None:
    client = await Client.connected(world, version=5)
    assert await client.subscribe(f"$share/g/{OWN}/user/get", f"$share/g//{PRODUCT_KEY}/sensor-02/user/get") == [
        1,
        0x87,
    ]


async def test_at_most_eight_filters_in_one_packet(world: World) -> None:
    client = await Client.connected(world)
    codes = await client.subscribe(*[f"{SYS}thing/service/s{n}" for n in range(10)])
    assert codes == [1] * 8 + [0x80] * 2


async def test_at_most_a_hundred_subscriptions(world: World) -> None:
    client = await Client.connected(world)
    codes: list[int] = []
    for n in range(13):
        codes += await client.subscribe(*[f"{SYS}thing/service/s{n}x{m}" for m in range(8)])
    assert codes == [1] * 100 + [0x80] * 4
    # Subscribing one of them again is no new one.
    assert await client.subscribe(f"{SYS}thing/service/s0x0") == [1]


async def test_a_system_message_arrives_once_whether_subscribed_or_not(world: World) -> None:
    client = await Client.connected(world)
    message = DownlinkMessage(device_id=1, topic=SYS + "thing/service/property/set", payload=b"1")
    assert await world.gateway.downlink.send(message)
    assert [item.payload for item in await client.drain() if isinstance(item, Publish)] == [b"1"]
    await client.subscribe(SYS + "thing/service/property/set", SYS + "thing/service/#")
    assert await world.gateway.downlink.send(message)
    assert [item.payload for item in await client.drain() if isinstance(item, Publish)] == [b"1"]


async def test_an_unsubscribed_system_topic_is_left_out(world: World) -> None:
    client = await Client.connected(world)
    message = DownlinkMessage(device_id=1, topic=SYS + "thing/service/reset", payload=b"1")
    await client.unsubscribe(SYS + "thing/service/+", SYS + "thing/event/+/post_reply")
    assert not await world.gateway.downlink.send(message)
    _, replies = await client.publish(SYS + "thing/event/property/post", b'{"id":"1","params":{}}')
    assert replies == []
    assert await client.subscribe(SYS + "thing/service/reset") == [1]
    assert await world.gateway.downlink.send(message)
    assert (await client.expect(Publish)).topic == message.topic

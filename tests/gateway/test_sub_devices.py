"""Sub-devices that are logged in: what they publish, subscribe and are sent over their gateway's connection."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.client import Client
from tests.gateway.conftest import StartWorld
from tests.gateway.sub_devices import (
    ERROR,
    METER,
    OTHER_METER,
    SUB_KEY,
    code,
    heard,
    logged_in,
    populate,
    signed,
    sub_topic,
)
from tests.gateway.support import PRODUCT_KEY, FakeDevice, World, until
from thingplane.alink import Uplink
from thingplane.bus import ConnectionLostError, DownlinkMessage
from thingplane.gateway.sub_device import SubDevice, sub_device_in
from thingplane.gateway.topics import family_of, identity_in
from thingplane.mqtt.packets import Puback, Publish

POST = sub_topic("thing/event/property/post")
CUSTOM = f"/{SUB_KEY}/meter-7/"
GET = f"/{SUB_KEY}/meter-7/user/get"


@pytest.fixture(autouse=True)
def fleet(world: World) -> None:
    populate(world)


def message(topic: str, payload: bytes = b"x", *, device_id: int = METER.id, qos: int = 0) -> DownlinkMessage:
    needs_subscription = not topic.startswith(("/sys/", "/ext/"))
    return DownlinkMessage(
        device_id=device_id, topic=topic, payload=payload, qos=qos, needs_subscription=needs_subscription
    )


async def test_a_post_of_a_sub_device_is_its_own(world: World) -> None:
    client = await logged_in(world)
    ack, replies = await client.publish(POST, b'{"id":"7","params":{"Temp":21.5}}')
    assert ack.reason == 0
    assert [(item.topic, item.payload) for item in replies] == [
        (
            POST + "_reply",
            b'{"code":200,"data":{},"id":"7","message":"success","method":"thing.event.property.post","version":"1.0"}',
        )
    ]
    assert [(device_id, params) for device_id, _, _, params in world.series.appended] == [(7, b'{"Temp":21.5}')]


async def test_all_families_of_topics_reach_the_handlers_of_the_sub_device(world: World) -> None:
    seen: list[tuple[int, str]] = []

    def note(uplink: Uplink) -> None:
        seen.append((uplink.device.id, uplink.topic))

    for pattern in ("/ota/device/inform", "/shadow/update", "/ext/ntp/request"):
        world.table.add(pattern, note)
    world.gateway.on_custom_message(note)
    client = await logged_in(world)
    topics = [
        f"/ota/device/inform/{SUB_KEY}/meter-7",
        f"/shadow/update/{SUB_KEY}/meter-7",
        f"/ext/ntp/{SUB_KEY}/meter-7/request",
        CUSTOM + "user/update",
    ]
    for topic in topics:
        await client.publish(topic, b"x")
    assert seen == [(7, topic) for topic in topics]


async def test_custom_topics_need_the_permission_of_the_sub_devices_product(world: World) -> None:
    world.topics.is_cached = False
    client = await logged_in(world, version=5)
    assert (await client.publish(CUSTOM + "user/update", b"x"))[0].reason == 0
    assert (await client.publish(CUSTOM + "user/get", b"x"))[0].reason == 0x87
    assert await client.subscribe(GET) == [1]
    assert await client.subscribe(CUSTOM + "user/update") == [0x87]


@pytest.mark.parametrize(
    "topic",
    [
        f"/sys/{SUB_KEY}/meter-8/thing/event/property/post",
        f"/ota/device/inform/{SUB_KEY}/meter-8",
        f"/shadow/update/{SUB_KEY}/meter-8",
        f"/ext/ntp/{SUB_KEY}/meter-8/request",
        f"/ext/rrpc/12/{SUB_KEY}/meter-8/user/get",
        f"/ext/rrpc/12/sys/{SUB_KEY}/meter-8/thing/model/down_raw",
        f"/{SUB_KEY}/meter-8/user/update",
    ],
)
async def test_without_a_session_the_gateway_learns_it(world: World, topic: str) -> None:
    client = await logged_in(world, METER, version=5)
    ack, told = await client.publish(topic, b'{"id":"7","params":{}}')
    assert ack.reason == 0x87
    data = b'{"productKey":"a1SubProd01","deviceName":"meter-8"}'
    assert [(item.topic, item.payload) for item in told] == [
        (ERROR, b'{"id":"0","code":520,"message":"device no session","data":' + data + b"}")
    ]
    assert world.series.appended == []


@pytest.mark.parametrize("topic", ["/nowhere", "/ext/error/a/b", "/broadcast/a1SubProd01/all", "/ota/x", "/sys/a/b"])
async def test_what_names_no_device_is_only_dropped(world: World, topic: str) -> None:
    client = await logged_in(world, version=5)
    ack, told = await client.publish(topic, b"x")
    assert (ack.reason, told) == (0x87, [])


async def test_answers_to_notices_about_devices_without_a_session_are_no_errors(world: World) -> None:
    client = await logged_in(world, version=5)
    for notice in ("disable", "enable", "delete"):
        ack, told = await client.publish(sub_topic(f"thing/{notice}_reply", OTHER_METER), b'{"id":"1","code":200}')
        assert (ack.reason, told) == (0, [])


async def test_a_plain_device_is_told_nothing_of_others(world: World) -> None:
    client = await Client.connected(world, "sensor-01")
    assert (await client.publish(POST, b'{"id":"7","params":{}}'))[1] == []


async def test_undefined_topics_of_a_sub_device_are_answered(world: World) -> None:
    client = await logged_in(world)
    _, [reply] = await client.publish(sub_topic("thing/unheard/of"), b'{"id":"7"}')
    assert (reply.topic, json.loads(reply.payload)["code"]) == (sub_topic("thing/unheard/of_reply"), 6203)


async def test_each_has_a_pace_of_its_own(start: StartWorld) -> None:
    world = await start(publishes_per_second=3)
    populate(world)
    client = await logged_in(world)
    world.clock.advance(1)
    client.send(*[Publish(POST, b'{"id":"1","params":{}}', 1, packet_id=n) for n in range(1, 6)])
    client.send(Publish(f"/sys/{PRODUCT_KEY}/hub-1/thing/event/property/post", b'{"id":"1","params":{}}'))
    await until(lambda: len(world.seen) == 4)
    assert [uplink.device.id for uplink in world.seen] == [7, 7, 7, 11]


# Subscriptions


async def test_subscriptions_belong_to_the_sub_device(world: World) -> None:
    client = await logged_in(world)
    assert await client.subscribe(
        sub_topic("thing/service/property/set"),
        sub_topic("thing/event/+/post_reply"),
        f"/ext/rrpc/+/{SUB_KEY}/meter-7/user/get",
        f"/shadow/get/{SUB_KEY}/meter-7",
        GET,
        f"/broadcast/{SUB_KEY}/all",
        sub_topic("thing/#", OTHER_METER),
        f"/sys/{SUB_KEY}/+/thing/#",
    ) == [1, 1, 1, 1, 1, 1, 0x80, 0x80]
    downlink = world.gateway.downlink
    assert await downlink.send(message(GET, b"custom"))
    assert await downlink.send(message(sub_topic("thing/service/property/set"), b"system"))
    # One copy each, subscribed or not.
    assert [payload for _, payload in heard(await client.drain())] == [b"custom", b"system"]
    assert await code(client, "logout", {"productKey": SUB_KEY, "deviceName": "meter-7"}) == 200
    assert not await downlink.send(message(GET))
    assert await code(client, "login", signed()) == 200
    assert not await downlink.send(message(GET))


async def test_an_unsubscribed_system_topic_of_a_sub_device_is_muted_for_it_alone(world: World) -> None:
    client = await logged_in(world, METER, OTHER_METER)
    assert await client.unsubscribe(POST + "_reply") == []
    assert (await client.publish(POST, b'{"id":"7","params":{}}'))[1] == []
    other = sub_topic("thing/event/property/post", OTHER_METER)
    assert [item.topic for item in (await client.publish(other, b'{"id":"7","params":{}}'))[1]] == [other + "_reply"]
    assert await client.subscribe(POST + "_reply") == [1]
    assert [item.topic for item in (await client.publish(POST, b'{"id":"7","params":{}}'))[1]] == [POST + "_reply"]


async def test_each_has_a_hundred_subscriptions(world: World) -> None:
    client = await logged_in(world, METER, OTHER_METER)
    for device in (METER, OTHER_METER):
        codes = [(await client.subscribe(sub_topic(f"thing/service/s{number}", device)))[0] for number in range(101)]
        assert codes == [1] * 100 + [0x80]


async def test_subscriptions_of_a_session_that_is_kept_survive_the_connection(world: World) -> None:
    client = await logged_in(world, cleanSession="false")
    assert await client.subscribe(GET) == [1]
    client.abort()
    await until(lambda: not world.gateway.downlink.online(7))
    client = await logged_in(world, cleanSession="false")
    assert await world.gateway.downlink.send(message(GET, b"still"))
    assert [payload for _, payload in heard(await client.drain())] == [b"still"]


# Messages to sub-devices


async def test_messages_take_the_gateways_connection(world: World) -> None:
    client = await logged_in(world, METER, OTHER_METER)
    for device in (METER, OTHER_METER):
        topic = sub_topic("thing/service/property/set", device)
        assert await world.gateway.downlink.send(message(topic, device_id=device.id, qos=1))
    packets = [await client.expect(Publish) for _ in range(2)]
    assert [packet.topic for packet in packets] == [
        sub_topic("thing/service/property/set", device) for device in (METER, OTHER_METER)
    ]
    assert packets[0].packet_id != packets[1].packet_id
    client.send(*[Puback(packet.packet_id or 0) for packet in packets])
    assert await client.drain() == []


async def test_a_request_is_answered_over_the_gateway_or_fails_with_its_connection(world: World) -> None:
    client = await logged_in(world)
    downlink = world.gateway.downlink
    task = asyncio.create_task(downlink.request(message(sub_topic("rrpc/request/12")), 12, 5000))
    assert (await client.expect(Publish)).topic == sub_topic("rrpc/request/12")
    client.send(Publish(sub_topic("rrpc/response/12"), b"answer"))
    assert await task == b"answer"
    task = asyncio.create_task(downlink.request(message(sub_topic("rrpc/request/13")), 13, 5000))
    await client.expect(Publish)
    client.abort()
    with pytest.raises(ConnectionLostError):
        await task


async def test_messages_wait_for_the_next_login_of_a_session_that_is_kept(world: World) -> None:
    client = await logged_in(world, cleanSession="false")
    assert await code(client, "logout", {"productKey": SUB_KEY, "deviceName": "meter-7"}) == 200
    topic = sub_topic("thing/service/property/set")
    assert await world.gateway.downlink.send(message(topic, b"kept", qos=1))
    assert not await world.gateway.downlink.send(message(topic, b"lost"))
    client.send(Publish(f"/ext/session/{PRODUCT_KEY}/hub-1/combine/login", login(clean="false")))
    packets = [await client.expect(Publish) for _ in range(2)]
    # The answer comes first.
    assert [packet.topic for packet in packets] == [
        f"/ext/session/{PRODUCT_KEY}/hub-1/combine/login_reply",
        topic,
    ]
    assert packets[1].payload == b"kept"
    client.send(Puback(packets[1].packet_id or 0))
    await client.drain()
    client.abort()
    await until(lambda: not world.gateway.downlink.online(7))
    client = await logged_in(world, cleanSession="false")
    assert await client.drain() == []


async def test_a_clean_login_drops_what_waits(world: World) -> None:
    client = await logged_in(world, cleanSession="false")
    assert await code(client, "logout", {"productKey": SUB_KEY, "deviceName": "meter-7"}) == 200
    assert await world.gateway.downlink.send(message(sub_topic("thing/service/property/set"), qos=1))
    assert await code(client, "login", signed(cleanSession="true")) == 200
    assert await client.drain() == []
    assert await code(client, "logout", {"productKey": SUB_KEY, "deviceName": "meter-7"}) == 200
    assert not await world.gateway.downlink.send(message(sub_topic("thing/service/property/set"), qos=1))


async def test_an_unacknowledged_message_comes_again_over_whichever_gateway_is_next(world: World) -> None:
    world.topology.subs[12] = {7}
    client = await logged_in(world, cleanSession="false")
    topic = sub_topic("thing/service/property/set")
    for payload in (b"one", b"two"):
        assert await world.gateway.downlink.send(message(topic, payload, qos=1))
    first = await client.expect(Publish)
    client.send(Puback(first.packet_id or 0))
    assert (await client.expect(Publish)).payload == b"two"
    await client.drain()
    other = await Client.connected(world, "hub-2")
    client.abort()
    await until(lambda: not world.gateway.downlink.online(7))
    other.send(Publish(f"/ext/session/{PRODUCT_KEY}/hub-2/combine/login", login(clean="false")))
    await other.expect(Publish)
    assert (await other.expect(Publish)).payload == b"two"


def login(*, clean: str) -> bytes:
    return json.dumps({"id": "6", "params": signed(cleanSession=clean)}).encode()


# No topic crosses the border between devices

NAMES = st.text("ab:.@-_7", min_size=1, max_size=3)
LEVELS = st.sampled_from(["sys", "ext", "ota", "device", "rrpc", "thing", "", "a", "b", "ab", "a1", "shadow", "user"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LEVELS | NAMES, max_size=9), st.sets(st.tuples(NAMES, NAMES), max_size=4))
def test_a_topic_is_given_to_nobody_it_does_not_name(levels: list[str], identities: set[tuple[str, str]]) -> None:
    topic = "/" + "/".join(levels)
    subs = {
        f"/{key}/{name}": SubDevice(None, FakeDevice(1, name, product_key=key))  # type: ignore[arg-type]
        for key, name in identities
    }
    sub = sub_device_in(subs, topic)
    assert sub is None or (topic + "/").count(sub.identity + "/")
    for found in subs.values():
        family = family_of(found.identity, topic)
        assert family is None or (topic + "/").replace(found.identity + "/", "/", 1).rstrip("/") == family.rstrip("/")
    named = identity_in(topic)
    assert named is None or (topic + "/").count(f"/{named[0]}/{named[1]}/")

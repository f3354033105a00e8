"""``POST /topic/…`` (device-protocol, 10.1)."""

import pytest

from tests.http.client import HttpWorld, guide_fields, sdk_fields
from thingplane.alink import Uplink
from thingplane.devices.service import Device
from thingplane.storage.timeseries import Kind


@pytest.fixture
async def device(world: HttpWorld) -> Device:
    return await world.real.device(await world.real.product())


@pytest.fixture
def posts(world: HttpWorld) -> list[Uplink]:
    """Property posts, which are stored."""
    seen: list[Uplink] = []

    def post(uplink: Uplink) -> None:
        seen.append(uplink)
        world.real.series.append(uplink.device.id, Kind.PROPERTY, uplink.received, uplink.params)
        uplink.reply()

    world.real.gateway._uplinks._table.add("thing/event/property/post", post)
    return seen


def post_topic(device: Device) -> str:
    return f"/sys/{device.product_key}/{device.name}/thing/event/property/post"


async def test_a_post_is_handled_like_one_over_mqtt(world: HttpWorld, device: Device, posts: list[Uplink]) -> None:
    token = await world.token(device)
    answer = await world.publish(post_topic(device), b'{"id":"1","params":{"t":1}}', token)
    message_id = answer.json["info"]["messageId"]
    assert isinstance(message_id, int)
    assert answer.body == b'{"code":0,"message":"success","info":{"messageId":%d}}' % message_id
    [uplink] = posts
    assert (uplink.device.id, uplink.params) == (device.id, b'{"t":1}')
    assert len(world.real.series.appended) == 1


async def test_it_activates_the_device_which_is_not_online(
    world: HttpWorld, device: Device, posts: list[Uplink]
) -> None:
    devices = world.real.devices
    token = await world.token(device)
    assert devices.status(device) == "UNACTIVE"
    await world.publish(post_topic(device), b"{}", token)
    assert posts
    assert devices.status(device) == "OFFLINE"
    assert device.ip == "192.0.2.7"
    await devices.flush()


async def test_custom_topics_have_the_permissions_of_mqtt(world: HttpWorld, device: Device) -> None:
    seen: list[tuple[str, str]] = []
    world.real.gateway.on_custom_message(lambda uplink: seen.append((uplink.topic, uplink.capture)))
    token = await world.token(device)
    own = f"/{device.product_key}/{device.name}/user/"
    assert (await world.publish(own + "update", b"x", token)).json["code"] == 0
    assert (await world.publish(own + "update", b"x", token, query="_sn=default&_v=1")).json["code"] == 0
    assert (await world.publish(own + "get", b"x", token)).json["code"] == 30001
    assert seen == [(own + "update", ""), (own + "update", "?_sn=default")]


async def test_a_token_publishes_for_its_own_device_only(world: HttpWorld, device: Device, posts: list[Uplink]) -> None:
    product = await world.real.products.find(device.product_key)
    assert product is not None
    other = await world.real.device(product, "lamp-2")
    token = await world.token(device)
    for topic, code in (
        (post_topic(other), 30001),
        (post_topic(device).replace("lamp-1", "LAMP-1"), 30001),
        # Dots mean nothing in topics: a topic of its own that nobody handles.
        (post_topic(device).replace("lamp-1", "lamp-1/../lamp-2"), 0),
        (f"/{device.product_key}/lamp-2/user/update", 30001),
        ("/sys/+/lamp-1/thing/event/property/post", 10001),
        (f"/sys/{device.product_key}/lamp-1\0/thing", 10001),
        ("/", 30001),
        ("/" + "x" * 2000, 10001),
    ):
        assert (await world.publish(topic, b"{}", token)).json["code"] == code, topic
    assert posts == []


async def test_tokens_end(world: HttpWorld, device: Device, posts: list[Uplink]) -> None:
    first = await world.token(device)

    async def code(token: str) -> int:
        answered: int = (await world.publish(post_topic(device), b"{}", token)).json["code"]
        return answered

    assert await code("") == 20002
    world.real.clock.advance(1)
    # A new token replaces the one before.
    second = await world.token(device)
    assert second != first
    assert (await code(first), await code(second)) == (20001, 0)
    world.real.clock.advance(48 * 3600 - 1)
    assert await code(second) == 0
    world.real.clock.advance(1)
    assert await code(second) == 20001
    third = await world.token(device)
    for broken in (third[:-1], third + "A", third[:-2] + "AA", "A" * 40, "x", "\u00e4" * 40, "=" * 40):
        assert await code(broken) == 20003
    mqtt = await world.real.devices.tokens.issue(device, "mqtt")
    assert await code(mqtt) == 20003
    await world.real.devices.disable(device)
    assert await code(third) == 20003
    await world.real.devices.enable(device)
    assert await code(third) == 0
    await world.real.devices.delete(device)
    assert await code(third) == 20003
    assert len(posts) == 3


async def test_tokens_outlive_a_restart(world: HttpWorld, device: Device, posts: list[Uplink]) -> None:
    token = await world.token(device)
    world.real.devices.tokens._issued.clear()
    assert (await world.publish(post_topic(device), b"{}", token)).json["code"] == 0
    assert posts


async def test_content_type_size_and_method(world: HttpWorld, device: Device, posts: list[Uplink]) -> None:
    token = await world.token(device)
    topic = post_topic(device)
    assert (await world.publish(topic, b"{}", token, content_type="application/json")).json["code"] == 10001
    assert (await world.publish(topic, b"x" * 131_073, token)).json["code"] == 10001
    assert posts == []
    assert (await world.publish(topic, b'{"params":{"t":"%s"}}' % (b"x" * 131_000), token)).json["code"] == 0
    assert (await world.request("/topic" + topic, b"", method="GET")).status == 405


async def test_what_could_not_be_stored_is_told(world: HttpWorld, device: Device, posts: list[Uplink]) -> None:
    token = await world.token(device)
    world.real.series.error = OSError("disk full")
    assert (await world.publish(post_topic(device), b"{}", token)).json == {"code": 10000, "message": "common error"}
    assert posts


async def test_the_guide_s_request_leads_to_the_same(world: HttpWorld, device: Device) -> None:
    fields = guide_fields(device, str(world.real.clock.now_ms()))
    assert len((await world.auth(fields)).json["info"]["token"]) <= 192
    assert len((await world.auth(sdk_fields(device))).body) <= 256

"""What subscribers get of reports and replies: topics, bodies, checkFailedData, repetitions."""

from typing import Any

import msgspec
import pytest

from tests.common.forwarding import AllTo
from tests.telemetry.test_bulk_reports import identity, post
from tests.telemetry.world import ON_ONE_DATABASE, World
from thingplane.bus import DownlinkMessage
from thingplane.forwarding.service import Forwarded, Kind

pytestmark = ON_ONE_DATABASE


async def subscribe(world: World) -> int:
    member = await world.forwarder.enroll("group", "1")
    world.forwarder.add_router(AllTo([member]))
    return member


async def heard(world: World, member: int) -> list[Forwarded]:
    """Return what was forwarded since the last time; its body is durable with what the device was told."""
    messages = await world.forwarder.read(member, -1, 100)
    world.forwarder.acknowledge(member, [message.position for message in messages])
    return messages


def body(message: Forwarded) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(message.body)
    return decoded


async def bodies(world: World, member: int) -> list[dict[str, Any]]:
    return [body(message) for message in await heard(world, member)]


async def set_level(world: World, validate_type: int) -> None:
    """Check the product's data thoroughly (0), weakly (1), or not at all (2)."""
    products = world.products
    await products._update(world.product, {"validate_type": validate_type})


def of(world: World) -> dict[str, Any]:
    """Return what all bodies about the device have."""
    return {
        "iotId": world.device.iot_id,
        "productKey": world.device.product_key,
        "deviceName": world.device.name,
        "deviceType": "CustomCategory",
        "requestId": "7",
        "gmtCreate": world.clock.now_ms(),
    }


# Properties.


async def test_a_report_leaves_with_its_values_and_times(world: World) -> None:
    member = await subscribe(world)
    now = world.clock.now_ms()
    await world.post(b'{"Temp":21.50,"Place":{"x":1,"y":2},"Battery:Volt":{"value":3,"time":%d}}' % (now - 5))
    [message] = await heard(world, member)
    assert body(message) == of(world) | {
        "items": {
            "Temp": {"value": 21.5, "time": now},
            "Place": {"value": {"x": 1, "y": 2}, "time": now},
            "Battery:Volt": {"value": 3, "time": now - 5},
        },
        "checkFailedData": {},
    }
    assert b'"value":21.50' in message.body
    prefix = f"/{world.device.product_key}/{world.device.name}"
    assert (message.kind, message.topic, message.generated) == (
        Kind.PROPERTY,
        f"{prefix}/thing/event/property/post",
        now,
    )
    assert (message.instance_id, message.product_id, message.device_id) == (1, world.product.id, world.device.id)


async def test_a_report_in_the_form_of_forwarded_ones_leaves_as_it_came(world: World) -> None:
    member = await subscribe(world)
    at = world.clock.now_ms() - 5
    items = b'{ "Temp" :{"time":%d,"value":21.50}, "Place":{"value":{"x":1,"y":2},"time":%d}}' % (at, at)
    await world.post(items)
    [message] = await heard(world, member)
    assert items in message.body
    pairs = {"Temp": {"value": 21.5, "time": at}, "Place": {"value": {"x": 1, "y": 2}, "time": at}}
    assert body(message) == {**of(world), "items": pairs, "checkFailedData": {}}


async def test_a_report_leaves_with_what_the_device_said_with_mqtt_5(world: World) -> None:
    member = await subscribe(world)
    await world.uplink("thing/event/property/post", b'{"params":{"Temp":1}}', properties={"user": [("a", "1")]})
    [message] = await heard(world, member)
    assert message.properties == {"user": [["a", "1"]]}


async def test_an_uplink_knows_the_id_under_which_it_left(world: World) -> None:
    member = await subscribe(world)
    uplink = await world.uplink("thing/event/property/post", b'{"id":5,"params":{"Temp":1}}')
    [message] = await heard(world, member)
    assert uplink.message_id == message.message_id
    assert body(message)["requestId"] == "5"
    uplink = await world.uplink("thing/event/property/post", b'{"params":{"Temp":1}}')
    assert (await bodies(world, member))[0]["requestId"] == "null"
    assert uplink.message_id > message.message_id


@pytest.mark.parametrize(
    ("validate_type", "items", "failed"),
    [
        (0, ["Temp"], []),
        (1, ["Temp"], ["Level", "Unknown"]),
        (2, ["Temp", "Level", "Unknown"], []),
    ],
)
async def test_what_the_model_refuses_leaves_as_the_product_is_checked(
    world: World, validate_type: int, items: list[str], failed: list[str]
) -> None:
    member = await subscribe(world)
    await set_level(world, validate_type)
    now = world.clock.now_ms()
    await world.post({"Temp": 1, "Level": {"value": "high", "time": now - 9}, "Unknown": {"a": 1}})
    [report] = await bodies(world, member)
    assert list(report["items"]) == items
    assert list(report["checkFailedData"]) == failed
    if failed:
        assert report["checkFailedData"] == {
            "Level": {
                "value": "high",
                "time": now - 9,
                "code": 6306,
                "message": "tsl parse: data type is not int -> Level",
            },
            "Unknown": {"value": {"a": 1}, "time": now, "code": 5092, "message": "property not found"},
        }


async def test_nothing_leaves_of_a_post_that_is_refused_as_a_whole(world: World) -> None:
    member = await subscribe(world)
    await set_level(world, 0)
    await world.post({"Level": "high"})
    await world.post({f"p{number}": 1 for number in range(201)})
    await world.post(b"[]")
    assert await heard(world, member) == []


async def test_repetitions_are_left_out_as_the_product_says(world: World) -> None:
    member = await subscribe(world)
    await world.products.set_filter(world.product, by_timestamp=False, by_value=True)
    for post_ in ({"Temp": 1, "Level": 2}, {"Temp": 1.0, "Level": 3}, {"Temp": 1}, {"Temp": 2}):
        world.clock.advance(1)
        await world.post(post_)
    assert [list(report["items"]) for report in await bodies(world, member)] == [
        ["Temp", "Level"],
        ["Level"],
        ["Temp"],
    ]
    product = await world.products.get(1, world.product.product_key)
    await world.products.set_filter(product, by_timestamp=True, by_value=True)
    await world.post({"Temp": 2})
    world.clock.advance(1)
    await world.post({"Temp": 2})
    assert len(await heard(world, member)) == 1


@pytest.mark.parametrize(
    ("validate_type", "expected"),
    [
        (0, [(["Temp"], [])]),
        (1, [(["Temp"], ["Level"]), ([], ["Level"])]),
        (2, [(["Temp", "Level"], [])]),
    ],
)
async def test_repetitions_of_what_fails_are_told_as_the_product_is_checked(
    world: World, validate_type: int, expected: list[tuple[list[str], list[str]]]
) -> None:
    member = await subscribe(world)
    await set_level(world, validate_type)
    product = await world.products.get(1, world.product.product_key)
    await world.products.set_filter(product, by_timestamp=False, by_value=True)
    for _ in range(2):
        world.clock.advance(1)
        await world.post({"Temp": 1, "Level": "high"})
    reports = await bodies(world, member)
    assert [(list(report["items"]), list(report["checkFailedData"])) for report in reports] == expected


async def test_repetitions_of_a_time_are_left_out_whatever_the_value(world: World) -> None:
    member = await subscribe(world)
    await world.products.set_filter(world.product, by_timestamp=True, by_value=False)
    for value, time in ((1, 5), (2, 5), (2, 6)):
        await world.post({"Temp": {"value": value, "time": time}})
    reports = await bodies(world, member)
    assert [report["items"]["Temp"] for report in reports] == [{"value": 1, "time": 5}, {"value": 2, "time": 6}]


async def test_repetitions_are_left_out_of_packs_and_nothing_of_batches_history_and_events(world: World) -> None:
    member = await subscribe(world)
    await world.products.set_filter(world.product, by_timestamp=False, by_value=True)
    samples = {"properties": {"Temp": [{"value": 1, "time": 1}]}}
    past = [{"identity": identity(world.device), "properties": [{"Temp": {"value": 1, "time": 1}}]}]
    for _ in range(2):
        await post(world, "pack", {"properties": {"Temp": {"value": 1}}})
        await post(world, "batch", samples)
        await post(world, "history", past)
        await world.post({"value": {"code": 5}}, event="alarm")
    assert [message.kind for message in await heard(world, member)] == [
        *(Kind.PROPERTY, Kind.PROPERTY_BATCH, Kind.PROPERTY_HISTORY, Kind.EVENT),
        *(Kind.PROPERTY_BATCH, Kind.PROPERTY_HISTORY, Kind.EVENT),
    ]


# Events.


async def test_an_event_leaves_with_its_name_and_type(world: World) -> None:
    member = await subscribe(world)
    now = world.clock.now_ms()
    await world.post({"value": {"code": 5}, "time": now - 3}, event="alarm")
    await world.post({"value": {}}, event="Battery:empty")
    alarm, empty = await heard(world, member)
    assert body(alarm) == of(world) | {
        "identifier": "alarm",
        "name": "Alarm",
        "type": "alert",
        "value": {"code": 5},
        "time": now - 3,
        "checkFailedData": {},
    }
    assert alarm.kind is Kind.EVENT
    assert alarm.topic == f"/{world.device.product_key}/{world.device.name}/thing/event/alarm/post"
    assert empty.topic == f"/{world.device.product_key}/{world.device.name}/thing/event/Battery:empty/post"
    assert (body(empty)["identifier"], body(empty)["type"]) == ("Battery:empty", "error")


@pytest.mark.parametrize(
    ("event", "output", "validate_type", "expected"),
    [
        ("alarm", {"code": "x", "note": "n"}, 0, None),
        ("alarm", {"code": "x", "note": "n"}, 1, ({"note": "n"}, 6306)),
        ("alarm", {"code": "x", "note": "n"}, 2, ({"code": "x", "note": "n"}, None)),
        ("unknown", {"a": 1}, 0, None),
        ("unknown", {"a": 1}, 1, ({}, 6320)),
        ("unknown", {"a": 1}, 2, ({"a": 1}, None)),
    ],
)
async def test_an_event_that_the_model_refuses(
    world: World, event: str, output: dict[str, Any], validate_type: int, expected: tuple[Any, int | None] | None
) -> None:
    member = await subscribe(world)
    await set_level(world, validate_type)
    await world.post({"value": output}, event=event)
    reports = await bodies(world, member)
    if expected is None:
        assert reports == []
        return
    value, code = expected
    assert reports[0]["value"] == value
    failed = reports[0]["checkFailedData"]
    assert failed == ({} if code is None else {"value": output, "code": code, "message": failed["message"]})


# Many samples at once.


async def test_a_batch_leaves_as_properties_and_events(world: World) -> None:
    member = await subscribe(world)
    await post(
        world,
        "batch",
        {
            "properties": {"Temp": [{"value": 1, "time": 1}, {"value": 2, "time": 2}], "Level": [{"value": "x"}]},
            "events": {"alarm": [{"value": {"code": 1}, "time": 3}, {"value": {"code": "x"}, "time": 4}]},
        },
    )
    properties, events = await heard(world, member)
    assert body(properties)["payload"] == {"Temp": [{"time": 1, "value": 1}, {"time": 2, "value": 2}]}
    assert list(body(properties)["checkFailedData"]) == ["Level"]
    assert body(events)["payload"] == {"alarm": [{"time": 3, "value": {"code": 1}}]}
    assert body(events)["checkFailedData"]["alarm"]["value"] == {"code": "x"}
    prefix = f"/{world.device.product_key}/{world.device.name}/thing"
    assert [(message.kind, message.topic) for message in (properties, events)] == [
        (Kind.PROPERTY_BATCH, f"{prefix}/property/batch/post"),
        (Kind.EVENT_BATCH, f"{prefix}/event/batch/post"),
    ]
    assert properties.message_id != events.message_id


async def test_history_leaves_set_by_set_and_event_by_event(world: World) -> None:
    member = await subscribe(world)
    await post(
        world,
        "history",
        [
            {
                "identity": identity(world.device),
                "properties": [
                    {"Temp": {"value": 1, "time": 1}, "Level": {"value": 5, "time": 1}},
                    {"Temp": {"value": 2, "time": 2}},
                ],
                "events": [{"alarm": {"value": {"code": 1}, "time": 3}}],
            }
        ],
    )
    one, two, alarm = await heard(world, member)
    assert body(one)["items"] == {"Temp": {"value": 1, "time": 1}, "Level": {"value": 5, "time": 1}}
    assert body(two)["items"] == {"Temp": {"value": 2, "time": 2}}
    assert (body(alarm)["identifier"], body(alarm)["time"]) == ("alarm", 3)
    prefix = f"/{world.device.product_key}/{world.device.name}/thing/event"
    assert [(message.kind, message.topic) for message in (one, two, alarm)] == [
        (Kind.PROPERTY_HISTORY, f"{prefix}/property/history/post"),
        (Kind.PROPERTY_HISTORY, f"{prefix}/property/history/post"),
        (Kind.EVENT_HISTORY, f"{prefix}/alarm/history/post"),
    ]


async def test_a_pack_leaves_as_if_each_device_had_posted_alone(world: World) -> None:
    member = await subscribe(world)
    product = await world.add_product("Gateway", node_type=1)
    gateway = await world.devices.register(product, "gateway1")
    await world.topology.add(gateway, [world.device])
    await post(
        world,
        "pack",
        {
            "properties": {"Temp": {"value": 1}},
            "events": {"alarm": {"value": {"code": 1}}},
            "subDevices": [{"identity": identity(world.device), "properties": {"Level": {"value": 7}}}],
        },
        gateway,
    )
    messages = await heard(world, member)
    assert [message.device_name for message in messages] == ["gateway1", "gateway1", "lamp1"]
    assert [message.topic.split("/", 3)[3] for message in messages] == [
        "thing/event/property/post",
        "thing/event/alarm/post",
        "thing/event/property/post",
    ]
    assert body(messages[2])["items"]["Level"]["value"] == 7


# Replies.


def asked(message: DownlinkMessage) -> str:
    request = msgspec.json.decode(message.payload)
    return str(request["id"])


async def test_the_reply_to_an_asynchronous_call_leaves_with_the_id_of_the_call(world: World) -> None:
    member = await subscribe(world)
    world.connect()
    message_id, _ = await world.messaging.invoke(world.device, "blink", '{"times":3}', 0)
    alink_id = asked(world.downlink.sent[-1])
    await world.uplink(
        "thing/service/blink_reply", msgspec.json.encode({"id": alink_id, "code": 200, "data": {"done": 3}})
    )
    [message] = await heard(world, member)
    assert message.kind is Kind.REPLY
    assert message.topic == f"/{world.device.product_key}/{world.device.name}/thing/downlink/reply/message"
    expected = {key: value for key, value in of(world).items() if key != "deviceType"}
    assert body(message) == expected | {
        "requestId": int(message_id),
        "code": 200,
        "message": "",
        "topic": f"/sys/{world.device.product_key}/{world.device.name}/thing/service/blink",
        "data": {"done": 3},
        "checkFailedData": {},
    }


@pytest.mark.parametrize("validate_type", [0, 1])
async def test_an_output_that_the_model_refuses_shows_as_failed(world: World, validate_type: int) -> None:
    member = await subscribe(world)
    await set_level(world, validate_type)
    world.connect()
    await world.messaging.invoke(world.device, "blink", '{"times":3}', 0)
    alink_id = asked(world.downlink.sent[-1])
    reply = {"id": alink_id, "code": 200, "message": "ok", "data": {"done": "x"}}
    await world.uplink("thing/service/blink_reply", msgspec.json.encode(reply))
    [report] = await bodies(world, member)
    assert (report["message"], report["data"]) == ("ok", {})
    assert report["checkFailedData"] == {
        "value": {"done": "x"},
        "code": 6306,
        "message": "tsl parse: data type is not int -> done",
    }


async def test_without_a_check_an_output_leaves_as_it_came(world: World) -> None:
    member = await subscribe(world)
    await set_level(world, 2)
    world.connect()
    await world.messaging.invoke(world.device, "blink", '{"times":"many"}', 0)
    reply = {"id": asked(world.downlink.sent[-1]), "code": 200, "data": {"done": "x"}}
    await world.uplink("thing/service/blink_reply", msgspec.json.encode(reply))
    [report] = await bodies(world, member)
    assert (report["data"], report["checkFailedData"]) == ({"done": "x"}, {})


async def test_the_platform_answers_for_a_device_that_cannot_be_reached(world: World) -> None:
    member = await subscribe(world)
    await world.messaging.set_properties_of_all(1, world.product.product_key, ["lamp1"], items='{"Level":5}', qos=0)
    [report] = await bodies(world, member)
    assert (report["code"], report["message"], report["data"]) == (9200, "device not activated", {})
    assert report["topic"].endswith("/thing/service/property/set")
    world.connect()
    world.disconnect()
    await world.messaging.set_properties_of_all(1, world.product.product_key, ["lamp1"], items='{"Level":5}', qos=0)
    assert [report["code"] for report in await bodies(world, member)] == [9201]


async def test_the_answer_to_a_synchronous_call_goes_to_its_caller_only(world: World) -> None:
    member = await subscribe(world)
    world.connect()
    world.downlink.answers.append(b'{"id":"1","code":200,"data":{"value":1}}')
    await world.messaging.invoke(world.device, "measure", '{"times":3}', 0)
    assert await heard(world, member) == []

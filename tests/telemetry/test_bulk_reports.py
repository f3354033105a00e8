"""Batch, history and pack posts."""

from typing import Any

import msgspec
import pytest

from tests.telemetry.test_property_reports import HOUR_MS, stored
from tests.telemetry.world import ON_ONE_DATABASE, World
from thingplane.devices.service import Device
from thingplane.storage.timeseries import Kind


async def post(world: World, kind: str, params: Any, device: Device | None = None) -> dict[str, Any]:
    """Post as the device and return the reply."""
    text = params if isinstance(params, bytes) else msgspec.json.encode(params)
    uplink = await world.uplink(
        f"thing/event/property/{kind}/post", b'{"id":"7","version":"1.0","params":%b}' % text, device
    )
    [(topic, reply)] = uplink.replies
    assert topic == uplink.topic + "_reply"
    answer: dict[str, Any] = msgspec.json.decode(reply)
    assert answer["method"] == f"thing.event.property.{kind}.post"
    return answer


def identity(device: Device) -> dict[str, str]:
    return {"productKey": device.product_key, "deviceName": device.name}


async def values(world: World, kind: Kind, device: Device) -> list[tuple[str, bytes]]:
    now = world.clock.now_ms()
    points = await world.series.query(device.id, kind, None, 0, now + HOUR_MS, 100, ascending=True)
    return [(point.identifier, point.value) for point in points]


async def last(world: World) -> dict[str, bytes]:
    points = await world.telemetry.last_properties(world.device.id)
    return {identifier: point.value for identifier, point in points.items()}


# Batch.


async def test_a_batch_stores_all_samples_and_shows_the_newest(world: World) -> None:
    assert await last(world) == {}
    now = world.clock.now_ms()
    reply = await post(
        world,
        "batch",
        b'{"properties":{"Temp":[{"value":21.40,"time":%d},{"value":21.5,"time":%d},3],"Level":[{"value":1,"time":%d}]},'
        b'"events":{"alarm":[{"value":{"code":1},"time":%d},{"value":{"code":2}}]}}'
        % (now - 20, now - 10, now - 20, now - 5),
    )
    assert (reply["code"], reply["data"], reply["message"]) == (200, {}, "success")
    assert await stored(world) == [
        ("Level", -20, b"1"),
        ("Temp", -20, b"21.40"),
        ("Temp", -10, b"21.5"),
        ("Temp", 0, b"3"),
    ]
    assert await stored(world, Kind.EVENT) == [("alarm", -5, b'{"code":1}'), ("alarm", 0, b'{"code":2}')]
    assert await last(world) == {"Temp": b"3", "Level": b"1"}


async def test_samples_of_a_batch_that_the_model_refuses_are_left_out_and_named(world: World) -> None:
    reply = await post(
        world,
        "batch",
        {
            "properties": {"Level": ["high", 5], "Unknown": [1]},
            "events": {"alarm": [{"value": {"code": "x", "note": "n"}}], "nothing": [{"value": {}}]},
        },
    )
    assert reply["code"] == 200
    assert sorted(reply["data"]) == ["Level", "Unknown", "alarm.code", "nothing"]
    assert await stored(world) == [("Level", 0, b"5")]
    assert await stored(world, Kind.EVENT) == [("alarm", 0, b'{"note":"n"}')]
    assert sorted(await stored(world, Kind.PROPERTY_UNVERIFIED)) == [("Level", 0, b'"high"'), ("Unknown", 0, b"1")]
    assert await stored(world, Kind.EVENT_UNVERIFIED) == [
        ("alarm", 0, b'{"code":"x","note":"n"}'),
        ("nothing", 0, b"{}"),
    ]


async def test_an_empty_batch_is_a_success(world: World) -> None:
    assert (await post(world, "batch", {}))["code"] == 200
    assert await stored(world) == []


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("params", "code"),
    [
        ([1], 460),
        ({"properties": []}, 460),
        ({"properties": {"Level": 1}}, 460),
        ({"properties": {"Level": {"value": 1}}}, 460),
        ({"events": {"alarm": [1]}}, 460),
        (b'{"properties":{"Label":["\xff"]}}', 460),
        (b'{"properties":{"Level":[%b]}}' % (b"[" * 5000 + b"]" * 5000), 6207),
        ({"properties": {f"p{number}": [1] for number in range(201)}}, 6106),
        ({"events": {"started": [{"value": {}}] * 201}}, 6356),
    ],
)
async def test_a_batch_with_mistakes_stores_nothing(world: World, params: Any, code: int) -> None:
    assert (await post(world, "batch", params))["code"] == code
    assert await stored(world) == []
    assert await stored(world, Kind.PROPERTY_UNVERIFIED) == []


async def test_a_batch_of_a_product_that_is_gone_is_refused(world: World) -> None:
    product = await world.add_product("Doomed")
    device = await world.devices.register(product, "doomed1")
    gone = msgspec.structs.replace(device, product_id=999_999)
    assert (await post(world, "batch", {"properties": {"Level": [1]}}, gone))["code"] == 6250


# History.


async def test_history_is_found_by_time_but_leaves_the_latest_values_alone(world: World) -> None:
    await world.post({"Level": 9})
    world.clock.advance(60)
    now = world.clock.now_ms()
    reply = await post(
        world,
        "history",
        [
            {
                "identity": identity(world.device),
                "properties": [
                    {"Level": {"value": 1, "time": now - 10}, "Label": {"value": "a", "time": now - 10}},
                    {"Level": {"value": 2, "time": now - 5}},
                ],
                "events": [{"alarm": {"value": {"code": 1}, "time": now - 7}}],
            },
            {"properties": [{"Level": {"value": 3, "time": now - 4}}]},
        ],
    )
    assert (reply["code"], reply["data"]) == (200, {})
    assert await stored(world, Kind.PROPERTY_HISTORY) == [
        ("Label", -10, b'"a"'),
        ("Level", -10, b"1"),
        ("Level", -5, b"2"),
        ("Level", -4, b"3"),
    ]
    assert await stored(world, Kind.EVENT_HISTORY) == [("alarm", -7, b'{"code":1}')]
    assert await last(world) == {"Level": b"9"}
    answer = await world.call(
        "QueryDevicePropertyData", Identifier="Level", Asc=1, PageSize=10, StartTime=now - HOUR_MS, EndTime=now
    )
    assert [info["Value"] for info in answer["Data"]["List"]["PropertyInfo"]] == ["9", "1", "2", "3"]


async def test_history_that_the_model_refuses_is_left_out_and_named(world: World) -> None:
    reply = await post(world, "history", [{"properties": [{"Level": "high"}, {"Level": 4}], "events": [{"x": {}}]}])
    assert sorted(reply["data"]) == ["Level", "x"]
    assert await stored(world, Kind.PROPERTY_HISTORY) == [("Level", 0, b"4")]


@ON_ONE_DATABASE
async def test_a_device_posts_no_history_of_others(world: World) -> None:
    other = await world.devices.register(world.product, "lamp2")
    own = {"properties": [{"Level": 1}]}
    params = [own, own | {"identity": identity(other)}]
    assert (await post(world, "history", params))["code"] == 6401
    params = [own, own | {"identity": identity(other) | {"deviceName": "nobody"}}]
    assert (await post(world, "history", params))["code"] == 6100
    assert (await post(world, "history", {"properties": []}))["code"] == 460
    for kind in (Kind.PROPERTY, Kind.PROPERTY_HISTORY):
        assert await stored(world, kind) == []


async def test_a_gateway_posts_the_history_of_its_sub_devices(world: World) -> None:
    gateway = await add_gateway(world, world.device)
    params = [{"identity": identity(world.device), "properties": [{"Level": 1}], "events": [{"started": {}}]}]
    assert (await post(world, "history", params, gateway))["code"] == 200
    assert await values(world, Kind.PROPERTY_HISTORY, world.device) == [("Level", b"1")]
    assert await values(world, Kind.EVENT_HISTORY, world.device) == [("started", b"{}")]


# Pack.


async def add_gateway(world: World, *sub_devices: Device) -> Device:
    product = await world.add_product("Hub", node_type=1)
    gateway = await world.devices.register(product, "hub1")
    await world.topology.add(gateway, sub_devices)
    return gateway


async def test_a_gateway_posts_for_itself_and_its_sub_devices(world: World) -> None:
    other = await world.devices.register(world.product, "lamp2")
    gateway = await add_gateway(world, world.device, other)
    now = world.clock.now_ms()
    reply = await post(
        world,
        "pack",
        {
            "properties": {"Level": {"value": 1, "time": now - 3}, "On": 1},
            "events": {"alarm": {"value": {"code": 1}, "time": now - 3}},
            "subDevices": [
                {"identity": identity(world.device), "properties": {"Level": {"value": 2}}},
                {"identity": identity(other), "events": {"started": {"value": {}}}},
            ],
        },
        gateway,
    )
    assert (reply["code"], reply["data"]) == (200, {})
    assert await values(world, Kind.PROPERTY, gateway) == [("Level", b"1"), ("On", b"1")]
    assert await values(world, Kind.EVENT, gateway) == [("alarm", b'{"code":1}')]
    assert await values(world, Kind.PROPERTY, world.device) == [("Level", b"2")]
    assert await values(world, Kind.EVENT, other) == [("started", b"{}")]
    assert await last(world) == {"Level": b"2"}


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"properties": {"Level": {"value": "high"}}}, 6306),
        ({"properties": {"Unknown": {"value": 1}}}, 5092),
        ({"events": {"nothing": {"value": {}}}}, 6320),
        ({"events": {"alarm": {"value": {"more": 1}}}}, 6304),
        ({"properties": {f"p{number}": 1 for number in range(201)}}, 6106),
        ({"events": {f"e{number}": {} for number in range(21)}}, 6356),
    ],
)
async def test_whatever_fails_in_a_pack_fails_all_of_it(world: World, part: dict[str, Any], code: int) -> None:
    gateway = await add_gateway(world, world.device)
    valid = {"properties": {"Level": {"value": 1}}}
    bad_sub_device = valid | {"subDevices": [{"identity": identity(world.device)} | part]}
    bad_gateway = part | {"subDevices": [{"identity": identity(world.device)} | valid]}
    for params in (bad_sub_device, bad_gateway):
        assert (await post(world, "pack", params, gateway))["code"] == code
    for device in (gateway, world.device):
        for kind in (Kind.PROPERTY, Kind.EVENT, Kind.PROPERTY_UNVERIFIED, Kind.EVENT_UNVERIFIED):
            assert await values(world, kind, device) == []


@ON_ONE_DATABASE
async def test_a_pack_for_devices_that_are_not_the_gateway_s_fails(world: World) -> None:
    other = await world.devices.register(world.product, "lamp2")
    gateway = await add_gateway(world, world.device)
    valid = {"properties": {"Level": {"value": 1}}}

    async def code(*identities: Any) -> int:
        parts = [{"identity": item} | valid for item in identities]
        reply: dict[str, Any] = await post(world, "pack", valid | {"subDevices": parts}, gateway)
        answered: int = reply["code"]
        return answered

    assert await code(identity(world.device), identity(other)) == 6401
    assert await code(identity(world.device) | {"deviceName": "nobody"}) == 6100
    assert await code(*[identity(world.device)] * 21) == 6357
    assert await code(None) == 460
    assert (await post(world, "pack", {"subDevices": [1]}, gateway))["code"] == 460
    assert await values(world, Kind.PROPERTY, gateway) == []


async def test_a_device_that_is_no_gateway_posts_a_pack_of_its_own(world: World) -> None:
    assert (await post(world, "pack", {"properties": {"Level": 1}}))["code"] == 200
    assert await stored(world) == [("Level", 0, b"1")]

import asyncio

import msgspec
import pytest

from tests.telemetry.world import MODEL, ON_ONE_DATABASE, World
from thingplane.alink import Uplink
from thingplane.storage.timeseries import Kind
from thingplane.things.model.types import ThingModel
from thingplane.things.service import ThingModelPublished

HOUR_MS = 3_600_000


async def stored(world: World, kind: Kind = Kind.PROPERTY) -> list[tuple[str, int, bytes]]:
    """What the device's history holds, relative to now."""
    now = world.clock.now_ms()
    points = await world.series.query(
        world.device.id, kind, None, now - 100 * HOUR_MS, now + 100 * HOUR_MS, 1000, ascending=True
    )
    return [(point.identifier, point.time - now, point.value) for point in points]


def report(world: World) -> Uplink:
    """One report that was read but not handled."""
    uplink = Uplink(world.device, "/sys/pk/dn/thing/event/property/post", "", b"", world.clock.now_ms())
    uplink.params = b'{"Level":1}'
    return uplink


async def test_valid_properties_are_stored_as_they_came(world: World) -> None:
    reply = await world.post(b'{"Temp":21.50, "Place":{"x":1, "y":2}}')
    assert reply == {
        "code": 200,
        "data": {},
        "id": "7",
        "message": "success",
        "method": "thing.event.property.post",
        "version": "1.0",
    }
    assert sorted(await stored(world)) == [("Place", 0, b'{"x":1, "y":2}'), ("Temp", 0, b"21.50")]


async def test_values_with_their_own_time_are_stored_at_that_time(world: World) -> None:
    now = world.clock.now_ms()
    await world.post({"Temp": {"value": 20.5, "time": now - 5000}, "Level": {"value": 3}})
    assert await stored(world) == [("Temp", -5000, b"20.5"), ("Level", 0, b"3")]


async def test_invalid_properties_are_left_out_and_named_in_the_reply(world: World) -> None:
    reply = await world.post(b'{"Level":"high","Unknown":1,"Temp":{"value":20.50,"time":1690000000000},"Label":"a"}')
    assert reply["code"] == 200
    assert reply["data"] == {
        "Level": "tsl parse: data type is not int -> Level",
        "Unknown": "property not found",
    }
    now = world.clock.now_ms()
    points = await world.series.query(world.device.id, Kind.PROPERTY, None, 0, now, 10, ascending=True)
    assert [(point.identifier, point.value) for point in points] == [("Temp", b"20.50"), ("Label", b'"a"')]


async def test_a_post_without_any_valid_property_is_acknowledged_and_stores_nothing(world: World) -> None:
    reply = await world.post({"Unknown": 1})
    assert (reply["code"], list(reply["data"])) == (200, ["Unknown"])
    assert await stored(world) == []


async def test_a_time_more_than_a_day_ahead_is_refused(world: World) -> None:
    reply = await world.post({"Level": {"value": 1, "time": world.clock.now_ms() + 24 * HOUR_MS + 1}})
    assert list(reply["data"]) == ["Level"]
    assert await stored(world) == []


async def test_extra_members_of_a_value_time_pair_are_not_part_of_the_value(world: World) -> None:
    reply = await world.post({"Level": {"value": 1, "time": world.clock.now_ms() - 1, "unit": "%"}, "On": 1})
    assert reply["data"] == {}
    assert await stored(world) == [("Level", -1, b"1"), ("On", 0, b"1")]


@ON_ONE_DATABASE
@pytest.mark.parametrize("params", [b"[]", b"[1]", b'"[]"'])
async def test_params_that_are_no_object_are_refused_with_460(world: World, params: bytes) -> None:
    assert (await world.post(params))["code"] == 460
    assert await stored(world) == []


@ON_ONE_DATABASE
async def test_params_nested_too_deeply_are_refused_with_460(world: World) -> None:
    await world.models.published(world.product.id)
    uplink = report(world)
    uplink.params = b'{"Level":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert world.telemetry.reports.property_post(uplink) is None
    [(_, reply)] = uplink.replies
    assert reply.startswith(b'{"code":460,')


async def test_more_than_200_properties_are_refused_with_6106(world: World) -> None:
    reply = await world.post({f"p{number}": number for number in range(201)})
    assert (reply["code"], reply["message"]) == (6106, "map size must less than 200")
    reply = await world.post({f"p{number}": number for number in range(200)})
    assert reply["code"] == 200


async def test_invalid_utf8_is_refused(world: World) -> None:
    reply = await world.post(b'{"Label":"\xff"}')
    assert reply["code"] != 200
    assert await stored(world) == []


async def test_no_reply_is_sent_when_the_device_wants_none(world: World) -> None:
    uplink = await world.uplink("thing/event/property/post", b'{"id":"1","sys":{"ack":0},"params":{"Level":5}}')
    assert uplink.replies == []
    assert await stored(world) == [("Level", 0, b"5")]


async def test_without_data_check_everything_is_acknowledged_and_nothing_stored(world: World) -> None:
    product = await world.add_product("Free", validate_type=2)
    device = await world.devices.register(product, "free1")
    assert (await world.post({"anything": [1]}, device))["data"] == {}
    assert (await world.post({"value": {"a": 1}}, device, "whatever"))["data"] == {}
    now = world.clock.now_ms()
    for kind in (Kind.PROPERTY, Kind.EVENT):
        assert await world.series.query(device.id, kind, None, 0, now, 10, ascending=True) == []


async def test_properties_of_custom_modules_carry_the_name_of_the_module(world: World) -> None:
    reply = await world.post({"Battery:Volt": 12, "Volt": 12})
    assert list(reply["data"]) == ["Volt"]
    assert await stored(world) == [("Battery:Volt", 0, b"12")]


async def test_reports_follow_a_newly_published_model(world: World) -> None:
    assert (await world.post({"Level": 1}))["data"] == {}
    await world.publish(world.product, ThingModel(properties=MODEL.properties[:1]))
    assert list((await world.post({"Level": 1}))["data"]) == ["Level"]


@ON_ONE_DATABASE
async def test_many_devices_load_a_model_once(world: World) -> None:
    world.bus.publish(ThingModelPublished(world.product.id, world.product.product_key))
    loads = 0
    published = world.models.published

    async def counted(product_id: int) -> object:
        nonlocal loads
        loads += 1
        return await published(product_id)

    world.models.published = counted  # type: ignore[method-assign,assignment]
    first, second = (world.telemetry.reports.property_post(report(world)) for _ in range(2))
    assert first is not None
    assert second is not None
    await asyncio.gather(first, second)
    assert loads == 1
    assert len(await stored(world)) == 0
    await world.commits.durable()
    assert len(await stored(world)) == 2


async def test_a_report_for_a_product_that_is_gone_is_refused(world: World) -> None:
    product = await world.add_product("Doomed")
    device = await world.devices.register(product, "doomed1")
    gone = msgspec.structs.replace(device, product_id=999_999)
    assert (await world.post({"Level": 1}, gone))["code"] == 6250

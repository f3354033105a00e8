from tests.telemetry.test_property_reports import HOUR_MS, stored
from tests.telemetry.world import World
from thingplane.storage.timeseries import Kind


async def test_an_event_is_stored_with_its_output_and_time(world: World) -> None:
    now = world.clock.now_ms()
    reply = await world.post(b'{"value":{"code": 3,"note":"x"},"time":%d}' % (now - 10), event="alarm")
    assert (reply["code"], reply["data"], reply["method"]) == (200, {}, "thing.event.alarm.post")
    assert await stored(world, Kind.EVENT) == [("alarm", -10, b'{"code": 3,"note":"x"}')]


async def test_an_output_sent_without_wrapping_is_understood(world: World) -> None:
    assert (await world.post(b'{"code":3}', event="alarm"))["code"] == 200
    assert await stored(world, Kind.EVENT) == [("alarm", 0, b'{"code":3}')]


async def test_an_event_without_output_is_stored(world: World) -> None:
    assert (await world.post({"value": {}}, event="started"))["code"] == 200
    assert (await world.post({}, event="started"))["code"] == 200
    assert await stored(world, Kind.EVENT) == [("started", 0, b"{}"), ("started", 0, b"{}")]


async def test_invalid_parameters_are_left_out_under_the_weak_check(world: World) -> None:
    reply = await world.post({"value": {"code": "x", "note": "n", "more": 1}}, event="alarm")
    assert reply["code"] == 200
    assert sorted(reply["data"]) == ["code", "more"]
    assert await stored(world, Kind.EVENT) == [("alarm", 0, b'{"note":"n"}')]


async def test_an_event_without_any_valid_parameter_is_not_stored(world: World) -> None:
    assert list((await world.post({"value": {"code": "x"}}, event="alarm"))["data"]) == ["code"]
    assert await stored(world, Kind.EVENT) == []


async def test_an_invalid_event_is_refused_under_the_strong_check(world: World) -> None:
    product = await world.add_product("Strict", validate_type=0)
    device = await world.devices.register(product, "strict1")
    reply = await world.post({"value": {"code": 3, "more": 1}}, device, "alarm")
    assert (reply["code"], reply["message"]) == (6304, "tsl parse: params not exist -> more")
    now = world.clock.now_ms()
    assert await world.series.query(device.id, Kind.EVENT, None, 0, now, 10, ascending=True) == []


async def test_an_unknown_event_is_refused(world: World) -> None:
    assert (await world.post({"value": {}}, event="nothing"))["code"] == 6320
    assert await stored(world, Kind.EVENT) == []


async def test_an_event_time_must_be_a_number_at_most_a_day_ahead(world: World) -> None:
    too_late = world.clock.now_ms() + 24 * HOUR_MS + 1
    assert (await world.post({"value": {}, "time": too_late}, event="started"))["code"] == 6326
    assert (await world.post({"value": {}, "time": "now"}, event="started"))["code"] == 6326
    assert await stored(world, Kind.EVENT) == []


async def test_params_that_are_no_object_are_refused(world: World) -> None:
    assert (await world.post(b"[]", event="alarm"))["code"] == 460


async def test_events_of_custom_modules_are_named_with_their_module(world: World) -> None:
    assert (await world.post({"value": {}}, event="Battery:empty"))["code"] == 200
    assert await stored(world, Kind.EVENT) == [("Battery:empty", 0, b"{}")]

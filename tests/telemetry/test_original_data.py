"""Queries of original data: what devices sent, verified or not."""

from typing import Any

import msgspec
import pytest

from tests.common.xml import call_xml
from tests.telemetry.test_history_operations import DAY_MS, post_levels, span
from tests.telemetry.world import ON_ONE_DATABASE, World
from thingplane.devices.service import Device
from thingplane.storage.timeseries import Kind

QUERY = {"Asc": 1, "PageSize": 10}


async def unchecked(world: World) -> Device:
    """Add a device whose data is not checked."""
    product = await world.add_product("Free", validate_type=2)
    return await world.devices.register(product, "free1")


async def pages(world: World, action: str, name: str, **parameters: Any) -> list[Any]:
    """Follow the tokens, and return the entries of each page."""
    token = "nextPageToken" if action == "QueryDeviceOriginalPropertyData" else "NextPageToken"
    found = []
    while True:
        data = (await world.call(action, **parameters))["Data"]
        [(key, entries)] = data["List"].items()
        assert key == name
        found.append(entries)
        assert data["NextValid"] is (token in data)
        if not data["NextValid"]:
            return found
        parameters["NextPageToken"] = data[token]


@pytest.mark.parametrize(("order", "expected"), [(1, [["0", "high"], ["2"]]), (0, [["2", "high"], ["0"]])])
async def test_values_that_the_model_refused_are_among_the_others(
    world: World, order: int, expected: list[list[str]]
) -> None:
    for level in (0, "high", 2):
        await world.post({"Level": level})
        world.clock.advance(1)
    found = await pages(
        world,
        "QueryDeviceOriginalPropertyData",
        "PropertyInfo",
        Identifier="Level",
        Asc=order,
        PageSize=2,
        **span(world),
    )
    assert [[entry["Value"] for entry in page] for page in found] == expected
    answer = await world.call("QueryDevicePropertyData", Identifier="Level", **QUERY, **span(world))
    assert [info["Value"] for info in answer["Data"]["List"]["PropertyInfo"]] == ["0", "2"]


async def test_values_of_one_millisecond_are_on_one_page(world: World) -> None:
    for level in (1, "x", 2, "y"):
        await world.post({"Level": level})
    world.clock.advance(1)
    await world.post({"Level": 3})
    found = await pages(
        world,
        "QueryDeviceOriginalPropertyData",
        "PropertyInfo",
        Identifier="Level",
        Asc=1,
        PageSize=2,
        **span(world),
    )
    assert [sorted(entry["Value"] for entry in page) for page in found] == [["1", "2", "x", "y"], ["3"]]


async def test_data_without_check_is_found_under_the_names_of_the_device(world: World) -> None:
    device = await unchecked(world)
    now = world.clock.now_ms()
    await world.post(b'{"any thing":[1, 2],"t":{"value":20.50,"time":%d},"o":{"x":{"value":1}}}' % (now - 5), device)
    for identifier, time, value in (
        ("any thing", now, "[1, 2]"),
        ("t", now - 5, "20.50"),
        ("o", now, '{"x":{"value":1}}'),
    ):
        answer = await world.call(
            "QueryDeviceOriginalPropertyData", IotId=device.iot_id, Identifier=identifier, **QUERY, **span(world)
        )
        assert answer["Data"] == {
            "List": {"PropertyInfo": [{"Time": str(time), "Value": value}]},
            "NextValid": False,
        }


async def test_impossible_times_and_names_of_unchecked_data_do_no_harm(world: World) -> None:
    device = await unchecked(world)
    now = world.clock.now_ms()
    names = {"": 1, "a\0b": 1, "x" * 129: 1}
    times = {name: {"value": 1, "time": time} for name, time in (("a", now + 2 * DAY_MS), ("b", -1), ("c", "now"))}
    assert (await world.post(names | times, device))["code"] == 200
    points = await world.series.query(device.id, Kind.PROPERTY_UNVERIFIED, None, 0, 10**13, 100, ascending=True)
    assert [(point.identifier, point.time) for point in points] == [("a", now), ("b", now), ("c", now)]
    assert (await world.post({"value": {}, "time": now + 2 * DAY_MS}, device, "x" * 129))["code"] == 200
    assert (await world.post({"value": {}, "time": now + 2 * DAY_MS}, device, "e"))["code"] == 200
    points = await world.series.query(device.id, Kind.EVENT_UNVERIFIED, None, 0, 10**13, 100, ascending=True)
    assert [(point.identifier, point.time) for point in points] == [("e", now)]


async def test_status_shows_the_last_value_of_everything_that_was_sent(world: World) -> None:
    first = world.clock.now_ms()
    await world.post({"Level": 1, "Label": "a", "strange": [1]})
    world.clock.advance(1)
    await world.post({"Level": "high", "Temp": 2.5})
    world.clock.advance(1)
    await world.post({"Label": "b"})
    data = (await world.call("QueryDeviceOriginalPropertyStatus", Asc=0, PageSize=10))["Data"]
    assert data == {
        "List": {
            "PropertyStatusDataInfo": [
                {"Identifier": "Label", "Time": first + 2000, "Value": "b"},
                {"Identifier": "Temp", "Time": first + 1000, "Value": "2.5"},
                {"Identifier": "Level", "Time": first + 1000, "Value": "high"},
                {"Identifier": "strange", "Time": first, "Value": "[1]"},
            ]
        },
        "NextValid": False,
    }
    for order, names in ((1, ["strange", "Level", "Temp", "Label"]), (0, ["Label", "Temp", "Level", "strange"])):
        found = await pages(world, "QueryDeviceOriginalPropertyStatus", "PropertyStatusDataInfo", Asc=order, PageSize=3)
        assert [[entry["Identifier"] for entry in page] for page in found] == [names[:3], names[3:]]


async def test_status_of_a_device_that_sent_nothing_is_empty(world: World) -> None:
    data = (await world.call("QueryDeviceOriginalPropertyStatus", Asc=0, PageSize=1))["Data"]
    assert data == {"List": {"PropertyStatusDataInfo": []}, "NextValid": False}


async def test_events_of_which_the_model_refused_a_part_are_shown_as_they_came(world: World) -> None:
    outputs: list[dict[str, object]] = [{"code": 1}, {"code": 1, "note": 5}, {"code": 1, "note": "x"}, {"note": 6}]
    for output in outputs:
        await world.post({"value": output}, event="alarm")
    batch = msgspec.json.encode({"params": {"events": {"alarm": [{"value": {"code": 2, "more": 7}}]}}})
    await world.uplink("thing/event/property/batch/post", batch)

    async def shown(action: str) -> list[object]:
        data = (await world.call(action, Identifier="alarm", **QUERY, **span(world)))["Data"]
        return [msgspec.json.decode(info["OutputData"]) for info in data["List"]["EventInfo"]]

    assert await shown("QueryDeviceEventData") == [{"code": 1}, {"code": 1}, {"code": 1, "note": "x"}, {"code": 2}]
    found = await shown("QueryDeviceOriginalEventData")
    assert sorted(map(str, found)) == sorted(map(str, [*outputs, {"code": 2, "more": 7}]))


async def test_events_that_the_model_refused_are_among_the_others(world: World) -> None:
    now = world.clock.now_ms()
    await world.post({"value": {"code": 1}, "time": now - 2}, event="alarm")
    await world.post({"value": {"code": "x"}, "time": now - 1}, event="alarm")
    await world.post({"value": {"code": 3}}, event="alarm")
    found = await pages(
        world, "QueryDeviceOriginalEventData", "EventInfo", Identifier="alarm", Asc=1, PageSize=2, **span(world)
    )
    known = {"Identifier": "alarm", "Name": "Alarm", "EventType": "alert"}
    assert found == [
        [
            known | {"Time": str(now - 2), "OutputData": '{"code":1}'},
            known | {"Time": str(now - 1), "OutputData": '{"code":"x"}'},
        ],
        [known | {"Time": str(now), "OutputData": '{"code":3}'}],
    ]


async def test_events_that_the_model_does_not_have_are_found(world: World) -> None:
    now = world.clock.now_ms()
    await world.post({"value": {"a": 1}}, event="burst")
    device = await unchecked(world)
    await world.post({"value": {"a": 1}}, device, "burst")
    for iot_id in (world.device.iot_id, device.iot_id):
        answer = await world.call(
            "QueryDeviceOriginalEventData", IotId=iot_id, Identifier="burst", **QUERY, **span(world)
        )
        assert answer["Data"]["List"]["EventInfo"] == [
            {"Time": str(now), "Identifier": "burst", "OutputData": '{"a":1}'}
        ]


async def test_service_calls_are_found_with_their_replies(world: World) -> None:
    world.connect()
    now = world.clock.now_ms()
    for times in (1, 2, 3):
        await world.call("InvokeThingService", Identifier="blink", Args=f'{{"times":{times}}}')
        world.clock.advance(1)
    await world.call("SetDeviceProperty", Items='{"Level":5}')
    found = await pages(
        world, "QueryDeviceOriginalServiceData", "ServiceInfo", Identifier="blink", Asc=0, PageSize=2, **span(world)
    )
    assert [[entry["InputData"] for entry in page] for page in found] == [
        ['{"times":3}', '{"times":2}'],
        ['{"times":1}'],
    ]
    assert found[1][0] == {"Time": str(now), "Identifier": "blink", "InputData": '{"times":1}', "Name": "Blink"}
    answer = await world.call("QueryDeviceOriginalServiceData", Identifier="set", **QUERY, **span(world))
    [entry] = answer["Data"]["List"]["ServiceInfo"]
    assert (entry["Name"], entry["InputData"]) == ("set", '{"Level":5}')


async def test_answers_in_xml(world: World) -> None:
    await post_levels(world, 1, 2)
    device = {"IotId": world.device.iot_id, "Asc": 1, "PageSize": 1}
    root = await call_xml(world.api, "QueryDeviceOriginalPropertyData", Identifier="Level", **device, **span(world))
    assert root.findtext("Data/List/PropertyInfo/Value") == "1"
    assert root.findtext("Data/nextPageToken")
    root = await call_xml(world.api, "QueryDeviceOriginalPropertyStatus", **device)
    assert root.findtext("Data/List/PropertyStatusDataInfo/Value")


@ON_ONE_DATABASE
@pytest.mark.parametrize("token", ["x", "????", "e30", "W10", "WzEsMl0", "AAAA", "é"])
async def test_what_is_no_token_is_refused(world: World, token: str) -> None:
    for action, more in (
        ("QueryDeviceOriginalPropertyData", {"Identifier": "Level", **span(world)}),
        ("QueryDeviceOriginalEventData", {"Identifier": "alarm", **span(world)}),
        ("QueryDeviceOriginalServiceData", {"Identifier": "blink", **span(world)}),
        ("QueryDeviceOriginalPropertyStatus", {}),
    ):
        code = await world.refused(action, NextPageToken=token, **QUERY, **more)
        assert code == "iot.device.PageTokenIsIllegal"


@ON_ONE_DATABASE
async def test_a_token_of_another_list_is_refused(world: World) -> None:
    await post_levels(world, 1, 2)
    parameters: dict[str, Any] = {"Identifier": "Level", "Asc": 1, "PageSize": 1, **span(world)}
    token = (await world.call("QueryDeviceOriginalPropertyData", **parameters))["Data"]["nextPageToken"]
    parameters["NextPageToken"] = token
    other = await world.devices.register(world.product, "lamp2")
    for changes in ({"Identifier": "Label"}, {"Asc": 0}, {"IotId": other.iot_id}):
        code = await world.refused("QueryDeviceOriginalPropertyData", **(parameters | changes))
        assert code == "iot.device.PageTokenIsIllegal"


@ON_ONE_DATABASE
@pytest.mark.parametrize("action", ["Property", "Event", "Service"])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Asc": 2}, "iot.common.InvalidFormattedParameter"),
        ({"PageSize": 0}, "iot.common.InvalidPageParams"),
        ({"PageSize": 101}, "iot.common.InvalidPageParams"),
        ({"StartTime": -1}, "iot.device.InvalidTimeBucket"),
        ({"EndTime": 10**13}, "iot.device.InvalidTimeBucket"),
        ({"StartTime": 2000, "EndTime": 1999}, "iot.check.ParameterIsNotLessThanMax"),
        ({"DeviceName": "nobody"}, "iot.device.NotExistedDevice"),
        ({"IotId": "?"}, "iot.device.InvalidIoTId"),
    ],
)
async def test_bad_parameters_are_refused(world: World, action: str, changes: dict[str, Any], code: str) -> None:
    parameters: dict[str, Any] = {"ProductKey": world.product.product_key, "DeviceName": world.device.name}
    parameters |= {"Identifier": "Level", **QUERY, **span(world)}
    assert await world.refused(f"QueryDeviceOriginal{action}Data", **(parameters | changes)) == code


@ON_ONE_DATABASE
async def test_identifiers_and_sizes_have_their_own_limits(world: World) -> None:
    async def refused(action: str, **changes: Any) -> str:
        return await world.refused(action, **({"Identifier": "Level", **QUERY, **span(world)} | changes))

    for identifier in ("", "x" * 129):
        code = await refused("QueryDeviceOriginalPropertyData", Identifier=identifier)
        assert code == "iot.tsl.InvalidIdentifierInPropertyError"
    assert await refused("QueryDeviceOriginalEventData", Identifier="") == "iot.common.InvalidFormattedParameter"
    for action in ("QueryDeviceOriginalEventData", "QueryDeviceOriginalServiceData"):
        assert await refused(action, PageSize=51) == "iot.common.InvalidPageParams"
    code = await world.refused("QueryDeviceOriginalPropertyStatus", Asc=1, PageSize=51)
    assert code == "iot.common.InvalidPageParams"
    answer = await world.call(
        "QueryDeviceOriginalPropertyData", **({"Identifier": "Level", **QUERY, **span(world)} | {"PageSize": 100})
    )
    assert answer["Success"] is True

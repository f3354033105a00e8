import pytest

from tests.common.api import OTHER_INSTANCE
from tests.telemetry.world import ON_ONE_DATABASE, World

DAY_MS = 86_400_000


def span(world: World) -> dict[str, int]:
    now = world.clock.now_ms()
    return {"StartTime": now - DAY_MS, "EndTime": now + DAY_MS}


async def post_levels(world: World, *levels: int) -> int:
    """Post one level every second, and return the time of the first."""
    first = world.clock.now_ms()
    for level in levels:
        await world.post({"Level": level, "Label": f"l{level}"})
        world.clock.advance(1)
    return first


async def test_property_values_are_text_with_text_times(world: World) -> None:
    now = world.clock.now_ms()
    await world.post(b'{"Label":"caf\\u00e9 \\"x\\"","Temp":20.50,"Place":{"x":1,"y":2}}')
    for identifier, value in (("Label", 'café "x"'), ("Temp", "20.50"), ("Place", '{"x":1,"y":2}')):
        answer = await world.call("QueryDevicePropertyData", Identifier=identifier, Asc=0, PageSize=10, **span(world))
        assert answer["Data"]["List"] == {"PropertyInfo": [{"Time": str(now), "Value": value}]}
        assert answer["Data"]["NextValid"] is False


async def test_property_pages_continue_at_next_time_in_both_orders(world: World) -> None:
    await post_levels(world, 1, 2, 3, 4, 5)
    for ascending, bound in ((1, "StartTime"), (0, "EndTime")):
        parameters = {"Identifier": "Level", "Asc": ascending, "PageSize": 2, **span(world)}
        values = []
        while True:
            data = (await world.call("QueryDevicePropertyData", **parameters))["Data"]
            values.append([info["Value"] for info in data["List"]["PropertyInfo"]])
            if not data["NextValid"]:
                break
            parameters[bound] = data["NextTime"]
        assert values == ([["1", "2"], ["3", "4"], ["5"]] if ascending else [["5", "4"], ["3", "2"], ["1"]])


async def test_a_device_is_also_found_by_its_iot_id(world: World) -> None:
    await post_levels(world, 1)
    answer = await world.call(
        "QueryDevicePropertyData", IotId=world.device.iot_id, Identifier="Level", Asc=1, PageSize=1, **span(world)
    )
    assert len(answer["Data"]["List"]["PropertyInfo"]) == 1


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Asc": 2}, "iot.common.InvalidFormattedParameter"),
        ({"PageSize": 0}, "iot.common.InvalidPageParams"),
        ({"PageSize": 51}, "iot.common.InvalidPageParams"),
        ({"StartTime": -1}, "iot.device.InvalidTimeBucket"),
        ({"EndTime": 10**13}, "iot.device.InvalidTimeBucket"),
        ({"EndTime": "tomorrow"}, "iot.device.InvalidTimeBucket"),
        ({"StartTime": 2000, "EndTime": 1999}, "iot.check.ParameterIsNotLessThanMax"),
        ({"Identifier": ""}, "iot.common.InvalidFormattedParameter"),
        ({"DeviceName": "nobody"}, "iot.device.NotExistedDevice"),
        ({"IotInstanceId": OTHER_INSTANCE.instance_id}, "iot.prod.NotExistedProduct"),
    ],
)
async def test_bad_parameters_of_a_property_query_are_refused(
    world: World, changes: dict[str, object], code: str
) -> None:
    parameters: dict[str, object] = {"ProductKey": world.product.product_key, "DeviceName": world.device.name}
    parameters |= {"Identifier": "Level", "Asc": 1, "PageSize": 10, **span(world)}
    assert await world.refused("QueryDevicePropertyData", **(parameters | changes)) == code


async def test_products_without_a_thing_model_have_no_history(world: World) -> None:
    product = await world.add_product("Basic", senior=False, data_format=None)
    device = await world.devices.register(product, "basic1")
    for action, more in (
        ("QueryDevicePropertyData", {"Identifier": "Level", "Asc": 1, "PageSize": 1, **span(world)}),
        ("QueryDeviceEventData", span(world)),
        ("QueryDeviceServiceData", span(world)),
        ("QueryDevicePropertyStatus", {}),
    ):
        assert await world.refused(action, IotId=device.iot_id, **more) == "iot.prod.NotSeniorProduct"


async def test_several_properties_come_in_one_answer(world: World) -> None:
    first = await post_levels(world, 1, 2, 3)
    parameters = {"Identifier": ["Level", "Temp", "Label"], "Asc": 1, "PageSize": 2, **span(world)}
    answer = await world.call("QueryDevicePropertiesData", **parameters)
    assert answer["PropertyDataInfos"]["PropertyDataInfo"] == [
        {
            "Identifier": "Level",
            "List": {"PropertyInfo": [{"Time": first, "Value": "1"}, {"Time": first + 1000, "Value": "2"}]},
        },
        {"Identifier": "Temp", "List": {"PropertyInfo": []}},
        {
            "Identifier": "Label",
            "List": {"PropertyInfo": [{"Time": first, "Value": "l1"}, {"Time": first + 1000, "Value": "l2"}]},
        },
    ]
    assert (answer["NextTime"], answer["NextValid"]) == (first + 1001, True)
    answer = await world.call("QueryDevicePropertiesData", **(parameters | {"StartTime": answer["NextTime"]}))
    assert [len(info["List"]["PropertyInfo"]) for info in answer["PropertyDataInfos"]["PropertyDataInfo"]] == [1, 0, 1]
    assert answer["NextValid"] is False


async def test_several_properties_newest_first_are_read_from_start_time_down(world: World) -> None:
    first = await post_levels(world, 1, 2, 3)
    parameters = {"Identifier": ["Level"], "Asc": 0, "PageSize": 2, "StartTime": first + 9000, "EndTime": first}
    answer = await world.call("QueryDevicePropertiesData", **parameters)
    [info] = answer["PropertyDataInfos"]["PropertyDataInfo"]
    assert [value["Value"] for value in info["List"]["PropertyInfo"]] == ["3", "2"]
    answer = await world.call("QueryDevicePropertiesData", **(parameters | {"StartTime": answer["NextTime"]}))
    [info] = answer["PropertyDataInfos"]["PropertyDataInfo"]
    assert [value["Value"] for value in info["List"]["PropertyInfo"]] == ["1"]
    assert answer["NextValid"] is False


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Asc": 0}, "iot.device.InvalidTimeBucket"),
        ({"StartTime": 2000, "EndTime": 1000}, "iot.device.InvalidTimeBucket"),
        ({"PageSize": 101}, "iot.common.InvalidPageParams"),
        ({"Identifier": [f"p{number}" for number in range(11)]}, "iot.common.InvalidFormattedParameter"),
        ({"Identifier": ["Level", "Level"]}, "iot.common.InvalidFormattedParameter"),
        ({"DeviceName": ""}, "iot.device.NullDeviceName"),
        ({"ProductKey": ""}, "iot.prod.NullProductKey"),
    ],
)
async def test_bad_parameters_of_a_query_of_several_properties_are_refused(
    world: World, changes: dict[str, object], code: str
) -> None:
    parameters: dict[str, object] = {"ProductKey": world.product.product_key, "DeviceName": world.device.name}
    parameters |= {"Identifier": ["Level"], "Asc": 1, "PageSize": 10, "StartTime": 1000, "EndTime": 2000}
    assert await world.refused("QueryDevicePropertiesData", **(parameters | changes)) == code


async def test_events_carry_name_type_and_output(world: World) -> None:
    now = world.clock.now_ms()
    await world.post({"value": {"code": 3}}, event="alarm")
    await world.post({"value": {}, "time": now - 5}, event="started")
    await world.post({"value": {}, "time": now - 9}, event="Battery:empty")
    data = (await world.call("QueryDeviceEventData", **span(world)))["Data"]
    assert data["List"]["EventInfo"] == [
        {"Time": str(now), "Identifier": "alarm", "OutputData": '{"code":3}', "Name": "Alarm", "EventType": "alert"},
        {"Time": str(now - 5), "Identifier": "started", "OutputData": "{}", "Name": "Started", "EventType": "info"},
        {
            "Time": str(now - 9),
            "Identifier": "Battery:empty",
            "OutputData": "{}",
            "Name": "Empty",
            "EventType": "error",
        },
    ]
    assert data["NextValid"] is False


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"Identifier": "started"}, ["started"]),
        ({"EventType": "alert"}, ["alarm"]),
        ({"EventType": "error"}, ["Battery:empty"]),
        ({"EventType": "alert", "Identifier": "started"}, []),
        ({"Asc": 1, "PageSize": 1}, ["Battery:empty"]),
    ],
)
async def test_events_are_filtered(world: World, filters: dict[str, object], expected: list[str]) -> None:
    now = world.clock.now_ms()
    for age, event in enumerate(("alarm", "started", "Battery:empty")):
        await world.post({"value": {}, "time": now - age}, event=event)
    data = (await world.call("QueryDeviceEventData", **span(world), **filters))["Data"]
    assert [info["Identifier"] for info in data["List"]["EventInfo"]] == expected


async def test_an_unknown_event_type_is_refused(world: World) -> None:
    code = await world.refused("QueryDeviceEventData", EventType="warning", **span(world))
    assert code == "iot.common.InvalidFormattedParameter"


async def test_status_lists_all_properties_of_the_default_module(world: World) -> None:
    now = world.clock.now_ms()
    await world.post({"Temp": 21.5, "Place": {"x": 1, "y": 2}})
    data = (await world.call("QueryDevicePropertyStatus"))["Data"]
    assert data["List"]["PropertyStatusInfo"] == [
        {
            "Identifier": "Temp",
            "Name": "Temperature",
            "DataType": "float",
            "Unit": "°C",
            "Value": "21.5",
            "Time": str(now),
        },
        {"Identifier": "Level", "Name": "Light level", "DataType": "int"},
        {"Identifier": "Label", "Name": "Label", "DataType": "text"},
        {"Identifier": "On", "Name": "Switched on", "DataType": "bool"},
        {"Identifier": "Place", "Name": "Place", "DataType": "struct", "Value": '{"x":1,"y":2}', "Time": str(now)},
    ]


async def test_status_of_a_custom_module(world: World) -> None:
    await world.post({"Battery:Volt": 12})
    data = (await world.call("QueryDevicePropertyStatus", FunctionBlockId="Battery"))["Data"]
    [info] = data["List"]["PropertyStatusInfo"]
    assert (info["Identifier"], info["Value"]) == ("Battery:Volt", "12")
    code = await world.refused("QueryDevicePropertyStatus", FunctionBlockId="Nothing")
    assert code == "iot.device.QueryDeviceAttrStatusFailed"

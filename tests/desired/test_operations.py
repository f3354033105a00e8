"""SetDeviceDesiredProperty and QueryDeviceDesiredProperty."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.common.xml import call_xml
from tests.desired.world import Desired
from tests.telemetry.test_calls import records
from tests.telemetry.world import ON_ONE_DATABASE
from thingplane.desired.service import DesiredPropertyService


async def test_desired_values_are_kept_with_versions_that_count(desired: Desired) -> None:
    assert await desired.versions(Level=5, Label="x") == {"Level": 1, "Label": 1}
    desired.world.clock.advance(2)
    assert await desired.versions({"Level": 1}, Level=6) == {"Level": 2}
    now = desired.world.clock.now_ms()
    values = await desired.query(Identifier=["Level", "Label"])
    assert values == {
        "Level": {
            "Identifier": "Level",
            "Name": "Light level",
            "DataType": "int",
            "Version": 2,
            "Value": "6",
            "Time": str(now),
        },
        "Label": {
            "Identifier": "Label",
            "Name": "Label",
            "DataType": "text",
            "Version": 1,
            "Value": "x",
            "Time": str(now - 2000),
        },
    }


async def test_without_identifiers_all_properties_that_can_be_written_are_listed(desired: Desired) -> None:
    await desired.set(Place={"x": 1, "y": 2})
    values = await desired.query()
    assert list(values) == ["Level", "Label", "On", "Place"]
    assert values["Level"] == {"Identifier": "Level", "Name": "Light level", "DataType": "int", "Version": 0}
    assert values["Place"]["Value"] == '{"x":1,"y":2}'


async def test_properties_of_a_custom_module(desired: Desired) -> None:
    assert await desired.versions(Battery_Volt=12) == {"Battery:Volt": 1}
    for parameters in ({}, {"Identifier": ["Volt"]}, {"Identifier": ["Battery:Volt", "Volt"]}):
        values = await desired.query(FunctionBlockId="Battery", **parameters)
        assert {name: info["Value"] for name, info in values.items()} == {"Battery:Volt": "12"}


async def test_null_clears_a_value_and_its_version_goes_on(desired: Desired) -> None:
    await desired.set(Level=5)
    assert await desired.versions({"Level": 1}, Level=None) == {"Level": 2}
    values = await desired.query(Identifier=["Level"])
    assert "Value" not in values["Level"]
    assert values["Level"]["Version"] == 2
    assert await desired.versions({"Level": 2}, Level=7) == {"Level": 3}


async def test_a_version_that_is_not_the_present_one_is_refused_for_all(desired: Desired) -> None:
    assert await desired.versions({"Level": 0}, Level=5) == {"Level": 1}
    for version in (0, 2):
        answer = await desired.set({"Level": version}, Label="x", Level=6)
        assert answer["Code"] == "iot.device.SetDevicePropertyFailed"
        assert "is 1" in answer["ErrorMessage"]
    values = await desired.query()
    assert (values["Level"]["Value"], values["Label"]["Version"]) == ("5", 0)


async def test_of_writers_with_one_version_only_one_wins(desired: Desired) -> None:
    answers = await asyncio.gather(*(desired.set({"Level": 0}, Level=number) for number in range(6)))
    assert sorted(answer["Success"] for answer in answers) == [False] * 5 + [True]


async def test_every_change_of_concurrent_writers_counts(desired: Desired) -> None:
    world = desired.world
    nodes = [
        DesiredPropertyService(world.database, world.clock, world.models, world.messaging, world.downlink)
        for _ in range(3)
    ]
    answers = await asyncio.gather(
        *(nodes[number % 3].set(world.device, {"Level": number}, {}) for number in range(12))
    )
    assert sorted(versions["Level"] for _, versions in answers) == list(range(1, 13))


async def test_a_device_that_is_online_is_asked_to_set_the_values(desired: Desired) -> None:
    desired.world.connect()
    answer = await desired.set(Level=5, Label=None)
    [message] = desired.world.downlink.sent
    assert message.topic.endswith("/thing/service/property/set")
    assert msgspec.json.decode(message.payload)["params"] == {"Level": 5}
    [record] = await records(desired.world)
    assert record["InputData"] == '{"Level":5}'
    assert answer["Data"]["MessageId"].isdecimal()


async def test_clearing_sends_nothing(desired: Desired) -> None:
    desired.world.connect()
    answer = await desired.set(Level=None)
    assert answer["Data"]["MessageId"].isdecimal()
    assert desired.world.downlink.sent == []


async def test_an_offline_device_is_not_asked_but_finds_the_values(desired: Desired) -> None:
    answer = await desired.set(Level=5)
    assert answer["Data"]["MessageId"].isdecimal()
    assert desired.world.downlink.sent == []
    assert await desired.get() == {"Level": {"value": 5, "version": 1}}


@ON_ONE_DATABASE
async def test_what_cannot_be_sent_stands_all_the_same(desired: Desired) -> None:
    product = await desired.world.add_product("Raw", data_format=0)
    device = await desired.world.devices.register(product, "raw1")
    desired.world.connect(device)
    answer = await desired.world.call(
        "SetDeviceDesiredProperty", IotId=device.iot_id, Items='{"Level":5}', Versions="{}"
    )
    assert answer["Success"] is True
    assert desired.world.downlink.sent == []


async def test_a_report_of_the_device_does_not_clear_what_is_desired(desired: Desired) -> None:
    await desired.set(Level=5)
    await desired.world.post({"Level": 5})
    assert (await desired.query())["Level"]["Value"] == "5"


async def test_a_deleted_device_takes_its_desired_values_along(desired: Desired) -> None:
    world = desired.world
    await desired.set(Level=5)
    await world.devices.delete(world.device)
    world.device = await world.devices.register(world.product, "lamp1")
    assert (await desired.query())["Level"]["Version"] == 0


async def test_answers_in_xml(desired: Desired) -> None:
    device = {"IotId": desired.world.device.iot_id}
    root = await call_xml(
        desired.world.api, "SetDeviceDesiredProperty", Items='{"Label":"<x>"}', Versions="{}", **device
    )
    assert root.findtext("Data/Versions") == '{"Label":1}'
    root = await call_xml(desired.world.api, "QueryDeviceDesiredProperty", **{"Identifier.1": "Label"}, **device)
    assert root.findtext("Data/List/DesiredPropertyInfo/Value") == "<x>"


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("items", "versions", "code"),
    [
        ("{}", {}, "NoneDeviceProperties"),
        ({"Unknown": 1}, {}, "NoneDeviceProperties"),
        ({"Level": 1, "Unknown": 1}, {}, "SetDevicePropertyFailed"),
        ({"Temp": 1.5}, {}, "SetDevicePropertyFailed"),
        ({"Temp": None}, {}, "SetDevicePropertyFailed"),
        ({"Level": "high"}, {}, "SetDevicePropertyFailed"),
        ({"Level": {"value": 1}}, {}, "SetDevicePropertyFailed"),
        ({"Level": 101}, {}, "SetDevicePropertyFailed"),
        ({"Place": {"x": 1}}, {}, "SetDevicePropertyFailed"),
        ({f"p{number}": 1 for number in range(11)}, {}, "TooManyDevicePropertiesPerTime"),
        ("", {}, "SetDevicePropertyFailed"),
        ("{", {}, "SetDevicePropertyFailed"),
        ("[1]", {}, "SetDevicePropertyFailed"),
        ("[" * 50_000, {}, "SetDevicePropertyFailed"),
        ({"Level": 1}, "", "SetDevicePropertyFailed"),
        ({"Level": 1}, "x", "SetDevicePropertyFailed"),
        ({"Level": 1}, {"Level": "0"}, "SetDevicePropertyFailed"),
        ({"Level": 1}, {"Level": False}, "SetDevicePropertyFailed"),
        ({"Level": 1}, {"Label": 0}, "SetDevicePropertyFailed"),
        ({"Level": 1}, {"Level": -1}, "SetDevicePropertyFailed"),
    ],
)
async def test_mistakes_are_refused_and_change_nothing(desired: Desired, items: Any, versions: Any, code: str) -> None:
    desired.world.connect()
    assert (await desired.call(items, versions))["Code"] == "iot.device." + code
    assert {info["Version"] for info in (await desired.query()).values()} == {0}
    assert desired.world.downlink.sent == []


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Identifier": ["Temp"]}, "iot.device.QueryDeviceAttrStatusFailed"),
        ({"Identifier": ["Unknown"]}, "iot.device.QueryDeviceAttrStatusFailed"),
        ({"FunctionBlockId": "Nothing"}, "iot.device.QueryDeviceAttrStatusFailed"),
        ({"Identifier": ["Level", "Level"]}, "iot.common.InvalidFormattedParameter"),
        ({"Identifier": [f"p{number}" for number in range(11)]}, "iot.common.InvalidFormattedParameter"),
        ({"DeviceName": "nobody"}, "iot.device.NotExistedDevice"),
        ({"IotId": "?"}, "iot.device.InvalidIoTId"),
    ],
)
async def test_bad_parameters_of_a_query_are_refused(desired: Desired, parameters: dict[str, Any], code: str) -> None:
    if "DeviceName" in parameters:
        parameters = {"ProductKey": desired.world.product.product_key} | parameters
    assert await desired.world.refused("QueryDeviceDesiredProperty", **parameters) == code


@ON_ONE_DATABASE
async def test_products_without_a_thing_model_have_no_desired_values(desired: Desired) -> None:
    product = await desired.world.add_product("Basic", senior=False, data_format=None)
    device = await desired.world.devices.register(product, "basic1")
    for action, more in (
        ("SetDeviceDesiredProperty", {"Items": '{"Level":1}', "Versions": "{}"}),
        ("QueryDeviceDesiredProperty", {}),
    ):
        assert await desired.world.refused(action, IotId=device.iot_id, **more) == "iot.prod.NotSeniorProduct"

"""SaveDeviceProp, QueryDeviceProp, DeleteDeviceProp and QueryDeviceByTags."""

import asyncio
import json
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.devices.conftest import Xml
from tests.devices.marks import one_database
from thingplane.bus import LocalBus
from thingplane.cloud.client import CallError
from thingplane.devices.service import Device, DeviceService, DeviceTagsChanged
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database


@pytest.fixture
async def device(devices: DeviceService, product: Product) -> Device:
    return await devices.register(product, "lamp-1")


def named(device: Device, **parameters: Any) -> dict[str, Any]:
    return {"ProductKey": device.product_key, "DeviceName": device.name, **parameters}


async def props(api: Api, device: Device) -> dict[str, str]:
    answer = await api.call("QueryDeviceProp", **named(device))
    tags: dict[str, str] = json.loads(answer["Props"])
    return tags


def tagged(*tags: tuple[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags]


async def found(api: Api, *tags: tuple[str, str], **parameters: Any) -> list[str]:
    answer = await api.call("QueryDeviceByTags", Tag=tagged(*tags), **parameters)
    return [entry["DeviceName"] for entry in answer["Data"]["SimpleDeviceInfo"]]


async def test_tags_are_added_changed_and_removed(api: Api, device: Device) -> None:
    assert await props(api, device) == {}
    assert (await api.call("SaveDeviceProp", **named(device, Props='{"color":"red","shape":"round"}')))["Success"]
    assert await props(api, device) == {"color": "red", "shape": "round"}
    await api.call("SaveDeviceProp", IotId=device.iot_id, Props='{"color":"blue","coordinate":"104.07086:30.549169"}')
    assert await props(api, device) == {"color": "blue", "coordinate": "104.07086:30.549169", "shape": "round"}
    assert (await api.call("DeleteDeviceProp", IotId=device.iot_id, PropKey="color"))["Success"]
    assert await props(api, device) == {"coordinate": "104.07086:30.549169", "shape": "round"}
    assert (await api.call("DeleteDeviceProp", **named(device, PropKey="color")))["Success"]


async def test_numbers_are_taken_as_their_text(api: Api, device: Device) -> None:
    await api.call("SaveDeviceProp", **named(device, Props='{"floor":3,"lit":true,"height":2.5,"city":"杭州"}'))
    assert await props(api, device) == {"city": "杭州", "floor": "3", "height": "2.5", "lit": "true"}


NULL = "iot.device.NullDevicePropertiesString"
STRING = "iot.device.InvalidFormattedDevicePropertiesString"
KEY = "iot.device.InvalidFormattedDevicePropertyKey"


@one_database
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", NULL),
        ("{}", "iot.device.NoneDeviceProperties"),
        ("color", STRING),
        ('["color"]', STRING),
        ('{"color":["red"]}', STRING),
        ('{"color":null}', STRING),
        ('{"color":""}', STRING),
        (json.dumps({"color": "r" * 129}), STRING),
        ('{"color":"a\\nb"}', STRING),
        ('{"color":"\\u0000"}', STRING),
        ('{"color":{' + '"a":{' * 1000, STRING),
        ('{"":"red"}', "iot.device.NullDevicePropertyKey"),
        ('{"my color":"red"}', KEY),
        ('{"颜色":"red"}', KEY),
        (json.dumps({"c" * 65: "red"}), KEY),
        (json.dumps({f"key{n}": "v" * 100 for n in range(60)}), "iot.device.LongDevicePropertiesString"),
        (json.dumps({f"key{n}": "v" for n in range(101)}), "iot.device.TooManyDevicePropertiesPerTime"),
    ],
)
async def test_refused_tags_change_nothing(api: Api, device: Device, text: str, code: str) -> None:
    await api.call("SaveDeviceProp", **named(device, Props='{"color":"red"}'))
    answer = await api.call("SaveDeviceProp", **named(device, Props=text))
    assert (answer["Success"], answer["Code"]) == (False, code)
    assert await props(api, device) == {"color": "red"}


async def test_a_device_has_at_most_a_hundred_tags(api: Api, device: Device) -> None:
    full = {f"key{n}": "v" for n in range(100)}
    assert (await api.call("SaveDeviceProp", **named(device, Props=json.dumps(full))))["Success"]
    answer = await api.call("SaveDeviceProp", **named(device, Props='{"key0":"w","another":"v"}'))
    assert answer["Code"] == "iot.device.SaveOrUpdateDevicePropertiesFailed"
    assert await props(api, device) == full
    assert (await api.call("SaveDeviceProp", **named(device, Props='{"key0":"w"}')))["Success"]


async def test_the_limit_of_tags_holds_for_calls_at_once(
    database: Database, clock: FakeClock, bus: LocalBus, products: ProductService, device: Device
) -> None:
    small = DeviceService(database, clock, bus, products, max_tags=3)
    calls = (small.tags.save(device, {f"key{n}": "v", "same": f"{n}"}) for n in range(6))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [result is None for result in results].count(True) == 2
    assert len((await small.tags.of([device.id]))[device.id]) == 3


@one_database
@pytest.mark.parametrize(
    ("key", "code"),
    [("", "iot.device.NullDevicePropertyKey"), ("my color", KEY), ("k" * 65, KEY)],
)
async def test_keys_to_remove_are_checked(api: Api, device: Device, key: str, code: str) -> None:
    assert (await api.call("DeleteDeviceProp", **named(device, PropKey=key)))["Code"] == code


@one_database
@pytest.mark.parametrize(
    ("action", "parameters"),
    [("SaveDeviceProp", {"Props": '{"color":"red"}'}), ("QueryDeviceProp", {}), ("DeleteDeviceProp", {"PropKey": "c"})],
)
async def test_devices_are_addressed_as_everywhere(
    api: Api, product: Product, action: str, parameters: dict[str, Any]
) -> None:
    for address, code in (
        ({}, "iot.prod.NullProductKey"),
        ({"ProductKey": product.product_key}, "iot.device.NullDeviceName"),
        ({"ProductKey": "a1nosuchkey", "DeviceName": "lamp-1"}, "iot.prod.NotExistedProduct"),
        ({"ProductKey": product.product_key, "DeviceName": "lamp-9"}, "iot.device.NotExistedDevice"),
        ({"IotId": "!"}, "iot.device.InvalidIoTId"),
        ({"IotId": "nosuchdevice"}, "iot.device.NotExistedDevice"),
    ):
        assert (await api.call(action, **address, **parameters))["Code"] == code


@one_database
@pytest.mark.parametrize(
    ("action", "missing"), [("SaveDeviceProp", "Props"), ("DeleteDeviceProp", "PropKey"), ("QueryDeviceByTags", "Tag")]
)
async def test_mandatory_parameters(api: Api, action: str, missing: str) -> None:
    with pytest.raises(CallError, match=f"Missing{missing}"):
        await api.call(action)


async def test_devices_are_found_by_all_of_their_tags(api: Api, devices: DeviceService, product: Product) -> None:
    for number in range(6):
        lamp = await devices.register(product, f"lamp-{number}")
        await devices.tags.save(lamp, {"room": str(number % 2), "city": str(number % 3)})
    assert await found(api, ("room", "1")) == ["lamp-5", "lamp-3", "lamp-1"]
    assert await found(api, ("city", "2"), ("room", "1")) == ["lamp-5"]
    assert await found(api, ("room", "1"), ("city", "2")) == ["lamp-5"]
    assert await found(api, ("room", "1"), ("room", "1")) == ["lamp-5", "lamp-3", "lamp-1"]
    for nothing in ([("room", "1"), ("room", "0")], [("room", "7")], [("room", "1"), ("none", "1")]):
        assert await found(api, *nothing) == []


async def test_pages_of_devices_with_tags(api: Api, devices: DeviceService, product: Product) -> None:
    lamps = [await devices.register(product, f"lamp-{number}") for number in range(5)]
    for lamp in lamps:
        await devices.tags.save(lamp, {"room": "101"})
    answer = await api.call("QueryDeviceByTags", Tag=tagged(("room", "101")), PageSize=2, CurrentPage=2)
    assert {key: answer[key] for key in ("Total", "PageCount", "PageSize", "Page")} == {
        "Total": 5,
        "PageCount": 3,
        "PageSize": 2,
        "Page": 2,
    }
    assert answer["Data"]["SimpleDeviceInfo"] == [
        {
            "DeviceName": lamp.name,
            "IotId": lamp.iot_id,
            "ProductKey": product.product_key,
            "ProductName": "Street_light",
        }
        for lamp in (lamps[2], lamps[1])
    ]
    assert await found(api, ("room", "101"), CurrentPage=2**62) == []


@one_database
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"PageSize": 0}, "iot.common.InvalidPageParams"),
        ({"PageSize": 51}, "iot.common.InvalidPageParams"),
        ({"CurrentPage": 0}, "iot.common.InvalidPageParams"),
        ({"Tag": tagged(*((f"k{n}", "v") for n in range(11)))}, "iot.common.InvalidFormattedParameter"),
        ({"Tag": tagged(("", "v"))}, "iot.device.NullDevicePropertyKey"),
        ({"Tag": tagged(("k", ""))}, "iot.common.InvalidFormattedParameter"),
    ],
)
async def test_violations_have_their_documented_code(api: Api, parameters: dict[str, Any], code: str) -> None:
    answer = await api.call("QueryDeviceByTags", **({"Tag": tagged(("room", "101"))} | parameters))
    assert (answer["Success"], answer["Code"]) == (False, code)


async def test_instances_do_not_see_each_other_s_tags(
    api: Api, devices: DeviceService, device: Device, foreign_product: Product
) -> None:
    foreign = await devices.register(foreign_product, "lamp-2")
    for lamp in (device, foreign):
        await devices.tags.save(lamp, {"room": "101", "city": "x"})
    assert await found(api, ("room", "101")) == ["lamp-1"]
    assert await found(api, ("city", "x"), ("room", "101"), IotInstanceId="iot-other") == ["lamp-2"]


async def test_tags_go_with_the_device(api: Api, devices: DeviceService, device: Device) -> None:
    await devices.tags.save(device, {"room": "101"})
    await devices.delete(device)
    assert await found(api, ("room", "101")) == []
    assert await devices.tags.of([device.id]) == {}
    with pytest.raises(Exception, match=r"iot\.device\.NotExistedDevice"):
        await devices.tags.save(device, {"room": "101"})


async def test_tags_of_many_devices_at_once(devices: DeviceService, product: Product) -> None:
    lamps = [await devices.register(product) for _ in range(3)]
    await devices.tags.save(lamps[0], {"b": "2", "a": "1"})
    await devices.tags.save(lamps[2], {"a": "3"})
    tags = await devices.tags.of([lamp.id for lamp in lamps])
    assert tags == {lamps[0].id: {"a": "1", "b": "2"}, lamps[2].id: {"a": "3"}}
    assert list(tags[lamps[0].id]) == ["a", "b"]


async def test_changes_of_tags_are_told(
    devices: DeviceService, device: Device, bus: LocalBus, clock: FakeClock
) -> None:
    told: list[DeviceTagsChanged] = []
    bus.subscribe(DeviceTagsChanged, told.append)
    await devices.tags.save(device, {"room": "101"})
    await devices.tags.delete(device, ["room", "none"])
    await devices.tags.delete(device, ["none"])
    assert told == [
        DeviceTagsChanged(device.id, {"room": "101"}, clock.now_ms()),
        DeviceTagsChanged(device.id, {"room": None}, clock.now_ms()),
    ]


async def test_lists_repeat_their_element_in_xml(xml: Xml, devices: DeviceService, device: Device) -> None:
    await devices.tags.save(device, {"room": "101"})
    root = await xml("QueryDeviceByTags", Tag=tagged(("room", "101")))
    assert [entry.text for entry in root.findall("Data/SimpleDeviceInfo/DeviceName")] == ["lamp-1"]
    assert (await xml("QueryDeviceProp", **named(device))).findtext("Props") == '{"room":"101"}'

"""QueryDeviceByStatus and QueryDeviceStatistics."""

from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.devices.conftest import Xml
from tests.devices.marks import one_database
from thingplane.bus import LocalBus
from thingplane.cloud.client import CallError
from thingplane.devices.service import Device, DeviceService
from thingplane.groups.service import GroupService
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database

UNACTIVE, ONLINE, OFFLINE, DISABLE = 0, 1, 3, 8


async def names(api: Api, status: int, **parameters: Any) -> list[str]:
    answer = await api.call("QueryDeviceByStatus", Status=status, **parameters)
    return [entry["DeviceName"] for entry in answer["Data"]["SimpleDeviceInfo"]]


async def by_status(api: Api) -> dict[int, list[str]]:
    return {status: await names(api, status) for status in (UNACTIVE, ONLINE, OFFLINE, DISABLE)}


@pytest.fixture
async def lamps(devices: DeviceService, product: Product) -> list[Device]:
    return [await devices.register(product, f"lamp-{number}") for number in range(4)]


async def test_a_device_is_found_by_its_state_at_once(api: Api, devices: DeviceService, lamps: list[Device]) -> None:
    assert await by_status(api) == {0: ["lamp-3", "lamp-2", "lamp-1", "lamp-0"], 1: [], 3: [], 8: []}
    for lamp in lamps[:3]:
        devices.connected(lamp, "10.0.0.1")
    assert await by_status(api) == {0: ["lamp-3"], 1: ["lamp-2", "lamp-1", "lamp-0"], 3: [], 8: []}
    devices.disconnected(lamps[0])
    await devices.disable(lamps[1])
    await devices.disable(lamps[3])
    assert await by_status(api) == {0: [], 1: ["lamp-2"], 3: ["lamp-0"], 8: ["lamp-3", "lamp-1"]}
    devices.disconnected(lamps[1])
    await devices.enable(lamps[1])
    await devices.enable(lamps[3])
    assert await by_status(api) == {0: ["lamp-3"], 1: ["lamp-2"], 3: ["lamp-1", "lamp-0"], 8: []}
    devices.connected(lamps[0], "10.0.0.1")
    await devices.delete(lamps[2])
    assert await by_status(api) == {0: ["lamp-3"], 1: ["lamp-0"], 3: ["lamp-1"], 8: []}


async def test_states_by_number_are_those_by_word(api: Api, devices: DeviceService, lamps: list[Device]) -> None:
    devices.connected(lamps[0], "10.0.0.1")
    devices.connected(lamps[1], "10.0.0.1")
    devices.disconnected(lamps[1])
    await devices.disable(lamps[2])
    for status in (UNACTIVE, ONLINE, OFFLINE, DISABLE):
        [entry] = (await api.call("QueryDeviceByStatus", Status=status))["Data"]["SimpleDeviceInfo"]
        known = await api.call("GetDeviceStatus", IotId=entry["IotId"])
        assert entry["Status"] == known["Data"]["Status"]


async def test_an_entry_has_everything_of_its_device(
    api: Api, clock: FakeClock, devices: DeviceService, product: Product
) -> None:
    lamp = await devices.register(product, "lamp-1", "Lamp_1")
    clock.advance(61.5)
    await devices.disable(lamp)
    answer = await api.call("QueryDeviceByStatus", Status=8, ProductKey=product.product_key)
    assert answer["Data"]["SimpleDeviceInfo"] == [
        {
            "IotId": lamp.iot_id,
            "DeviceName": "lamp-1",
            "ProductKey": product.product_key,
            "DeviceSecret": lamp.secret,
            "Status": "DISABLE",
            "GmtCreate": "2023-11-15 06:13:20",
            "UtcCreate": "2023-11-14T22:13:20.000Z",
            "GmtModified": "2023-11-15 06:14:21",
            "UtcModified": "2023-11-14T22:14:21.500Z",
            "Nickname": "Lamp_1",
        }
    ]


async def test_pages(api: Api, lamps: list[Device]) -> None:
    pages = [await api.call("QueryDeviceByStatus", Status=0, PageSize=3, CurrentPage=page) for page in (1, 2, 3)]
    listed = [[entry["DeviceName"] for entry in page["Data"]["SimpleDeviceInfo"]] for page in pages]
    assert listed == [["lamp-3", "lamp-2", "lamp-1"], ["lamp-0"], []]
    assert [page["Page"] for page in pages] == [1, 2, 3]
    assert {(page["Total"], page["PageCount"], page["PageSize"]) for page in pages} == {(len(lamps), 2, 3)}
    assert await names(api, 0, CurrentPage=2**62) == []


async def test_devices_of_one_product_or_of_a_resource_group(
    api: Api, devices: DeviceService, products: ProductService, lamps: list[Device], foreign_product: Product
) -> None:
    grouped = await products.create(1, NewProduct(name="Grouped", node_type=0, resource_group_id="rg-1"))
    await devices.register(grouped, "fan-1")
    await devices.register(foreign_product, "foreign")
    assert await names(api, 0, ProductKey=grouped.product_key) == ["fan-1"]
    assert await names(api, 0, ResourceGroupId="rg-1") == ["fan-1"]
    assert await names(api, 0, ResourceGroupId="rg-1", ProductKey=grouped.product_key) == ["fan-1"]
    assert await names(api, 0, ResourceGroupId="rg-1", ProductKey=lamps[0].product_key) == []
    assert await names(api, 0, ResourceGroupId="rg-2") == []
    assert await names(api, 0) == ["fan-1", "lamp-3", "lamp-2", "lamp-1", "lamp-0"]
    assert await names(api, 0, IotInstanceId="iot-other") == ["foreign"]


PAGE = "iot.common.InvalidPageParams"
INVALID = "iot.common.InvalidFormattedParameter"


@one_database
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        *(({"Status": status}, INVALID) for status in (2, -1, 9, "", "ONLINE")),
        ({"PageSize": 0}, PAGE),
        ({"PageSize": 51}, PAGE),
        ({"CurrentPage": 0}, PAGE),
        ({"CurrentPage": "one"}, PAGE),
        ({"ProductKey": ""}, "iot.prod.NullProductKey"),
        ({"ProductKey": "a1nosuchkey"}, "iot.prod.NotExistedProduct"),
    ],
)
async def test_violations_have_their_documented_code(api: Api, parameters: dict[str, Any], code: str) -> None:
    answer = await api.call("QueryDeviceByStatus", **({"Status": 1} | parameters))
    assert (answer["Success"], answer["Code"]) == (False, code)


@one_database
async def test_the_state_is_mandatory(api: Api) -> None:
    with pytest.raises(CallError, match="MissingStatus"):
        await api.call("QueryDeviceByStatus")


async def test_after_a_crash_no_device_is_found_online(
    database: Database, clock: FakeClock, products: ProductService, devices: DeviceService, lamps: list[Device]
) -> None:
    devices.connected(lamps[0], "10.0.0.1")
    assert (await devices.lists.by_status(1, ONLINE, 10))[0] == 1
    restarted = DeviceService(database, clock, LocalBus(), products)
    await restarted.settle()
    assert (await restarted.lists.by_status(1, ONLINE, 10))[0] == 0
    assert [device.name for device in (await restarted.lists.by_status(1, OFFLINE, 10))[1]] == ["lamp-0"]
    await restarted.close()


async def numbers(api: Api, **parameters: str) -> tuple[int, int, int]:
    data = (await api.call("QueryDeviceStatistics", **parameters))["Data"]
    return data["deviceCount"], data["activeCount"], data["onlineCount"]


async def test_statistics(  # noqa: PLR0917  fixtures
    api: Api,
    devices: DeviceService,
    groups: GroupService,
    lamps: list[Device],
    gateway_product: Product,
    foreign_product: Product,
) -> None:
    hub = await devices.register(gateway_product, "hub-1")
    await devices.register(foreign_product, "foreign")
    for device in (*lamps[:3], hub):
        devices.connected(device, "10.0.0.1")
    devices.disconnected(lamps[1])
    devices.disconnected(lamps[2])
    await devices.disable(lamps[2])
    await devices.disable(lamps[3])
    group = await groups.create(1, "Floor")
    await groups.members.add(group, [lamps[0], lamps[3], hub])
    key = lamps[0].product_key
    assert await numbers(api) == (5, 4, 2)
    assert await numbers(api, ProductKey=key) == (4, 3, 1)
    assert await numbers(api, GroupId=group.group_id) == (3, 2, 2)
    assert await numbers(api, GroupId=group.group_id, ProductKey=key) == (2, 1, 1)
    assert await numbers(api, GroupId=group.group_id, ProductKey=gateway_product.product_key) == (1, 1, 1)
    assert await numbers(api, IotInstanceId="iot-other") == (1, 0, 0)


async def test_statistics_of_nothing(api: Api) -> None:
    assert await numbers(api) == (0, 0, 0)


@one_database
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"ProductKey": ""}, "iot.prod.NullProductKey"),
        ({"ProductKey": "a1nosuchkey"}, "iot.prod.NotExistedProduct"),
        ({"GroupId": ""}, "iot.group.NullGroupId"),
        ({"GroupId": "nosuchgroup"}, "iot.group.NotExistedGroup"),
    ],
)
async def test_statistics_of_what_does_not_exist(api: Api, parameters: dict[str, str], code: str) -> None:
    assert (await api.call("QueryDeviceStatistics", **parameters))["Code"] == code


async def test_lists_repeat_their_element_in_xml(xml: Xml, lamps: list[Device]) -> None:
    root = await xml("QueryDeviceByStatus", Status=0)
    listed = [entry.text for entry in root.findall("Data/SimpleDeviceInfo/DeviceName")]
    assert listed == [lamp.name for lamp in reversed(lamps)]
    assert (await xml("QueryDeviceStatistics")).findtext("Data/deviceCount") == "4"

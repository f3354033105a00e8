"""ListOTAModuleVersionsByDevice, and the versions that devices report."""

import asyncio
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.xml import call_xml
from tests.devices.marks import one_database
from tests.ota.world import World
from thingplane.bus import LocalBus
from thingplane.cloud import OPERATIONS
from thingplane.cloud.client import CallError
from thingplane.cloud.conformance import violations
from thingplane.devices.service import Device, DeviceService
from thingplane.ota.service import OtaVersionService
from thingplane.ota.version_cache import VersionCache, VersionsReported
from thingplane.products.service import Product

LIST = "ListOTAModuleVersionsByDevice"


def test_declared_as_documented() -> None:
    assert violations(OPERATIONS[LIST]) == []


async def test_the_last_report_of_every_module_counts(versions: OtaVersionService, device: Device) -> None:
    assert await versions.report(device, "1.0") is True
    assert await versions.report(device, "1.0") is False
    assert await versions.report(device, "1.1") is True
    assert await versions.report(device, "7", "radio") is True
    assert await versions.of(device.id) == {"default": "1.1", "radio": "7"}


async def test_reports_at_the_same_time_end_in_one_version(versions: OtaVersionService, device: Device) -> None:
    assert any(await asyncio.gather(*(versions.report(device, f"1.{number}") for number in range(6))))
    assert len(await versions.of(device.id)) == 1


async def test_versions_go_with_their_device(
    versions: OtaVersionService, devices: DeviceService, product: Product, device: Device
) -> None:
    other = await devices.register(product, "lamp-2")
    for one in (device, other):
        await versions.report(one, "1.0")
    await devices.delete(device)
    assert await versions.report(device, "2.0") is False
    assert [await versions.of(one.id) for one in (device, other)] == [{}, {"default": "1.0"}]


async def test_what_was_read_before_a_report_is_not_remembered(bus: LocalBus) -> None:
    cache = VersionCache(bus, capacity=2)
    before = cache.changes
    bus.publish(VersionsReported(frozenset([7])))
    cache.keep({7: "1.0"}, before)
    assert cache.find([7]) == {}
    cache.keep({7: "1.1", 8: None}, cache.changes)
    assert cache.find([7, 8, 9]) == {7: "1.1", 8: None}
    bus.publish(VersionsReported(frozenset([8])))
    cache.keep({1: "2", 2: "2"}, cache.changes)
    assert cache.find([1, 2, 7, 8]) == {1: "2", 2: "2"}


@one_database
async def test_a_report_replaces_what_was_remembered(world: World, versions: OtaVersionService) -> None:
    (lamp,) = await world.fleet(1)
    assert await versions.of_default([lamp.id]) == {lamp.id: "1.0"}
    await world.inform(lamp, "1.1")
    assert await versions.of_default([lamp.id]) == {lamp.id: "1.1"}


async def test_versions_are_listed_in_pages(api: Api, versions: OtaVersionService, device: Device) -> None:
    for module in ("scanner", "default", "radio"):
        await versions.report(device, f"{module}-1", module)
    answer = await api.call(LIST, IotId=device.iot_id, CurrentPage=2, PageSize=2)
    del answer["RequestId"]
    assert answer == {
        "Success": True,
        "CurrentPage": 2,
        "PageSize": 2,
        "PageCount": 2,
        "Total": 3,
        "Data": {
            "SimpleOTAModuleInfo": [
                {
                    "IotId": device.iot_id,
                    "ProductKey": device.product_key,
                    "DeviceName": "lamp-1",
                    "ModuleName": "scanner",
                    "ModuleVersion": "scanner-1",
                }
            ]
        },
    }
    named = {"ProductKey": device.product_key, "DeviceName": device.name}
    first = await api.call(LIST, **named, CurrentPage=1, PageSize=200)
    assert [info["ModuleName"] for info in first["Data"]["SimpleOTAModuleInfo"]] == ["default", "radio", "scanner"]
    assert (await api.call(LIST, IotId=device.iot_id, CurrentPage=9, PageSize=200))["Data"] == {
        "SimpleOTAModuleInfo": []
    }


@one_database
async def test_the_shape_in_xml(api: Api, versions: OtaVersionService, device: Device) -> None:
    await versions.report(device, "1.0")
    root = await call_xml(api, LIST, IotId=device.iot_id, CurrentPage=1, PageSize=10)
    assert root.findtext("Data/SimpleOTAModuleInfo/ModuleVersion") == "1.0"


@one_database
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"PageSize": 201}, "iot.common.InvalidPageParams"),
        ({"PageSize": 0}, "iot.common.InvalidPageParams"),
        ({"CurrentPage": 0}, "iot.common.InvalidPageParams"),
        ({"CurrentPage": "first"}, "iot.common.InvalidPageParams"),
        ({"IotId": "nobody"}, "iot.device.NotExistedDevice"),
        ({"IotId": ""}, "iot.prod.NullProductKey"),
        ({"IotInstanceId": "iot-other"}, "iot.device.NotExistedDevice"),
    ],
)
async def test_refused_queries(api: Api, device: Device, parameters: dict[str, Any], code: str) -> None:
    answer = await api.call(LIST, **{"IotId": device.iot_id, "CurrentPage": 1, "PageSize": 10, **parameters})
    assert (answer["Success"], answer["Code"]) == (False, code)


@one_database
@pytest.mark.parametrize("name", ["CurrentPage", "PageSize"])
async def test_mandatory_parameters(api: Api, device: Device, name: str) -> None:
    parameters = {"IotId": device.iot_id, "CurrentPage": 1, "PageSize": 10}
    del parameters[name]
    with pytest.raises(CallError, match=f"Missing{name}"):
        await api.call(LIST, **parameters)

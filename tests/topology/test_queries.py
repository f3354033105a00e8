"""GetThingTopo and GetGatewayBySubDevice."""

from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.xml import call_xml
from tests.devices.marks import one_database
from tests.topology.calls import names, refused, topo
from tests.topology.conftest import Register
from thingplane.cloud.client import CallError
from thingplane.devices.service import Device, DeviceService
from thingplane.ota.service import OtaVersionService
from thingplane.topology.service import TopologyService


async def test_pages_by_number(api: Api, topology: TopologyService, gateway: Device, register: Register) -> None:
    devices = await register(5)
    await topology.add(gateway, devices)
    page = await topo(api, gateway, PageSize=2, PageNo=2)
    assert page.pop("NextToken")
    assert page == {
        "CurrentPage": 2,
        "PageSize": 2,
        "PageCount": 3,
        "Total": 5,
        "List": {
            "deviceInfo": [
                {"DeviceName": device.name, "IotId": device.iot_id, "ProductKey": device.product_key}
                for device in devices[2:4]
            ]
        },
    }
    assert await names(api, gateway, PageSize=2, PageNo=3) == ["meter-4"]


async def test_pages_by_token_neither_repeat_nor_miss_what_stays(
    api: Api, topology: TopologyService, gateway: Device, register: Register
) -> None:
    devices = await register(6)
    await topology.add(gateway, devices)
    first = await topo(api, gateway, PageSize=2)
    await topology.remove(gateway, devices[:1])
    second = await topo(api, gateway, PageSize=2, NextToken=first["NextToken"])
    third = await topo(api, gateway, PageSize=2, NextToken=second["NextToken"])
    found = [entry["DeviceName"] for page in (first, second, third) for entry in page["List"]["deviceInfo"]]
    assert found == [f"meter-{number}" for number in range(6)]
    assert third["NextToken"] == ""
    assert third["Total"] == 5


async def test_a_gateway_without_sub_devices_has_one_empty_page(api: Api, gateway: Device) -> None:
    assert await topo(api, gateway, PageSize=10, PageNo=1) == {
        "CurrentPage": 1,
        "PageSize": 10,
        "PageCount": 0,
        "Total": 0,
        "NextToken": "",
        "List": {"deviceInfo": []},
    }


@one_database
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"PageSize": 51}, "iot.device.QueryTopoRelationFailed"),
        ({"PageSize": 0}, "iot.device.QueryTopoRelationFailed"),
        ({"PageSize": "ten"}, "iot.device.QueryTopoRelationFailed"),
        ({"PageNo": 0}, "iot.device.QueryTopoRelationFailed"),
        ({"PageNo": 2}, "iot.device.QueryTopoRelationFailed"),
        ({"PageSize": 50, "PageNo": 201}, "iot.device.QueryTopoRelationFailed"),
        ({"NextToken": "nonsense"}, "iot.device.PageTokenIsIllegal"),
        ({"IotId": "x" * 70}, "iot.device.InvalidIoTId"),
        ({"IotId": "nobody"}, "iot.device.NotExistedDevice"),
        ({"IotId": "", "ProductKey": "", "DeviceName": "hub-1"}, "iot.prod.NullProductKey"),
        ({"IotId": "", "ProductKey": "a1nobody", "DeviceName": "hub-1"}, "iot.prod.NotExistedProduct"),
        ({"IotId": "", "ProductKey": "a1nobody", "DeviceName": ""}, "iot.device.NullDeviceName"),
        ({"IotInstanceId": "iot-other"}, "iot.device.NotExistedDevice"),
    ],
)
async def test_refused_queries(
    *, api: Api, topology: TopologyService, gateway: Device, register: Register, parameters: dict[str, Any], code: str
) -> None:
    await topology.add(gateway, await register(2))
    assert await refused(api, "GetThingTopo", **{"IotId": gateway.iot_id, "PageSize": 10, **parameters}) == code


async def test_a_token_is_good_for_its_gateway_only(
    api: Api, topology: TopologyService, gateway: Device, other_gateway: Device, register: Register
) -> None:
    await topology.add(gateway, await register(3))
    token = (await topo(api, gateway, PageSize=1))["NextToken"]
    code = await refused(api, "GetThingTopo", IotId=other_gateway.iot_id, PageSize=1, NextToken=token)
    assert code == "iot.device.PageTokenIsIllegal"


@one_database
async def test_the_page_size_is_mandatory(api: Api, gateway: Device) -> None:
    with pytest.raises(CallError, match="MissingPageSize"):
        await api.call("GetThingTopo", IotId=gateway.iot_id)


async def test_the_gateway_of_a_sub_device(
    *,
    api: Api,
    clock: FakeClock,
    devices: DeviceService,
    topology: TopologyService,
    versions: OtaVersionService,
    gateway: Device,
    register: Register,
) -> None:
    (device,) = await register(1)
    await topology.add(gateway, [device])
    expected: dict[str, Any] = {
        "DeviceName": "hub-1",
        "ProductKey": gateway.product_key,
        "DeviceSecret": gateway.secret,
        "iotId": gateway.iot_id,
        "NodeType": "1",
        "ProductName": "House_hub",
        "Status": "unactive",
        "region": "cn-shanghai",
        "GmtCreate": "2023-11-15 06:13:20",
        "UtcCreate": "2023-11-14T22:13:20.000Z",
    }
    by_name = {"ProductKey": device.product_key, "DeviceName": device.name}
    assert (await api.call("GetGatewayBySubDevice", **by_name))["Data"] == expected
    clock.advance(1.5)
    devices.connected(gateway, "10.0.0.9")
    await versions.report(gateway, "V1.0.1")
    await versions.report(gateway, "7", "radio")
    assert (await api.call("GetGatewayBySubDevice", IotId=device.iot_id))["Data"] == {
        **expected,
        "Status": "online",
        "GmtActive": "2023-11-15 06:13:21",
        "UtcActive": "2023-11-14T22:13:21.500Z",
        "GmtOnline": "2023-11-15 06:13:21",
        "UtcOnline": "2023-11-14T22:13:21.500Z",
        "IpAddress": "10.0.0.9",
        "FirmwareVersion": "V1.0.1",
    }


async def test_a_device_without_gateway(api: Api, register: Register) -> None:
    (device,) = await register(1)
    code = await refused(api, "GetGatewayBySubDevice", IotId=device.iot_id)
    assert code == "iot.device.QueryTopoRelationFailed"
    foreign = {"IotId": device.iot_id, "IotInstanceId": "iot-other"}
    assert await refused(api, "GetGatewayBySubDevice", **foreign) == "iot.device.NotExistedDevice"


@one_database
async def test_the_shapes_in_xml(api: Api, topology: TopologyService, gateway: Device, register: Register) -> None:
    first, second = await register(2)
    await topology.add(gateway, [first, second])
    root = await call_xml(api, "GetThingTopo", IotId=gateway.iot_id, PageSize=10)
    assert root.tag == "GetThingTopoResponse"
    assert [entry.text for entry in root.findall("Data/List/deviceInfo/DeviceName")] == ["meter-0", "meter-1"]
    root = await call_xml(api, "GetGatewayBySubDevice", IotId=first.iot_id)
    assert root.findtext("Data/iotId") == gateway.iot_id

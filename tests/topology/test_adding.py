"""BatchAddThingTopo, and adding through the service."""

import asyncio
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.downlink import RecordingDownlink
from tests.devices.marks import one_database
from tests.topology.calls import item, names, refused
from tests.topology.conftest import Register
from thingplane.cloud import BusinessError
from thingplane.cloud.client import CallError
from thingplane.devices.service import Device, DeviceService
from thingplane.topology.notices import TopologyNotices
from thingplane.topology.service import TopologyService


def gw(gateway: Device) -> dict[str, str]:
    return {"GwProductKey": gateway.product_key, "GwDeviceName": gateway.name}


async def test_sub_devices_are_added_with_their_signatures(api: Api, gateway: Device, register: Register) -> None:
    first, second, third = await register(3)
    items = [
        item(first, "hmacMd5"),
        item(second, "HMACSHA256", Timestamp="1579335899000", ClientId="serial 7"),
        item(third, "Sha256", ClientId="x"),
    ]
    answer = await api.call("BatchAddThingTopo", **gw(gateway), TopoAddItem=items)
    assert answer["Success"] is True
    assert await names(api, gateway) == ["meter-0", "meter-1", "meter-2"]


async def test_the_gateway_is_told(
    api: Api, gateway: Device, register: Register, notices: TopologyNotices, downlink: RecordingDownlink
) -> None:
    first, second = await register(2)
    await api.call("BatchAddThingTopo", **gw(gateway), TopoAddItem=[item(first), item(second)])
    await notices.settled()
    (notice,) = downlink.received(gateway.id)
    assert downlink.sent[0].topic == f"/sys/{gateway.product_key}/hub-1/thing/topo/change"
    assert str(notice.pop("id")).isdecimal()
    assert notice == {
        "version": "1.0",
        "method": "thing.topo.change",
        "params": {
            "status": 0,
            "subList": [{"productKey": device.product_key, "deviceName": device.name} for device in (first, second)],
        },
    }


async def test_a_sub_device_of_another_gateway_moves_and_both_are_told(
    *,
    api: Api,
    gateway: Device,
    other_gateway: Device,
    register: Register,
    notices: TopologyNotices,
    downlink: RecordingDownlink,
) -> None:
    first, second = await register(2)
    await api.call("BatchAddThingTopo", **gw(gateway), TopoAddItem=[item(first), item(second)])
    await notices.settled()
    downlink.sent.clear()
    await api.call("BatchAddThingTopo", **gw(other_gateway), TopoAddItem=[item(second)])
    assert await names(api, gateway) == ["meter-0"]
    assert await names(api, other_gateway) == ["meter-1"]
    await notices.settled()
    told = {device.id: downlink.received(device.id)[0]["params"] for device in (gateway, other_gateway)}
    subs = [{"productKey": second.product_key, "deviceName": "meter-1"}]
    assert told == {gateway.id: {"status": 1, "subList": subs}, other_gateway.id: {"status": 0, "subList": subs}}


async def test_adding_again_changes_nothing_and_tells_nobody(
    api: Api, gateway: Device, register: Register, notices: TopologyNotices, downlink: RecordingDownlink
) -> None:
    (device,) = await register(1)
    for _ in range(2):
        answer = await api.call("BatchAddThingTopo", **gw(gateway), TopoAddItem=[item(device), item(device)])
        assert answer["Success"] is True
    await notices.settled()
    assert await names(api, gateway) == ["meter-0"]
    assert len(downlink.sent) == 1


@one_database
async def test_one_bad_entry_keeps_all_out(
    api: Api, gateway: Device, other_gateway: Device, register: Register, stranger: Device
) -> None:
    good, other = await register(2)
    unknown = {**item(other), "DeviceName": "nobody"}
    bad: list[tuple[dict[str, str], str]] = [
        ({**item(other), "Sign": "0" * 40}, "iot.device.VerifyDeviceFailed"),
        ({**item(other), "Sign": ""}, "iot.device.VerifyDeviceFailed"),
        ({**item(other), "Timestamp": "1"}, "iot.device.VerifyDeviceFailed"),
        ({**item(other), "SignMethod": "rot13"}, "iot.common.InvalidFormattedParameter"),
        ({**item(other), "SignMethod": ""}, "iot.common.InvalidFormattedParameter"),
        ({**item(other), "Timestamp": ""}, "iot.common.InvalidFormattedParameter"),
        ({**item(other), "ClientId": "x" * 257}, "iot.common.InvalidFormattedParameter"),
        ({**item(other), "ProductKey": ""}, "iot.prod.NullProductKey"),
        ({**item(other), "ProductKey": "a1nobody"}, "iot.prod.NotExistedProduct"),
        ({**item(other), "DeviceName": ""}, "iot.device.NullDeviceName"),
        (unknown, "iot.device.NotExistedDevice"),
        (item(stranger), "iot.prod.NotExistedProduct"),
        (item(gateway), "iot.device.AddTopoRelationFailed"),
        (item(other_gateway), "iot.device.AddTopoRelationFailed"),
    ]
    for entry, code in bad:
        assert await refused(api, "BatchAddThingTopo", **gw(gateway), TopoAddItem=[item(good), entry]) == code, entry
    assert await names(api, gateway) == []


@one_database
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"GwProductKey": ""}, "iot.prod.NullProductKey"),
        ({"GwProductKey": "a1nobody"}, "iot.prod.NotExistedProduct"),
        ({"GwDeviceName": ""}, "iot.device.NullDeviceName"),
        ({"GwDeviceName": "nobody"}, "iot.device.NotExistedDevice"),
        ({"IotInstanceId": "iot-other"}, "iot.prod.NotExistedProduct"),
    ],
)
async def test_the_gateway_must_be_one_of_the_instance(
    api: Api, gateway: Device, register: Register, change: dict[str, str], code: str
) -> None:
    (device,) = await register(1)
    parameters: dict[str, Any] = {**gw(gateway), "TopoAddItem": [item(device)], **change}
    assert await refused(api, "BatchAddThingTopo", **parameters) == code


@one_database
async def test_a_device_that_is_no_gateway_has_no_sub_devices(api: Api, register: Register) -> None:
    first, second = await register(2)
    code = await refused(api, "BatchAddThingTopo", **gw(first), TopoAddItem=[item(second)])
    assert code == "iot.device.AddTopoRelationFailed"


@one_database
@pytest.mark.parametrize("name", ["GwProductKey", "GwDeviceName", "TopoAddItem"])
async def test_mandatory_parameters(api: Api, gateway: Device, register: Register, name: str) -> None:
    (device,) = await register(1)
    parameters: dict[str, Any] = {**gw(gateway), "TopoAddItem": [item(device)]}
    del parameters[name]
    with pytest.raises(CallError, match=f"Missing{name}"):
        await api.call("BatchAddThingTopo", **parameters)


@one_database
@pytest.mark.parametrize("name", ["ProductKey", "DeviceName", "Sign", "SignMethod"])
async def test_mandatory_fields_of_entries(api: Api, gateway: Device, register: Register, name: str) -> None:
    (device,) = await register(1)
    entry = item(device)
    del entry[name]
    with pytest.raises(CallError, match=rf"MissingTopoAddItem\.1\.{name}"):
        await api.call("BatchAddThingTopo", **gw(gateway), TopoAddItem=[entry])


async def test_limits_of_a_call_and_of_a_gateway(api: Api, gateway: Device, register: Register) -> None:
    devices = await register(13)
    items = [item(device) for device in devices]
    exceeded = "iot.device.TopoRelationCountExceeded"
    assert await refused(api, "BatchAddThingTopo", **gw(gateway), TopoAddItem=items[:11]) == exceeded
    assert (await api.call("BatchAddThingTopo", **gw(gateway), TopoAddItem=items[:10]))["Success"] is True
    assert await refused(api, "BatchAddThingTopo", **gw(gateway), TopoAddItem=items[10:]) == exceeded
    assert len(await names(api, gateway)) == 10
    # Those that are attached already do not count.
    assert (await api.call("BatchAddThingTopo", **gw(gateway), TopoAddItem=items[8:12]))["Success"] is True
    assert await refused(api, "BatchAddThingTopo", **gw(gateway), TopoAddItem=items[12:]) == exceeded


async def test_the_limit_holds_for_calls_at_the_same_time(
    topology: TopologyService, gateway: Device, register: Register
) -> None:
    devices = await register(16)
    results = await asyncio.gather(*(topology.add(gateway, [device]) for device in devices), return_exceptions=True)
    refusals = [result for result in results if isinstance(result, BusinessError)]
    assert [error.code for error in refusals] == ["iot.device.TopoRelationCountExceeded"] * 4
    assert len(await topology.sub_devices(gateway)) == 12


async def test_two_gateways_that_want_the_same_sub_devices_at_once_share_none(
    topology: TopologyService, gateway: Device, other_gateway: Device, register: Register
) -> None:
    devices = await register(4)
    wishes = [(gateway, devices), (other_gateway, devices[::-1])] * 3
    await asyncio.gather(*(topology.add(hub, subs) for hub, subs in wishes))
    owners = {(await topology.gateway_of(device.id) or device).id for device in devices}
    assert owners <= {gateway.id, other_gateway.id}
    attached = [len(await topology.sub_devices(hub)) for hub in (gateway, other_gateway)]
    assert sorted(attached) == [0, 4]


async def test_a_device_that_was_deleted_meanwhile_is_not_attached(
    topology: TopologyService, devices: DeviceService, gateway: Device, register: Register
) -> None:
    first, second = await register(2)
    await devices.delete(second)
    with pytest.raises(BusinessError, match="NotExistedDevice"):
        await topology.add(gateway, [first, second])
    assert await topology.sub_devices(gateway) == []


async def test_devices_of_another_instance_are_not_attached(
    topology: TopologyService, gateway: Device, stranger: Device
) -> None:
    with pytest.raises(BusinessError, match="NotExistedDevice"):
        await topology.add(gateway, [stranger])


async def test_a_gateway_that_adds_by_itself_needs_no_notice(
    topology: TopologyService,
    gateway: Device,
    register: Register,
    notices: TopologyNotices,
    downlink: RecordingDownlink,
) -> None:
    devices = await register(2)
    await topology.add(gateway, devices, by_gateway=True)
    assert await topology.remove(gateway, devices[:1], by_gateway=True) == devices[:1]
    await notices.settled()
    assert downlink.sent == []

"""RemoveThingTopo, and what happens when a device goes."""

import asyncio

from tests.common.api import Api
from tests.common.downlink import RecordingDownlink
from tests.topology.calls import names, refused
from tests.topology.conftest import RecordingLogins, Register
from thingplane.bus import LocalBus
from thingplane.devices.service import Device, DeviceService
from thingplane.topology.notices import TopologyNotices
from thingplane.topology.service import SubDevice, TopologyChanged, TopologyService


async def test_a_sub_device_is_detached_from_its_gateway(
    *,
    api: Api,
    topology: TopologyService,
    gateway: Device,
    register: Register,
    notices: TopologyNotices,
    downlink: RecordingDownlink,
) -> None:
    devices = await register(3)
    await topology.add(gateway, devices, by_gateway=True)
    named = {"ProductKey": devices[1].product_key, "DeviceName": devices[1].name}
    assert (await api.call("RemoveThingTopo", **named))["Data"] is True
    assert await names(api, gateway) == ["meter-0", "meter-2"]
    await notices.settled()
    subs = [{"productKey": devices[1].product_key, "deviceName": "meter-1"}]
    assert [notice["params"] for notice in downlink.received(gateway.id)] == [{"status": 1, "subList": subs}]


async def test_a_gateway_loses_all_its_sub_devices_and_no_other(
    api: Api, topology: TopologyService, gateway: Device, other_gateway: Device, register: Register
) -> None:
    devices = await register(4)
    await topology.add(gateway, devices[:3])
    await topology.add(other_gateway, devices[3:])
    assert (await api.call("RemoveThingTopo", IotId=gateway.iot_id))["Data"] is True
    assert await names(api, gateway) == []
    assert await names(api, other_gateway) == ["meter-3"]


async def test_nothing_to_remove(api: Api, gateway: Device, register: Register) -> None:
    (device,) = await register(1)
    for target in (device, gateway):
        assert await refused(api, "RemoveThingTopo", IotId=target.iot_id) == "iot.device.RemoveTopoRelationFailed"
        foreign = {"IotId": target.iot_id, "IotInstanceId": "iot-other"}
        assert await refused(api, "RemoveThingTopo", **foreign) == "iot.device.NotExistedDevice"
    assert await refused(api, "RemoveThingTopo") == "iot.prod.NullProductKey"


async def test_a_deleted_sub_device_leaves_its_gateway_which_is_told(
    *,
    api: Api,
    bus: LocalBus,
    devices: DeviceService,
    topology: TopologyService,
    gateway: Device,
    register: Register,
    notices: TopologyNotices,
    downlink: RecordingDownlink,
    logins: RecordingLogins,
) -> None:
    first, second = await register(2)
    await topology.add(gateway, [first, second], by_gateway=True)
    events: list[TopologyChanged] = []
    bus.subscribe(TopologyChanged, events.append)
    await devices.delete(second)
    assert await names(api, gateway) == ["meter-0"]
    (event,) = events
    assert (event.action, event.gateway_id, event.gateway_name) == ("delete", gateway.id, "hub-1")
    assert event.sub_devices == (SubDevice(second.id, second.iot_id, second.product_key, "meter-1"),)
    await notices.settled()
    sub = f"/sys/{second.product_key}/meter-1/thing/delete"
    hub = f"/sys/{gateway.product_key}/hub-1/thing/topo/change"
    assert [(message.device_id, message.topic) for message in downlink.sent] == [(gateway.id, sub), (gateway.id, hub)]
    assert downlink.received(gateway.id)[0]["method"] == "thing.delete"
    assert logins.ended == [(gateway.id, [second.id], True, False)]


async def test_logins_end_with_relationships(
    *,
    topology: TopologyService,
    gateway: Device,
    other_gateway: Device,
    register: Register,
    notices: TopologyNotices,  # noqa: ARG001 - tells the logins
    logins: RecordingLogins,
) -> None:
    first, second = await register(2)
    await topology.add(gateway, [first, second])
    await topology.add(other_gateway, [second], by_gateway=True)
    await topology.remove(gateway, [first], by_gateway=True)
    assert logins.ended == [(gateway.id, [second.id], False, False), (gateway.id, [first.id], False, True)]


async def test_a_reset_device_leaves_its_gateway_and_a_reset_gateway_its_sub_devices(
    *, bus: LocalBus, devices: DeviceService, topology: TopologyService, gateway: Device, register: Register
) -> None:
    first, second = await register(2)
    await topology.add(gateway, [first, second], by_gateway=True)
    events: list[TopologyChanged] = []
    bus.subscribe(TopologyChanged, events.append)
    await devices.reset(second)
    assert await topology.sub_devices(gateway) == [first]
    assert [(event.action, event.sub_devices[0].device_id) for event in events] == [("delete", second.id)]
    await devices.reset(gateway)
    assert await topology.sub_devices(gateway) == []
    gone = SubDevice(first.id, first.iot_id, first.product_key, first.name)
    assert (events[1].action, events[1].gateway_iot_id, events[1].sub_devices) == ("delete", gateway.iot_id, (gone,))
    await devices.reset(gateway)
    assert len(events) == 2


async def test_a_deleted_gateway_frees_its_sub_devices(
    devices: DeviceService, topology: TopologyService, gateway: Device, register: Register
) -> None:
    subs = await register(2)
    await topology.add(gateway, subs)
    await devices.delete(gateway)
    assert [await topology.gateway_of(device.id) for device in subs] == [None, None]


async def test_a_device_that_is_added_and_deleted_at_once_leaves_nothing(
    devices: DeviceService, topology: TopologyService, gateway: Device, register: Register
) -> None:
    subs = await register(6)
    calls = [call for device in subs for call in (topology.add(gateway, [device]), devices.delete(device))]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(result is None or "NotExistedDevice" in str(result) for result in results)
    assert await topology.sub_devices(gateway) == []


async def test_the_gateway_is_told_when_a_sub_device_is_disabled_or_enabled(
    *,
    devices: DeviceService,
    topology: TopologyService,
    gateway: Device,
    register: Register,
    notices: TopologyNotices,
    downlink: RecordingDownlink,
) -> None:
    first, alone = await register(2)
    await topology.add(gateway, [first], by_gateway=True)
    await devices.disable(first)
    await notices.settled()
    await devices.enable(first)
    await devices.disable(alone)
    await notices.settled()
    subs = [{"productKey": first.product_key, "deviceName": "meter-0"}]
    told = [(notice["method"], notice["params"]) for notice in downlink.received(gateway.id)]
    assert told == [
        ("thing.disable", {}),
        ("thing.topo.change", {"status": 8, "subList": subs}),
        ("thing.enable", {}),
        ("thing.topo.change", {"status": 2, "subList": subs}),
    ]
    assert [message.topic for message in downlink.sent[::2]] == [
        f"/sys/{first.product_key}/meter-0/thing/disable",
        f"/sys/{first.product_key}/meter-0/thing/enable",
    ]
    assert len(downlink.sent) == 4


async def test_a_device_that_is_reset_has_no_relationships_any_more(
    *,
    devices: DeviceService,
    topology: TopologyService,
    gateway: Device,
    other_gateway: Device,
    register: Register,
    notices: TopologyNotices,
    downlink: RecordingDownlink,
) -> None:
    first, second, third = await register(3)
    await topology.add(gateway, [first, second], by_gateway=True)
    await topology.add(other_gateway, [third], by_gateway=True)
    await devices.reset(first)
    await devices.reset(other_gateway)
    assert await topology.sub_devices(gateway) == [second]
    assert await topology.gateway_of(third.id) is None
    await notices.settled()
    assert [message.device_id for message in downlink.sent] == [gateway.id]

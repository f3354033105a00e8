"""GetDeviceStatus, BatchGetDeviceState, DisableThing and EnableThing."""

from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.devices.marks import one_database
from thingplane.bus import LocalBus
from thingplane.devices.service import Device, DeviceDisabled, DeviceEnabled, DeviceService
from thingplane.products.service import Product


@pytest.fixture
async def device(devices: DeviceService, product: Product) -> Device:
    return await devices.register(product, "lamp-1")


async def status(api: Api, device: Device) -> tuple[str, int]:
    data = (await api.call("GetDeviceStatus", IotId=device.iot_id))["Data"]
    return data["Status"], data["Timestamp"]


async def test_the_state_and_since_when_follow_connections_and_switches(
    api: Api, clock: FakeClock, devices: DeviceService, product: Product
) -> None:
    device = await devices.register(product, "lamp-1")
    start = clock.now_ms()
    assert await status(api, device) == ("UNACTIVE", start)
    clock.advance(1)
    devices.connected(device, "10.0.0.1")
    assert await status(api, device) == ("ONLINE", start + 1000)
    clock.advance(1)
    devices.disconnected(device)
    assert await status(api, device) == ("OFFLINE", start + 2000)
    clock.advance(1)
    await api.call("DisableThing", IotId=device.iot_id)
    assert await status(api, device) == ("DISABLE", start + 3000)
    clock.advance(1)
    await api.call("EnableThing", IotId=device.iot_id)
    assert await status(api, device) == ("OFFLINE", start + 4000)


async def test_a_device_that_is_disabled_before_its_first_connection_is_unactive_again_afterwards(
    api: Api, clock: FakeClock, devices: DeviceService, product: Product
) -> None:
    device = await devices.register(product, "lamp-1")
    await api.call("DisableThing", IotId=device.iot_id)
    assert (await status(api, device))[0] == "DISABLE"
    clock.advance(1)
    await api.call("EnableThing", IotId=device.iot_id)
    assert await status(api, device) == ("UNACTIVE", clock.now_ms())


async def test_switches_are_announced_once_and_are_durable(
    api: Api, clock: FakeClock, bus: LocalBus, other_node: DeviceService, device: Device
) -> None:
    told: list[DeviceDisabled | DeviceEnabled] = []
    bus.subscribe(DeviceDisabled, told.append)
    bus.subscribe(DeviceEnabled, told.append)
    who = (device.id, device.product_key, device.name)
    first = clock.now_ms()
    for _ in range(2):
        assert (await api.call("DisableThing", IotId=device.iot_id))["Success"]
        clock.advance(1)
    assert told == [DeviceDisabled(*who, first)]
    stored = await other_node.by_id(device.id)
    assert stored is not None
    assert (stored.enabled, stored.switched_at) == (False, first)
    for _ in range(2):
        assert (await api.call("EnableThing", IotId=device.iot_id))["Success"]
        clock.advance(1)
    assert told[1:] == [DeviceEnabled(*who, first + 2000)]


async def test_a_switch_made_by_another_node_is_noticed(
    devices: DeviceService, other_node: DeviceService, device: Device
) -> None:
    seen = await other_node.by_id(device.id)
    assert seen is not None
    await other_node.disable(seen)
    assert devices.status(device) == "DISABLE"
    await other_node.delete(seen)
    assert devices.cached(device.product_key, device.name) is None


async def test_states_of_several_devices_by_name(
    api: Api, clock: FakeClock, devices: DeviceService, product: Product
) -> None:
    online = await devices.register(product, "lamp-1")
    fresh = await devices.register(product, "lamp-2")
    clock.advance(20)
    devices.connected(online, "192.0.2.1")
    answer = await api.call(
        "BatchGetDeviceState", ProductKey=product.product_key, DeviceName=["lamp-1", "nobody", "lamp-2", "lamp-1"]
    )
    assert answer["DeviceStatusList"]["DeviceStatus"] == [
        {
            "IotId": online.iot_id,
            "DeviceId": online.iot_id[:21],
            "DeviceName": "lamp-1",
            "Status": "ONLINE",
            "Timestamp": clock.now_ms(),
            "AsAddress": "192.0.2.1",
            "LastOnlineTime": "2023-11-15 06:13:40",
        },
        {
            "IotId": fresh.iot_id,
            "DeviceId": fresh.iot_id[:21],
            "DeviceName": "lamp-2",
            "Status": "UNACTIVE",
            "Timestamp": clock.now_ms() - 20_000,
        },
    ]


async def test_states_of_several_devices_by_iot_id(
    api: Api, devices: DeviceService, product: Product, gateway_product: Product, foreign_product: Product
) -> None:
    lamp = await devices.register(product, "lamp-1")
    hub = await devices.register(gateway_product, "hub-1")
    foreign = await devices.register(foreign_product, "lamp-1")
    answer = await api.call(
        "BatchGetDeviceState",
        IotId=[hub.iot_id, foreign.iot_id, lamp.iot_id, "nobody"],
        ProductKey=product.product_key,
        DeviceName=["ignored"],
    )
    assert [entry["IotId"] for entry in answer["DeviceStatusList"]["DeviceStatus"]] == [hub.iot_id, lamp.iot_id]


@one_database
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "iot.prod.NullProductKey"),
        ({"DeviceName": ["lamp-1"]}, "iot.prod.NullProductKey"),
        ({"ProductKey": "its key"}, "iot.device.NoneDeviceNameElement"),
        ({"ProductKey": "its key", "DeviceName": [""]}, "iot.device.NullDeviceName"),
        ({"ProductKey": "a1nosuchkey", "DeviceName": ["lamp-1"]}, "iot.prod.NotExistedProduct"),
        ({"ProductKey": "its key", "DeviceName": ["lamp"] * 51}, "iot.common.InvalidFormattedParameter"),
        ({"IotId": ["not an id"]}, "iot.device.InvalidIoTId"),
        ({"IotId": ["Q7uOhVRdZRRlDnTLv123000100"] * 51}, "iot.common.InvalidFormattedParameter"),
    ],
)
async def test_violations_have_their_documented_code(
    api: Api, product: Product, parameters: dict[str, Any], code: str
) -> None:
    if parameters.get("ProductKey") == "its key":
        parameters = parameters | {"ProductKey": product.product_key}
    answer = await api.call("BatchGetDeviceState", **parameters)
    assert (answer["Success"], answer["Code"]) == (False, code)

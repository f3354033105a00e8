"""ResetThing."""

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.devices.marks import one_database
from thingplane.bus import LocalBus
from thingplane.devices.service import Device, DeviceReset, DeviceService
from thingplane.devices.service import devices as table
from thingplane.products.service import Product


@pytest.fixture
async def device(devices: DeviceService, product: Product) -> Device:
    return await devices.register(product, "lamp-1")


async def fresh(other_node: DeviceService, device: Device) -> Device:
    stored = await other_node.by_id(device.id)
    assert stored is not None
    return stored


async def test_a_device_counts_as_never_connected_and_keeps_its_secret(
    api: Api, devices: DeviceService, device: Device, other_node: DeviceService, clock: FakeClock
) -> None:
    secret = device.secret
    devices.connected(device, "10.0.0.1")
    devices.disconnected(device)
    clock.advance(5)
    assert (await api.call("ResetThing", IotId=device.iot_id)) == {
        key: value for key, value in api.answers[-1][1].items() if key in ("RequestId", "Success")
    }
    detail = (await api.call("QueryDeviceDetail", IotId=device.iot_id))["Data"]
    assert (detail["Status"], detail["DeviceSecret"]) == ("UNACTIVE", secret)
    assert {"GmtActive", "UtcActive", "GmtOnline", "IpAddress"}.isdisjoint(detail)
    status = (await api.call("GetDeviceStatus", IotId=device.iot_id))["Data"]
    assert status == {"Status": "UNACTIVE", "Timestamp": clock.now_ms()}
    await devices.close()
    assert await fresh(other_node, device) == device


async def test_it_activates_again_when_it_connects(
    api: Api, devices: DeviceService, product: Product, device: Device, clock: FakeClock
) -> None:
    devices.connected(device, "10.0.0.1")
    devices.disconnected(device)
    await api.call("ResetThing", ProductKey=product.product_key, DeviceName="lamp-1")
    clock.advance(60)
    devices.connected(device, "10.0.0.2")
    assert devices.status(device) == "ONLINE"
    assert device.activated_at == clock.now_ms()


async def test_the_end_of_its_connection_does_not_make_it_offline(
    devices: DeviceService, device: Device, other_node: DeviceService, bus: LocalBus
) -> None:
    told: list[DeviceReset] = []
    bus.subscribe(DeviceReset, told.append)
    devices.connected(device, "10.0.0.1")
    await devices.reset(device)
    assert [(event.device_id, event.name) for event in told] == [(device.id, "lamp-1")]
    assert devices.status(device) == "UNACTIVE"
    devices.disconnected(device)
    assert devices.status(device) == "UNACTIVE"
    assert (await devices.lists.by_status(1, 0, 10)) == (1, [device])
    assert (await fresh(other_node, device)).offline_at is None


async def test_times_that_are_not_written_yet_do_not_undo_it(
    devices: DeviceService, device: Device, other_node: DeviceService
) -> None:
    devices.connected(device, "10.0.0.1")
    devices.disconnected(device)
    await asyncio.gather(devices._presence.flush(), devices.reset(device), devices._presence.flush())
    await devices.close()
    assert (await fresh(other_node, device)).activated_at is None


async def test_a_disabled_device_stays_disabled(devices: DeviceService, device: Device) -> None:
    devices.connected(device, "10.0.0.1")
    devices.disconnected(device)
    await devices.disable(device)
    await devices.reset(device)
    assert devices.status(device) == "DISABLE"
    await devices.enable(device)
    assert devices.status(device) == "UNACTIVE"


async def test_what_hangs_on_its_connection_is_reset_with_it_or_not_at_all(
    devices: DeviceService, device: Device, other_node: DeviceService
) -> None:
    devices.connected(device, "10.0.0.1")
    devices.disconnected(device)
    refuse = True

    async def hook(connection: AsyncConnection, device_id: int) -> None:
        query = select(table.c.activated_at).where(table.c.id == device_id)
        assert (await connection.execute(query)).scalar_one() is None
        if refuse:
            raise OSError("no")

    devices.on_reset.append(hook)
    with pytest.raises(OSError, match="no"):
        await devices.reset(device)
    assert devices.status(device) == "OFFLINE"
    refuse = False
    await devices.reset(device)
    assert devices.status(await fresh(other_node, device)) == "UNACTIVE"


async def test_a_device_that_is_deleted_meanwhile_does_not_exist(devices: DeviceService, device: Device) -> None:
    await devices.delete(device)
    with pytest.raises(Exception, match=r"iot\.device\.NotExistedDevice"):
        await devices.reset(device)


@one_database
@pytest.mark.parametrize(
    ("address", "code"),
    [
        ({}, "iot.prod.NullProductKey"),
        ({"ProductKey": "a1nosuchkey"}, "iot.device.NullDeviceName"),
        ({"ProductKey": "a1nosuchkey", "DeviceName": "lamp-1"}, "iot.prod.NotExistedProduct"),
        ({"IotId": "!"}, "iot.device.InvalidIoTId"),
        ({"IotId": "nosuchdevice"}, "iot.device.NotExistedDevice"),
    ],
)
async def test_violations_have_their_documented_code(api: Api, address: dict[str, str], code: str) -> None:
    assert (await api.call("ResetThing", **address))["Code"] == code

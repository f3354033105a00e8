"""QueryClientIds, TransformClientId and DeleteClientIds."""

import asyncio
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.devices.conftest import Xml
from tests.devices.marks import one_database
from thingplane.bus import LocalBus
from thingplane.cloud.client import CallError
from thingplane.devices.service import ClientIdsBarred, Device, DeviceService
from thingplane.products.service import Product


@pytest.fixture
async def device(devices: DeviceService, product: Product) -> Device:
    return await devices.register(product, "lamp-1")


@pytest.fixture
async def registered(devices: DeviceService, device: Device, clock: FakeClock) -> list[str]:
    """Client ids of the device, oldest first."""
    for client_id in ("second", "first", "third"):
        clock.advance(1)
        await devices.client_ids.add(device, client_id, f"token of {client_id}")
    return ["second", "first", "third"]


async def listed(api: Api, device: Device) -> list[str]:
    answer = await api.call("QueryClientIds", IotId=device.iot_id)
    return [entry["ClientId"] for entry in answer["Data"]["DynamicRegClientIds"]]


async def test_client_ids_are_listed(api: Api, device: Device, registered: list[str], clock: FakeClock) -> None:
    answer = await api.call("QueryClientIds", IotId=device.iot_id)
    now = clock.now_ms()
    assert answer["Data"] == {
        "IotId": device.iot_id,
        "DynamicRegClientIds": [
            {"ClientId": client_id, "CreateTime": now - age}
            for client_id, age in zip(registered, (2000, 1000, 0), strict=True)
        ],
    }


async def test_a_device_without_client_ids(api: Api, device: Device) -> None:
    assert await listed(api, device) == []
    assert (await api.call("DeleteClientIds", IotId=device.iot_id))["Success"]


async def test_one_stays_and_the_others_are_barred(
    api: Api, devices: DeviceService, device: Device, registered: list[str], bus: LocalBus
) -> None:
    barred: list[ClientIdsBarred] = []
    bus.subscribe(ClientIdsBarred, barred.append)
    answer = await api.call("TransformClientId", IotId=device.iot_id, ClientId="first")
    assert (answer["Success"], answer["Code"]) == (True, "Success")
    assert await listed(api, device) == ["first"]
    assert [(event.device_id, set(event.client_ids)) for event in barred] == [(device.id, set(registered) - {"first"})]
    assert await devices.client_ids.verify(device, "first", "token of first")
    assert not await devices.client_ids.verify(device, "second", "token of second")
    await api.call("TransformClientId", IotId=device.iot_id, ClientId="first")
    assert len(barred) == 1


async def test_all_are_barred(
    api: Api, devices: DeviceService, device: Device, registered: list[str], bus: LocalBus
) -> None:
    barred: list[ClientIdsBarred] = []
    bus.subscribe(ClientIdsBarred, barred.append)
    answer = await api.call("DeleteClientIds", IotId=device.iot_id)
    assert (answer["Success"], answer["Code"]) == (True, "Success")
    assert await listed(api, device) == []
    assert [set(event.client_ids) for event in barred] == [set(registered)]
    await devices.client_ids.add(device, "fourth", "token")


async def test_an_unknown_client_id_bars_nobody(api: Api, device: Device, registered: list[str]) -> None:
    answer = await api.call("TransformClientId", IotId=device.iot_id, ClientId="none")
    assert answer["Code"] == "iot.common.InvalidFormattedParameter"
    assert await listed(api, device) == registered


async def test_a_token_belongs_to_its_client_id_and_device(
    devices: DeviceService, product: Product, device: Device, registered: list[str]
) -> None:
    other = await devices.register(product, "lamp-2")
    verify = devices.client_ids.verify
    assert await verify(device, registered[0], f"token of {registered[0]}")
    assert not await verify(device, registered[0], f"token of {registered[1]}")
    assert not await verify(device, registered[0], "")
    assert not await verify(other, registered[0], f"token of {registered[0]}")


async def test_five_physical_devices_register_at_most_also_at_once(devices: DeviceService, device: Device) -> None:
    answers = await asyncio.gather(
        *(devices.client_ids.add(device, f"client-{number}", "token") for number in range(8)), return_exceptions=True
    )
    refused = [str(answer) for answer in answers if answer is not None]
    assert len(refused) == 3
    assert all("iot.device.VerifyDeviceFailed" in text for text in refused)
    assert len(await devices.client_ids.list(device)) == 5


async def test_a_client_id_is_given_once(devices: DeviceService, device: Device, registered: list[str]) -> None:
    with pytest.raises(Exception, match=r"iot\.device\.VerifyDeviceFailed"):
        await devices.client_ids.add(device, registered[0], "another token")
    assert await devices.client_ids.verify(device, registered[0], f"token of {registered[0]}")


@pytest.mark.usefixtures("registered")
async def test_client_ids_go_with_the_device(devices: DeviceService, device: Device) -> None:
    await devices.delete(device)
    assert await devices.client_ids.list(device) == []
    with pytest.raises(Exception, match=r"iot\.device\.NotExistedDevice"):
        await devices.client_ids.add(device, "fourth", "token")


@one_database
@pytest.mark.parametrize(
    ("action", "more"), [("QueryClientIds", {}), ("TransformClientId", {"ClientId": "first"}), ("DeleteClientIds", {})]
)
async def test_violations_have_their_documented_code(
    api: Api, devices: DeviceService, foreign_product: Product, action: str, more: dict[str, Any]
) -> None:
    foreign = await devices.register(foreign_product, "lamp-9")
    for iot_id, code in (
        ("", "iot.device.InvalidIoTId"),
        ("!", "iot.device.InvalidIoTId"),
        ("a" * 65, "iot.device.InvalidIoTId"),
        ("nosuchdevice", "iot.device.NotExistedDevice"),
        (foreign.iot_id, "iot.device.NotExistedDevice"),
    ):
        assert (await api.call(action, IotId=iot_id, **more))["Code"] == code
    with pytest.raises(CallError, match="MissingIotId"):
        await api.call(action, **more)


@one_database
async def test_the_client_id_to_keep_is_mandatory(api: Api, device: Device) -> None:
    with pytest.raises(CallError, match="MissingClientId"):
        await api.call("TransformClientId", IotId=device.iot_id)
    answer = await api.call("TransformClientId", IotId=device.iot_id, ClientId="")
    assert answer["Code"] == "iot.common.InvalidFormattedParameter"


async def test_the_bare_list_repeats_its_element_in_xml(xml: Xml, device: Device, registered: list[str]) -> None:
    root = await xml("QueryClientIds", IotId=device.iot_id)
    assert [entry.text for entry in root.findall("Data/DynamicRegClientIds/ClientId")] == registered
    assert (await xml("DeleteClientIds", IotId=device.iot_id)).findtext("Code") == "Success"

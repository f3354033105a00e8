"""BatchUpdateDeviceNickname."""

from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.devices.marks import one_database
from thingplane.devices.service import Device, DeviceService
from thingplane.products.service import Product


@pytest.fixture
async def lamps(devices: DeviceService, product: Product) -> list[Device]:
    return [await devices.register(product, f"lamp-{number}", f"Lamp_{number}") for number in range(3)]


async def update(api: Api, *entries: dict[str, str]) -> dict[str, Any]:
    return await api.call("BatchUpdateDeviceNickname", DeviceNicknameInfo=list(entries))


async def stored(other_node: DeviceService, devices: list[Device]) -> list[str | None]:
    return [device.nickname for device in await other_node.several_by_id([device.id for device in devices])]


async def test_nicknames_are_changed_and_removed(
    api: Api, clock: FakeClock, lamps: list[Device], other_node: DeviceService
) -> None:
    clock.advance(5)
    answer = await update(
        api,
        {"ProductKey": lamps[0].product_key, "DeviceName": "lamp-0", "Nickname": "airconditioning_type1"},
        {"IotId": lamps[1].iot_id, "ProductKey": "ignored", "DeviceName": "ignored"},
    )
    assert answer["Success"] is True
    assert [device.nickname for device in lamps] == ["airconditioning_type1", None, "Lamp_2"]
    assert [device.modified_at for device in lamps[:2]] == [clock.now_ms()] * 2
    assert lamps[2].modified_at < clock.now_ms()
    assert await stored(other_node, lamps) == ["airconditioning_type1", None, "Lamp_2"]
    detail = await api.call("QueryDeviceDetail", IotId=lamps[0].iot_id)
    assert detail["Data"]["Nickname"] == "airconditioning_type1"


async def test_of_a_device_that_is_listed_twice_the_last_nickname_counts(api: Api, lamps: list[Device]) -> None:
    await update(api, {"IotId": lamps[0].iot_id, "Nickname": "first"}, {"IotId": lamps[0].iot_id, "Nickname": "second"})
    assert lamps[0].nickname == "second"


@one_database
@pytest.mark.parametrize("nickname", ["lamp", "路灯", "a" * 32, "灯" * 16])
async def test_documented_nicknames_are_taken(api: Api, lamps: list[Device], nickname: str) -> None:
    assert (await update(api, {"IotId": lamps[0].iot_id, "Nickname": nickname}))["Success"]
    assert lamps[0].nickname == nickname


NICKNAME = "iot.device.InvalidDeviceNickNameExisted"


@one_database
@pytest.mark.parametrize(
    ("entry", "code"),
    [
        *(({"Nickname": nickname}, NICKNAME) for nickname in ("abc", "a" * 33, "灯", "灯" * 17, "a-b-c", "")),
        ({"IotId": "", "Nickname": "lamp"}, "iot.prod.NullProductKey"),
        ({"IotId": "", "DeviceName": "lamp-1"}, "iot.prod.NullProductKey"),
        ({"IotId": "!"}, "iot.device.InvalidIoTId"),
        ({"IotId": "nosuchdevice"}, "iot.device.NotExistedDevice"),
        ({"IotId": "", "ProductKey": "a1nosuchkey", "DeviceName": "lamp-1"}, "iot.prod.NotExistedProduct"),
    ],
)
async def test_one_wrong_entry_changes_nothing(
    api: Api, lamps: list[Device], other_node: DeviceService, entry: dict[str, str], code: str
) -> None:
    good = {"IotId": lamps[0].iot_id, "Nickname": "changed"}
    answer = await update(api, good, {"IotId": lamps[1].iot_id} | entry)
    assert (answer["Success"], answer["Code"]) == (False, code)
    assert await stored(other_node, lamps) == ["Lamp_0", "Lamp_1", "Lamp_2"]


@one_database
async def test_a_list_without_entries_is_refused(api: Api) -> None:
    assert (await api.call("BatchUpdateDeviceNickname"))["Code"] == "iot.common.InvalidFormattedParameter"


async def test_a_device_that_goes_meanwhile_changes_nothing(
    devices: DeviceService, lamps: list[Device], other_node: DeviceService
) -> None:
    await devices.delete(lamps[1])
    with pytest.raises(Exception, match=r"iot\.device\.NotExistedDevice"):
        await devices.rename({lamps[0].id: "changed", lamps[1].id: "changed"})
    assert await stored(other_node, lamps) == ["Lamp_0", "Lamp_2"]


async def test_devices_of_other_instances_do_not_exist(
    api: Api, devices: DeviceService, foreign_product: Product
) -> None:
    foreign = await devices.register(foreign_product, "lamp-9")
    assert (await update(api, {"IotId": foreign.iot_id, "Nickname": "mine"}))["Code"] == "iot.device.NotExistedDevice"

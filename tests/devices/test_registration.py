"""RegisterDevice and DeleteDevice."""

import asyncio
import re
from typing import Any

import pytest

from tests.common.api import Api
from tests.devices.marks import one_database
from thingplane.bus import LocalBus
from thingplane.cloud.client import CallError
from thingplane.devices.service import DeviceDeleted, DeviceService
from thingplane.products.service import Product, ProductService


async def test_a_device_gets_a_secret_and_an_iot_id(api: Api, product: Product) -> None:
    answer = await api.call(
        "RegisterDevice", ProductKey=product.product_key, DeviceName="lamp-1", Nickname="detectors_in_beijing"
    )
    data = answer["Data"]
    assert answer["Success"] is True
    assert (data["ProductKey"], data["DeviceName"]) == (product.product_key, "lamp-1")
    assert data["Nickname"] == "detectors_in_beijing"
    assert re.fullmatch("[0-9a-f]{32}", data["DeviceSecret"])
    assert re.fullmatch("[A-Za-z0-9]{27}", data["IotId"])


async def test_a_device_without_a_name_gets_one(api: Api, product: Product) -> None:
    first = await api.call("RegisterDevice", ProductKey=product.product_key)
    second = await api.call("RegisterDevice", ProductKey=product.product_key)
    assert re.fullmatch("[A-Za-z0-9]{20}", first["Data"]["DeviceName"])
    assert first["Data"]["DeviceName"] != second["Data"]["DeviceName"]
    assert first["Data"]["Nickname"] == ""


@one_database
@pytest.mark.parametrize("name", ["abcd", "a" * 32, "A-z_0@9.x:y", "1234"])
async def test_documented_names_are_taken(api: Api, product: Product, name: str) -> None:
    answer = await api.call("RegisterDevice", ProductKey=product.product_key, DeviceName=name)
    assert answer["Data"]["DeviceName"] == name


@one_database
@pytest.mark.parametrize("nickname", ["lamp", "路灯", "Lamp_0123", "a" * 64, "灯" * 32])
async def test_documented_nicknames_are_taken(api: Api, product: Product, nickname: str) -> None:
    answer = await api.call("RegisterDevice", ProductKey=product.product_key, Nickname=nickname)
    assert answer["Data"]["Nickname"] == nickname


INVALID_NAME = "iot.device.InvalidFormattedDeviceName"
INVALID = "iot.common.InvalidFormattedParameter"
LORA_BY_VENDOR = {"LoraNodeType": "ALIYUNDEFINED", "DevEui": "d896e0ff00000001", "PinCode": "1234"}
LORA_BY_USER = {"LoraNodeType": "USERDEFINED", "DevEui": "d896e0ff00000001", "JoinEui": "d8", "AppKey": "00"}


@one_database
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"DeviceName": "abc"}, INVALID_NAME),
        ({"DeviceName": "a" * 33}, INVALID_NAME),
        ({"DeviceName": "lamp 1"}, INVALID_NAME),
        ({"DeviceName": "lamp/1"}, INVALID_NAME),
        ({"DeviceName": "lamp+"}, INVALID_NAME),
        ({"DeviceName": "lamp-1\n"}, INVALID_NAME),
        ({"DeviceName": "路灯路灯"}, INVALID_NAME),
        ({"DeviceName": ""}, "iot.device.NullDeviceName"),
        ({"Nickname": "abc"}, INVALID),
        ({"Nickname": ""}, INVALID),
        ({"Nickname": "灯"}, INVALID),
        ({"Nickname": "a" * 65}, INVALID),
        ({"Nickname": "灯" * 33}, INVALID),
        ({"Nickname": "street-light"}, INVALID),
        ({"ProductKey": ""}, "iot.prod.NullProductKey"),
        ({"ProductKey": "a1nosuchkey"}, "iot.prod.NotExistedProduct"),
        ({"LoraNodeType": "OTHER"}, INVALID),
        (LORA_BY_VENDOR, "iot.device.CreateDeviceFailed"),
        (LORA_BY_USER, "iot.device.CreateDeviceFailed"),
        ({"DevEui": "d896e0ff00000001"}, "iot.device.CreateDeviceFailed"),
        ({"PinCode": "1234"}, INVALID),
        *((LORA_BY_VENDOR | {name: ""}, INVALID) for name in ("DevEui", "PinCode")),
        *((LORA_BY_USER | {name: ""}, INVALID) for name in ("DevEui", "JoinEui", "AppKey")),
    ],
)
async def test_violations_have_their_documented_code_and_create_nothing(
    api: Api, product: Product, devices: DeviceService, parameters: dict[str, Any], code: str
) -> None:
    answer = await api.call("RegisterDevice", **({"ProductKey": product.product_key} | parameters))
    assert (answer["Success"], answer["Code"]) == (False, code)
    assert await devices.lists.of_product(product.id, 10) == (0, [])


async def test_the_product_key_is_mandatory(api: Api) -> None:
    with pytest.raises(CallError, match="MissingProductKey"):
        await api.call("RegisterDevice", DeviceName="lamp-1")


async def test_a_name_is_taken_once_in_a_product(api: Api, product: Product, gateway_product: Product) -> None:
    first = await api.call("RegisterDevice", ProductKey=product.product_key, DeviceName="lamp-1")
    second = await api.call("RegisterDevice", ProductKey=product.product_key, DeviceName="lamp-1")
    assert second["Code"] == "iot.device.AlreadyExistedDeviceName"
    assert (await api.call("RegisterDevice", ProductKey=product.product_key, DeviceName="Lamp-1"))["Success"]
    assert (await api.call("RegisterDevice", ProductKey=gateway_product.product_key, DeviceName="lamp-1"))["Success"]
    kept = await api.call("QueryDeviceInfo", IotId=first["Data"]["IotId"])
    assert kept["Data"]["DeviceSecret"] == first["Data"]["DeviceSecret"]


async def test_of_registrations_of_one_name_at_once_exactly_one_succeeds(api: Api, product: Product) -> None:
    answers = await asyncio.gather(
        *(api.call("RegisterDevice", ProductKey=product.product_key, DeviceName="lamp-1") for _ in range(8))
    )
    codes = [answer.get("Code") for answer in answers if not answer["Success"]]
    assert codes == ["iot.device.AlreadyExistedDeviceName"] * 7


async def test_a_product_of_another_instance_does_not_exist(api: Api, foreign_product: Product) -> None:
    answer = await api.call("RegisterDevice", ProductKey=foreign_product.product_key, DeviceName="lamp-1")
    assert answer["Code"] == "iot.prod.NotExistedProduct"
    answer = await api.call("RegisterDevice", ProductKey=foreign_product.product_key, IotInstanceId="iot-other")
    assert answer["Success"]


async def test_no_device_is_created_under_a_product_that_was_just_deleted(
    product: Product, products: ProductService, devices: DeviceService
) -> None:
    await products.delete(product)
    with pytest.raises(Exception, match=r"iot\.prod\.NotExistedProduct"):
        await devices.register(product, "lamp-1")


async def test_a_product_with_devices_is_not_deleted(
    product: Product, products: ProductService, devices: DeviceService
) -> None:
    device = await devices.register(product, "lamp-1")
    assert await products.device_counts([product.id]) == {product.id: 1}
    with pytest.raises(Exception, match="1 devices"):
        await products.delete(product)
    await devices.delete(device)
    await products.delete(product)


async def test_a_deleted_device_is_gone_and_its_name_is_free(
    api: Api, bus: LocalBus, product: Product, devices: DeviceService
) -> None:
    deleted: list[DeviceDeleted] = []
    bus.subscribe(DeviceDeleted, deleted.append)
    device = await devices.register(product, "lamp-1")
    by_name = {"ProductKey": product.product_key, "DeviceName": "lamp-1"}
    assert (await api.call("DeleteDevice", **by_name))["Success"]
    assert deleted == [DeviceDeleted(device.id, product.product_key, "lamp-1")]
    for named in (by_name, {"IotId": device.iot_id}):
        for action in ("DeleteDevice", "QueryDeviceDetail", "GetDeviceStatus", "DisableThing", "EnableThing"):
            assert (await api.call(action, **named))["Code"] == "iot.device.NotExistedDevice"
    again = await api.call("RegisterDevice", **by_name)
    assert again["Data"]["IotId"] != device.iot_id
    assert again["Data"]["DeviceSecret"] != device.secret

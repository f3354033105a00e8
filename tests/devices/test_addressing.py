"""How the operations on one device find it."""

from typing import Any

import pytest

from tests.common.api import Api
from tests.devices.marks import one_database
from thingplane.devices.service import DeviceService
from thingplane.products.service import Product

ACTIONS = ["QueryDeviceInfo", "QueryDeviceDetail", "GetDeviceStatus", "DisableThing", "EnableThing", "DeleteDevice"]


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_device_has_two_addresses(api: Api, devices: DeviceService, product: Product, action: str) -> None:
    device = await devices.register(product, "lamp-1")
    await devices.register(product, "lamp-2")
    assert (await api.call(action, ProductKey=product.product_key, DeviceName="lamp-2"))["Success"]
    answer = await api.call(action, IotId=device.iot_id, ProductKey="a1nosuchkey", DeviceName="nobody")
    assert answer["Success"], "IotId outranks the other two"


@one_database
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "iot.prod.NullProductKey"),
        ({"DeviceName": "lamp-1"}, "iot.prod.NullProductKey"),
        ({"ProductKey": "", "DeviceName": "lamp-1"}, "iot.prod.NullProductKey"),
        ({"ProductKey": "its key"}, "iot.device.NullDeviceName"),
        ({"ProductKey": "its key", "DeviceName": ""}, "iot.device.NullDeviceName"),
        ({"ProductKey": "its key", "DeviceName": "LAMP-1"}, "iot.device.NotExistedDevice"),
        ({"ProductKey": "a1nosuchkey", "DeviceName": "lamp-1"}, "iot.prod.NotExistedProduct"),
        ({"IotId": "Q7uOhVRdZRRlDnTLv123000100"}, "iot.device.NotExistedDevice"),
        ({"IotId": "not an id"}, "iot.device.InvalidIoTId"),
        ({"IotId": "x" * 65}, "iot.device.InvalidIoTId"),
    ],
)
async def test_wrong_addresses_have_their_documented_code(
    api: Api, devices: DeviceService, product: Product, parameters: dict[str, Any], code: str
) -> None:
    device = await devices.register(product, "lamp-1")
    if parameters.get("ProductKey") == "its key":
        parameters = parameters | {"ProductKey": product.product_key}
    for action in ACTIONS:
        answer = await api.call(action, **parameters)
        assert (action, answer["Success"], answer["Code"]) == (action, False, code)
    assert await devices.find(product.product_key, "lamp-1") is device
    assert devices.status(device) == "UNACTIVE"


@pytest.mark.parametrize("action", ACTIONS)
async def test_devices_of_another_instance_do_not_exist(
    api: Api, devices: DeviceService, foreign_product: Product, action: str
) -> None:
    device = await devices.register(foreign_product, "lamp-1")
    by_name = {"ProductKey": foreign_product.product_key, "DeviceName": "lamp-1"}
    assert (await api.call(action, **by_name))["Code"] == "iot.prod.NotExistedProduct"
    assert (await api.call(action, IotId=device.iot_id))["Code"] == "iot.device.NotExistedDevice"
    assert (await api.call(action, IotInstanceId="iot-other", **by_name))["Success"]

"""NotifyAddThingTopo."""

import json
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.downlink import RecordingDownlink
from tests.devices.marks import one_database
from tests.topology.calls import refused
from tests.topology.conftest import Register
from thingplane.devices.service import Device, DeviceService


async def test_the_gateway_is_asked_to_add_devices(
    api: Api, gateway: Device, register: Register, downlink: RecordingDownlink
) -> None:
    first, second, third = await register(3)
    wanted = [
        {"productKey": first.product_key, "deviceName": first.name},
        {"IotId": second.iot_id},
        {"iotId": third.iot_id, "productKey": "IotId outranks"},
    ]
    answer = await api.call(
        "NotifyAddThingTopo",
        GwProductKey=gateway.product_key,
        GwDeviceName=gateway.name,
        DeviceListStr=json.dumps(wanted),
    )
    assert answer["Data"]["MessageId"].isdecimal()
    (message,) = downlink.sent
    assert message.topic == f"/sys/{gateway.product_key}/hub-1/thing/topo/add/notify"
    (request,) = downlink.received(gateway.id)
    # The SDK for C reads 32-bit ids, and looks for the first "method" in the text.
    assert int(str(request.pop("id"))) == int(answer["Data"]["MessageId"]) % 2**31
    assert list(request) == ["version", "method", "params"]
    assert request["method"] == "thing.topo.add.notify"
    assert request["params"] == [
        {"productKey": device.product_key, "deviceName": device.name} for device in (first, second, third)
    ]


async def test_a_gateway_that_cannot_be_reached(
    api: Api, devices: DeviceService, gateway: Device, register: Register, downlink: RecordingDownlink
) -> None:
    (device,) = await register(1)
    downlink.unreachable.add(gateway.id)
    call = {"GwIotId": gateway.iot_id, "DeviceListStr": json.dumps([{"IotId": device.iot_id}])}
    assert await refused(api, "NotifyAddThingTopo", **call) == "iot.device.InactiveDevice"
    devices.connected(gateway, "10.0.0.9")
    devices.disconnected(gateway)
    assert await refused(api, "NotifyAddThingTopo", **call) == "iot.messagebroker.OFFLINE"


@one_database
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"DeviceListStr": None}, "iot.common.InvalidFormattedParameter"),
        ({"DeviceListStr": ""}, "iot.common.InvalidFormattedParameter"),
        ({"DeviceListStr": "[]"}, "iot.common.InvalidFormattedParameter"),
        ({"DeviceListStr": "{}"}, "iot.common.InvalidFormattedParameter"),
        ({"DeviceListStr": '[{"IotId": 7}]'}, "iot.common.InvalidFormattedParameter"),
        ({"DeviceListStr": "[" * 5000}, "iot.common.InvalidFormattedParameter"),
        ({"DeviceListStr": "[{}]"}, "iot.prod.NullProductKey"),
        ({"DeviceListStr": '[{"productKey": "a1"}]'}, "iot.device.NullDeviceName"),
        ({"DeviceListStr": '[{"productKey": "a1", "deviceName": "x"}]'}, "iot.prod.NotExistedProduct"),
        ({"DeviceListStr": '[{"IotId": "nobody"}]'}, "iot.device.NotExistedDevice"),
        ({"DeviceListStr": json.dumps([{"IotId": "x"}] * 13)}, "iot.device.TopoRelationCountExceeded"),
        ({"GwIotId": None}, "iot.prod.NullProductKey"),
        ({"GwIotId": "nobody"}, "iot.device.NotExistedDevice"),
        ({"IotInstanceId": "iot-other"}, "iot.device.NotExistedDevice"),
    ],
)
async def test_refused_calls_send_nothing(
    *,
    api: Api,
    gateway: Device,
    register: Register,
    downlink: RecordingDownlink,
    parameters: dict[str, Any],
    code: str,
) -> None:
    (device,) = await register(1)
    good = {"GwIotId": gateway.iot_id, "DeviceListStr": json.dumps([{"IotId": device.iot_id}])}
    call = {name: value for name, value in {**good, **parameters}.items() if value is not None}
    assert await refused(api, "NotifyAddThingTopo", **call) == code
    assert downlink.sent == []


@one_database
async def test_a_device_that_is_no_gateway(api: Api, register: Register) -> None:
    first, second = await register(2)
    call = {"GwIotId": first.iot_id, "DeviceListStr": json.dumps([{"IotId": second.iot_id}])}
    assert await refused(api, "NotifyAddThingTopo", **call) == "iot.device.AddTopoRelationFailed"

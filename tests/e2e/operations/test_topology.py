"""Sub-devices and their gateways."""

import asyncio
import json
from typing import Any

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.operations.calls import identity, ok, refusal, register
from tests.e2e.raw import connected
from thingplane.topology.service import signature


def attach(cloud: Client, gateway: Any, *devices: Any) -> Any:
    items = [
        models.BatchAddThingTopoRequestTopoAddItem(
            product_key=device.product_key,
            device_name=device.device_name,
            sign_method="hmacSha256",
            sign=signature(
                device.device_secret,
                "hmacSha256",
                {"productKey": device.product_key, "deviceName": device.device_name},
            ),
        )
        for device in devices
    ]
    return cloud.batch_add_thing_topo(
        models.BatchAddThingTopoRequest(
            gw_product_key=gateway.product_key, gw_device_name=gateway.device_name, topo_add_item=items
        )
    )


def sub_devices(cloud: Client, gateway: Any) -> list[str]:
    data = ok(cloud.get_thing_topo(models.GetThingTopoRequest(iot_id=gateway.iot_id, page_size=10, page_no=1))).data
    return sorted(device.device_name for device in data.list.device_info)


def test_sub_devices_are_attached_found_and_removed(cloud: Client, product_key: str, gateway_key: str) -> None:
    gateway = register(cloud, gateway_key, "gateway-1")
    subs = [register(cloud, product_key, f"attached-{number}") for number in (1, 2)]
    ok(attach(cloud, gateway, *subs))
    assert sub_devices(cloud, gateway) == ["attached-1", "attached-2"]
    request = models.GetGatewayBySubDeviceRequest(iot_id=subs[0].iot_id)
    found = ok(cloud.get_gateway_by_sub_device(request)).data
    assert (found.iot_id, found.device_name, found.node_type) == (gateway.iot_id, "gateway-1", "1")
    assert ok(cloud.remove_thing_topo(models.RemoveThingTopoRequest(iot_id=subs[0].iot_id))).data is True
    assert sub_devices(cloud, gateway) == ["attached-2"]
    assert refusal(cloud.get_gateway_by_sub_device(request))


def test_a_wrong_signature_attaches_nothing(cloud: Client, product_key: str, gateway_key: str) -> None:
    gateway = register(cloud, gateway_key, "gateway-2")
    sub = register(cloud, product_key, "forged-1")
    sub.device_secret = "0" * 32
    assert refusal(attach(cloud, gateway, sub)) == "iot.device.VerifyDeviceFailed"
    assert sub_devices(cloud, gateway) == []


async def test_a_gateway_is_asked_to_attach(
    node: NodeProcess, cloud: Client, product_key: str, gateway_key: str
) -> None:
    gateway = register(cloud, gateway_key, "gateway-3")
    sub = register(cloud, product_key, "wanted-1")
    request = models.NotifyAddThingTopoRequest(
        gw_iot_id=gateway.iot_id, device_list_str=json.dumps([{"IotId": sub.iot_id}])
    )
    async with connected(node.address("mqtt"), identity(gateway)) as (client, _):
        topic = f"/sys/{gateway_key}/gateway-3/thing/topo/add/notify"
        assert await client.subscribe(topic) == [1]
        assert ok(await asyncio.to_thread(cloud.notify_add_thing_topo, request)).data.message_id
        (message,) = await client.messages(1)
    assert message.topic == topic
    assert json.loads(message.payload)["params"] == [{"productKey": product_key, "deviceName": "wanted-1"}]

"""Devices with a protocol of their own on a running node: the official cloud SDK writes the script."""

import asyncio
import json
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.fleet import register_device
from tests.e2e.raw import RawDevice, connected
from tests.scripts import examples
from thingplane.mqtt.packets import Publish
from thingplane.simulator.wire import Identity

PROPERTIES = [
    {
        "identifier": "temp",
        "name": "temp",
        "required": False,
        "rwFlag": "READ_WRITE",
        "dataType": "INT",
        "dataSpecs": {"dataType": "INT", "min": "-1000", "max": "1000", "step": "1"},
    },
    {
        "identifier": "sw",
        "name": "sw",
        "required": False,
        "rwFlag": "READ_WRITE",
        "dataType": "BOOL",
        "dataSpecsList": [
            {"dataType": "BOOL", "name": "off", "value": 0},
            {"dataType": "BOOL", "name": "on", "value": 1},
        ],
    },
]


def ok(body: Any) -> Any:
    assert body.success, vars(body)
    return body


def create_product(cloud: Client) -> str:
    """Create a product with a data format of its own, its thing model and its script; return the ProductKey."""
    product_key = str(
        ok(
            cloud.create_product(
                models.CreateProductRequest(
                    node_type=0,
                    product_name=f"raw_{uuid.uuid4().hex[:16]}",
                    aliyun_commodity_code="iothub_senior",
                    data_format=0,
                    net_type="WIFI",
                )
            ).body
        ).product_key
    )
    text = json.dumps({"productKey": product_key, "properties": PROPERTIES})
    ok(cloud.create_thing_model(models.CreateThingModelRequest(product_key=product_key, thing_model_json=text)).body)
    ok(cloud.publish_thing_model(models.PublishThingModelRequest(product_key=product_key)).body)
    ok(
        cloud.create_thing_script(
            models.CreateThingScriptRequest(
                product_key=product_key, script_content=examples.JAVASCRIPT, script_type="JavaScript"
            )
        ).body
    )
    return product_key


@pytest.fixture
def product_key(cloud: Client) -> str:
    return create_product(cloud)


async def message(device: RawDevice) -> Publish:
    """Return the next message; acknowledgements before it are skipped."""
    while not isinstance(packet := await device.receive(), Publish):
        pass
    return packet


def identity(cloud: Client, product_key: str, name: str) -> Identity:
    return Identity(*register_device(cloud, product_key, name).values())


async def test_devices_and_back_ends_understand_each_other_through_the_script(
    node: NodeProcess, cloud: Client, product_key: str
) -> None:
    thing = f"/sys/{product_key}/raw1/thing/model"
    async with connected(node.address("mqtt"), identity(cloud, product_key, "raw1")) as (device, _):
        device.send(Publish(f"{thing}/up_raw", examples.POST, qos=1, packet_id=1))
        reply = await message(device)
        assert (reply.topic, reply.payload) == (f"{thing}/up_raw_reply", examples.POST_REPLY)

        names = {"product_key": product_key, "device_name": "raw1"}
        status = await _call(cloud.query_device_property_status, models.QueryDevicePropertyStatusRequest(**names))
        values = {item.identifier: item.value for item in status.data.list.property_status_info}
        assert values == {"temp": "-123", "sw": "1"}

        request = models.SetDevicePropertyRequest(**names, items='{"temp":333,"sw":1}')
        await _call(cloud.set_device_property, request)
        setting = await message(device)
        assert setting.topic == f"{thing}/down_raw"
        assert setting.payload == examples.SET[:1] + setting.payload[1:5] + examples.SET[5:]


async def test_custom_messages_that_ask_for_the_script_are_routed_as_it_makes_them(
    node: NodeProcess, cloud: Client, product_key: str
) -> None:
    first, second = (identity(cloud, product_key, name) for name in ("raw1", "raw2"))
    source, destination = f"/{product_key}/raw1/user/update", f"/{product_key}/raw2/user/get"
    route = models.CreateTopicRouteTableRequest(src_topic=source, dst_topic=[destination])
    async with (
        connected(node.address("mqtt"), first) as (sender, _),
        connected(node.address("mqtt"), second) as (receiver, _),
    ):
        await _call(cloud.create_topic_route_table, route)
        assert await receiver.subscribe(destination) == [1]
        sender.send(Publish(f"{source}?_sn=default", examples.POST, qos=1, packet_id=1))
        received = await message(receiver)
        assert received.topic == destination
        assert json.loads(received.payload) == {"topic": source, "temp": -123, "sw": 1}


def test_the_script_can_be_fetched_from_the_address_that_the_api_gives(cloud: Client, product_key: str) -> None:
    data = ok(cloud.get_thing_script(models.GetThingScriptRequest(product_key=product_key)).body).data
    assert data.script_type == "JavaScript"
    with urllib.request.urlopen(data.script_url, timeout=10) as answer:
        assert answer.read().decode() == examples.JAVASCRIPT


async def _call(operation: Callable[[Any], Any], request: Any) -> Any:
    return ok((await asyncio.to_thread(operation, request)).body)

"""Categories of custom topics, and routes between topics."""

import asyncio
from dataclasses import replace
from typing import Any

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.operations.calls import identity, ok, refusal, register
from tests.e2e.raw import connected
from thingplane.mqtt.packets import Puback, Publish
from thingplane.mqtt.properties import Properties


def categories(cloud: Client, product_key: str) -> dict[str, Any]:
    data = ok(cloud.query_product_topic(models.QueryProductTopicRequest(product_key=product_key))).data
    return {item.id: item for item in data.product_topic_info}


def test_a_category_is_created_changed_and_deleted(cloud: Client, product_key: str) -> None:
    request = models.CreateProductTopicRequest(
        product_key=product_key, topic_short_name="submit", operation="PUB", desc="readings"
    )
    topic_id = str(ok(cloud.create_product_topic(request)).topic_id)
    created = categories(cloud, product_key)[topic_id]
    prefix = f"/{product_key}/${{deviceName}}/user"
    assert (created.topic_short_name, created.operation, created.desc) == (f"{prefix}/submit", "0", "readings")
    ok(
        cloud.update_product_topic(
            models.UpdateProductTopicRequest(topic_id=topic_id, topic_short_name="orders/#", operation="SUB")
        )
    )
    changed = categories(cloud, product_key)[topic_id]
    assert (changed.topic_short_name, changed.operation) == (f"{prefix}/orders/#", "1")
    ok(cloud.delete_product_topic(models.DeleteProductTopicRequest(topic_id=topic_id)))
    assert topic_id not in categories(cloud, product_key)


async def test_what_one_device_publishes_reaches_the_other_until_the_route_is_deleted(
    node: NodeProcess, cloud: Client, product_key: str
) -> None:
    sender, receiver = (register(cloud, product_key, name) for name in ("route-from", "route-to"))
    source, destination = f"/{product_key}/route-from/user/update", f"/{product_key}/route-to/user/get"
    route = {"src_topic": source, "dst_topic": [destination]}
    create = models.CreateTopicRouteTableRequest(**route)
    assert refusal(cloud.create_topic_route_table(create)) == "iot.device.InactiveDevice"
    address = node.address("mqtt")
    async with connected(address, identity(sender)) as (a, _), connected(address, identity(receiver)) as (b, _):
        assert await b.subscribe(destination) == [1]
        created = ok(await asyncio.to_thread(cloud.create_topic_route_table, create))
        assert (created.is_all_succeed, created.failure_topics.topic) == (True, [])
        forwards = ok(cloud.query_topic_route_table(models.QueryTopicRouteTableRequest(topic=source)))
        assert forwards.dst_topics.topic == [destination]
        backwards = ok(
            cloud.query_topic_reverse_route_table(models.QueryTopicReverseRouteTableRequest(topic=destination))
        )
        assert backwards.src_topics.topic == [source]

        a.send(Publish(source, b"with a route", qos=1, packet_id=1))
        await a.expect(Puback)
        (message,) = await b.messages(1)
        assert (message.topic, message.payload) == (destination, b"with a route")

        delete = models.DeleteTopicRouteTableRequest(**route)
        deleted = ok(await asyncio.to_thread(cloud.delete_topic_route_table, delete))
        assert deleted.is_all_succeed is True
        a.send(Publish(source, b"without a route", qos=1, packet_id=2))
        await a.expect(Puback)
        assert await b.messages(0) == []
    forwards = ok(cloud.query_topic_route_table(models.QueryTopicRouteTableRequest(topic=source)))
    assert forwards.dst_topics.topic == []


async def test_what_a_publisher_says_with_mqtt_5_goes_along_routes(
    node: NodeProcess, cloud: Client, product_key: str
) -> None:
    sender, receiver = (register(cloud, product_key, name) for name in ("with-mqtt5", "for-mqtt5"))
    source, destination = f"/{product_key}/with-mqtt5/user/update", f"/{product_key}/for-mqtt5/user/get"
    create = models.CreateTopicRouteTableRequest(src_topic=source, dst_topic=[destination])
    said = Properties(response_topic="answers", correlation_data=b"\xff", user_properties=[("site", "north")])
    address = node.address("mqtt")
    async with (
        connected(address, identity(sender), version=5) as (a, _),
        connected(address, identity(receiver), version=5) as (b, _),
    ):
        assert await b.subscribe(destination) == [1]
        assert ok(await asyncio.to_thread(cloud.create_topic_route_table, create)).is_all_succeed is True
        for qos in (0, 1):
            a.send(Publish(source, b"x", qos=qos, packet_id=qos, properties=said))
            (message,) = await b.messages(1)
            assert (message.topic, message.qos) == (destination, qos)
            # A message of QoS 1 does not wait for ever.
            assert message.properties == replace(said, message_expiry_interval=qos * 7 * 86_400 or None)

"""Messages to devices by the official SDK: to one, to many, to all, and subscriptions on their behalf."""

import asyncio
import base64
from typing import Any

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.operations.calls import identity, ok, refusal, register
from tests.e2e.raw import connected

HELLO = base64.b64encode(b"hello").decode()


async def call(method: Any, request: Any) -> Any:
    return await asyncio.to_thread(method, request)


async def test_messages_to_many_devices(node: NodeProcess, cloud: Client, product_key: str) -> None:
    names = ["many-1", "many-2"]
    one, two = (identity(register(cloud, product_key, name)) for name in names)
    group = f"/broadcast/{product_key}/group1"
    address = node.address("mqtt")
    async with connected(address, one) as (first, _), connected(address, two) as (second, _):
        assert await first.subscribe(group) == [1]
        topics = [f"/{product_key}/many-2/user/get"]
        subscription = models.SubscribeTopicRequest(product_key=product_key, device_name="many-2", topic=topics)
        ok(await call(cloud.subscribe_topic, subscription))
        assert await first.subscribe(f"/{product_key}/many-1/user/get") == [1]
        batch = models.BatchPubRequest(
            product_key=product_key, device_name=names, topic_short_name="get", message_content=HELLO, qos=1
        )
        ok(await call(cloud.batch_pub, batch))
        everyone = models.PubBroadcastRequest(product_key=product_key, message_content=HELLO)
        message_id = ok(await call(cloud.pub_broadcast, everyone)).message_id
        ok(
            await call(
                cloud.pub_broadcast,
                models.PubBroadcastRequest(product_key=product_key, message_content=HELLO, topic_full_name=group),
            )
        )
        expected = [f"/{product_key}/{{}}/user/get", f"/sys/{product_key}/{{}}/broadcast/request/{message_id}"]
        for device, name, more in ((first, "many-1", [group]), (second, "many-2", [])):
            messages = await device.messages(2 + len(more))
            assert [message.topic for message in messages] == [topic.format(name) for topic in expected] + more
            assert {message.payload for message in messages} == {b"hello"}
            assert [message.qos for message in messages] == [1] + [0] * (1 + len(more))


def test_refusals_of_messages_to_many(cloud: Client, product_key: str) -> None:
    register(cloud, product_key, "many-3")
    batch = models.BatchPubRequest(
        product_key=product_key, device_name=["many-3", "nobody"], topic_short_name="get", message_content=HELLO
    )
    assert refusal(cloud.batch_pub(batch)) == "iot.device.NotExistedDevice"
    broadcast = models.PubBroadcastRequest(product_key=product_key, message_content=HELLO, topic_full_name="/x/y")
    assert refusal(cloud.pub_broadcast(broadcast)) == "iot.messagebroker.InvalidFormattedTopicName"
    subscription = models.SubscribeTopicRequest(
        product_key=product_key, device_name="many-3", topic=[f"/{product_key}/many-3/user/get"]
    )
    assert refusal(cloud.subscribe_topic(subscription)) == "iot.device.InactiveDevice"

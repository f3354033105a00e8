"""Server-side subscription: groups, subscriptions, a client that consumes, and a queue."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.mns_server import MnsServer, mns_server
from tests.common.node import NodeProcess, running_node
from tests.e2e.consumer import Consumer, post
from tests.e2e.operations.calls import checked_client, new_product, ok, refusal, register, unique


def new_group(cloud: Client) -> str:
    request = models.CreateConsumerGroupRequest(group_name=unique("group"))
    return str(ok(cloud.create_consumer_group(request)).group_id)


def subscribe(cloud: Client, product_key: str, *groups: str) -> None:
    request = models.CreateSubscribeRelationRequest(
        product_key=product_key, type="AMQP", device_data_flag=True, consumer_group_ids=list(groups)
    )
    ok(cloud.create_subscribe_relation(request))


def relation(cloud: Client, product_key: str) -> Any:
    request = models.QuerySubscribeRelationRequest(product_key=product_key, type="AMQP")
    return ok(cloud.query_subscribe_relation(request))


def status(cloud: Client, group_id: str) -> Any:
    return ok(cloud.query_consumer_group_status(models.QueryConsumerGroupStatusRequest(group_id=group_id)))


def test_a_group_is_created_renamed_listed_and_deleted(cloud: Client) -> None:
    group_id, name = new_group(cloud), unique("renamed")
    ok(cloud.update_consumer_group(models.UpdateConsumerGroupRequest(group_id=group_id, new_group_name=name)))
    by_id = models.QueryConsumerGroupByGroupIdRequest(group_id=group_id)
    found = ok(cloud.query_consumer_group_by_group_id(by_id)).data
    assert (found.group_id, found.group_name) == (group_id, name)
    search = models.QueryConsumerGroupListRequest(current_page=1, page_size=10, fuzzy=True, group_name=name[:-2])
    (listed,) = ok(cloud.query_consumer_group_list(search)).data.consumer_group_dto
    assert (listed.group_id, listed.create_time) == (group_id, found.create_time)
    ok(cloud.delete_consumer_group(models.DeleteConsumerGroupRequest(group_id=group_id)))
    assert refusal(cloud.query_consumer_group_by_group_id(by_id)) == "iot.consumer.group.ConsumerGroupNotExist"


def test_a_subscription_is_created_changed_and_deleted(cloud: Client) -> None:
    product_key = new_product(cloud)
    one, two = new_group(cloud), new_group(cloud)
    subscribe(cloud, product_key, one)
    assert (relation(cloud, product_key).device_data_flag, relation(cloud, product_key).ota_event_flag) == (True, False)
    joining = models.CreateConsumerGroupSubscribeRelationRequest(consumer_group_id=two, product_key=product_key)
    ok(cloud.create_consumer_group_subscribe_relation(joining))
    assert relation(cloud, product_key).consumer_group_ids == [one, two]
    leaving = models.DeleteConsumerGroupSubscribeRelationRequest(consumer_group_id=one, product_key=product_key)
    ok(cloud.delete_consumer_group_subscribe_relation(leaving))
    change = models.UpdateSubscribeRelationRequest(
        product_key=product_key, type="AMQP", ota_event_flag=True, consumer_group_ids=[one]
    )
    ok(cloud.update_subscribe_relation(change))
    assert relation(cloud, product_key).consumer_group_ids == [one]
    assert relation(cloud, product_key).device_data_flag is False
    ok(cloud.delete_subscribe_relation(models.DeleteSubscribeRelationRequest(product_key=product_key, type="AMQP")))
    request = models.QuerySubscribeRelationRequest(product_key=product_key, type="AMQP")
    assert refusal(cloud.query_subscribe_relation(request)) == "iot.consumer.group.SubscribeNotExist"


async def test_messages_wait_for_a_client_and_then_come_at_once(node: NodeProcess, cloud: Client) -> None:
    product_key, group_id = new_product(cloud), new_group(cloud)
    subscribe(cloud, product_key, group_id)
    device = register(cloud, product_key, "lamp")
    await post(node, device, b"1", b"2")
    assert status(cloud, group_id).accumulation_count == 2
    ok(cloud.reset_consumer_group_position(models.ResetConsumerGroupPositionRequest(group_id=group_id)))
    assert status(cloud, group_id).accumulation_count == 0
    await post(node, device, b"3")
    consumer = await asyncio.to_thread(Consumer, node, group_id)
    try:
        headers, body = await asyncio.to_thread(consumer.receive)
        assert (headers["topic"], body) == (f"/{product_key}/lamp/user/update", "3")
        assert headers["messageId"].isdecimal()
        await post(node, device, b"4")
        assert (await asyncio.to_thread(consumer.receive))[1] == "4"
        figures = status(cloud, group_id)
        (client,) = figures.client_connection_status_list.consumer_group_client_connection_info
        assert client.client_id == "consumer-0"
        assert client.client_ip_port.startswith("127.0.0.1:")
        assert figures.accumulation_count == 0
        assert (figures.accumulated_consume_count_per_minute, figures.real_time_consume_count_per_minute) == (1, 1)
        assert figures.consumer_speed == 2
        assert figures.last_consumer_time.endswith("Z")
    finally:
        await asyncio.to_thread(consumer.close)


@pytest.fixture
async def queue_server() -> Any:
    async with mns_server() as server:
        yield server


@pytest.fixture
def node_with_queue(queue_server: MnsServer, tmp_path: Any) -> Iterator[NodeProcess]:
    endpoint = queue_server.endpoint()
    endpoints = {"url": endpoint.url, "access_key_id": "mnsid", "access_key_secret": "mnssecret"}
    settings = {"mns_endpoints": json.dumps({"cn-shanghai": endpoints}), "outbound_hosts": "127.0.0.1"}
    with running_node(tmp_path / "data", **settings) as node:
        yield node


async def test_an_mns_subscription_fills_its_queue(node_with_queue: NodeProcess, queue_server: MnsServer) -> None:
    cloud = checked_client(node_with_queue)

    def prepare() -> Any:
        product_key = new_product(cloud)
        ok(
            cloud.create_subscribe_relation(
                models.CreateSubscribeRelationRequest(
                    product_key=product_key,
                    type="MNS",
                    device_data_flag=True,
                    mns_configuration='{"queueName": "orders", "regionName": "cn-shanghai"}',
                )
            )
        )
        return register(cloud, product_key, "lamp")

    device = await asyncio.to_thread(prepare)
    await post(node_with_queue, device, b"\xff")
    (envelope,) = await queue_server.received("orders", 1)
    assert envelope["topic"] == f"/{device.product_key}/lamp/user/update"
    assert (envelope["payload"], envelope["messagetype"]) == ("/w==", "upload")

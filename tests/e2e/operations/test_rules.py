"""Rules with the official SDK: every operation, what running rules do, and a node that is killed."""

import asyncio
import http.server
import json
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess, running_node
from tests.e2e.consumer import Consumer, post
from tests.e2e.operations.calls import checked_client, identity, new_product, ok, refusal, register, unique
from tests.e2e.raw import connected

COUNT = 300


def new_rule(cloud: Client, product_key: str, **options: Any) -> int:
    given = {"short_topic": "+/user/#", "select": "*", "topic_type": 1} | options
    request = models.CreateRuleRequest(name=unique("rule"), product_key=product_key, **given)
    return int(ok(cloud.create_rule(request)).rule_id)


def new_action(cloud: Client, rule_id: int, type_: str, configuration: dict[str, Any], **options: Any) -> int:
    request = models.CreateRuleActionRequest(
        rule_id=rule_id, type=type_, configuration=json.dumps(configuration), **options
    )
    return int(ok(cloud.create_rule_action(request)).action_id)


def new_group(cloud: Client) -> str:
    request = models.CreateConsumerGroupRequest(group_name=unique("group"))
    return str(ok(cloud.create_consumer_group(request)).group_id)


def start(cloud: Client, rule_id: int) -> None:
    ok(cloud.start_rule(models.StartRuleRequest(rule_id=rule_id)))


def stop(cloud: Client, rule_id: int) -> None:
    ok(cloud.stop_rule(models.StopRuleRequest(rule_id=rule_id)))


def test_a_rule_is_created_read_changed_and_deleted(cloud: Client) -> None:
    product_key = new_product(cloud)
    rule_id = new_rule(cloud, product_key, where="t > 1", rule_desc="first", data_type="JSON")
    get = models.GetRuleRequest(rule_id=rule_id)
    found = ok(cloud.get_rule(get)).rule_info
    assert (found.id, found.status, found.topic_type, found.where) == (rule_id, "STOP", 1, "t > 1")
    assert found.topic == f"/{product_key}/+/user/#"
    name = unique("renamed")
    ok(cloud.update_rule(models.UpdateRuleRequest(rule_id=rule_id, name=name, select="t as temp")))
    listed = ok(cloud.list_rule(models.ListRuleRequest(current_page=1, page_size=100)))
    (mine,) = [rule for rule in listed.data.rule_info if rule.id == rule_id]
    assert (mine.name, mine.select, mine.rule_desc) == (name, "t as temp", "first")
    assert listed.total >= 1
    ok(cloud.delete_rule(models.DeleteRuleRequest(rule_id=rule_id)))
    assert refusal(cloud.get_rule(get)) == "iot.rule.NotFoundRule"


def test_actions_are_created_read_changed_and_deleted(cloud: Client) -> None:
    product_key = new_product(cloud)
    rule_id = new_rule(cloud, product_key)
    configuration = {"topic": f"/{product_key}/device1/user/get", "topicType": 1}
    action_id = new_action(cloud, rule_id, "REPUBLISH", configuration)
    get = models.GetRuleActionRequest(action_id=action_id)
    found = ok(cloud.get_rule_action(get)).rule_action_info
    assert (found.id, found.rule_id, found.type, found.error_action_flag) == (action_id, rule_id, "REPUBLISH", False)
    shown = json.loads(found.configuration)
    assert shown.pop("uid")
    assert shown == configuration
    request = models.UpdateRuleActionRequest(
        action_id=action_id, type="AMQP", configuration=json.dumps({"groupId": new_group(cloud)})
    )
    ok(cloud.update_rule_action(request))
    listing = models.ListRuleActionsRequest(rule_id=rule_id)
    (listed,) = ok(cloud.list_rule_actions(listing)).rule_action_list.rule_action_info
    assert (listed.id, listed.type, listed.status) == (action_id, "AMQP", "INIT")
    ok(cloud.delete_rule_action(models.DeleteRuleActionRequest(action_id=action_id)))
    assert refusal(cloud.get_rule_action(get)) == "iot.rule.NotFoundRuleAction"


def test_items_of_data_sources(cloud: Client) -> None:
    topic = f"/{new_product(cloud)}/+/user/update"
    ok(cloud.create_data_source_item(models.CreateDataSourceItemRequest(data_source_id=1000, topic=topic)))
    request = models.ListDataSourceItemRequest(data_source_id=1000, page=1, page_size=10, search_name=topic)
    found = ok(cloud.list_data_source_item(request))
    assert [item.topic for item in found.data_source_items.data_source_item] == [topic]
    assert found.total == 1


async def test_results_reach_a_device_and_a_consumer_group(node: NodeProcess, cloud: Client) -> None:
    product_key = new_product(cloud)
    sender, receiver = register(cloud, product_key, "sender"), register(cloud, product_key, "receiver")
    group_id = new_group(cloud)
    rule_id = new_rule(cloud, product_key, select="t as temp, deviceName() as dn", where="t > 1")
    new_action(cloud, rule_id, "REPUBLISH", {"topic": f"/{product_key}/receiver/user/get", "topicType": 1})
    new_action(cloud, rule_id, "AMQP", {"groupId": group_id})
    start(cloud, rule_id)
    consumer = await asyncio.to_thread(Consumer, node, group_id)
    async with connected(node.address("mqtt"), identity(receiver)) as (device, _):
        assert await device.subscribe(f"/{product_key}/receiver/user/get") == [1]
        await post(node, sender, b'{"t":1}', b'{"t":2}')
        [message] = await device.messages(1)
    assert message.payload == b'{"temp":2,"dn":"sender"}'
    headers, body = await asyncio.to_thread(consumer.receive)
    assert json.loads(body) == {"temp": 2, "dn": "sender"}
    assert headers["topic"] == f"/{product_key}/sender/user/update"
    await asyncio.to_thread(consumer.close)
    stop(cloud, rule_id)


async def test_a_killed_node_loses_no_result_and_tells_who_went_offline_with_it(node: NodeProcess) -> None:
    cloud = checked_client(node)
    product_key = new_product(cloud)
    device, other = register(cloud, product_key, "lamp"), register(cloud, product_key, "other")
    group_id, watchers = new_group(cloud), new_group(cloud)
    rule_id = new_rule(cloud, product_key)
    new_action(cloud, rule_id, "AMQP", {"groupId": group_id})
    start(cloud, rule_id)
    status_id = new_rule(
        cloud, product_key, short_topic="other", topic_type=2, select="status, offlineReasonCode as reason"
    )
    new_action(cloud, status_id, "AMQP", {"groupId": watchers})
    start(cloud, status_id)
    async with connected(node.address("mqtt"), identity(other)):
        await post(node, device, *(b'{"n":%d}' % number for number in range(COUNT)))
        # Makes the database know who is online, which otherwise takes half a second.
        ok(cloud.query_device_statistics(models.QueryDeviceStatisticsRequest(product_key=product_key)))
        node.kill()
    node.start()
    cloud = checked_client(node)
    await post(node, device, b'{"n":-1}')
    consumer = await asyncio.to_thread(Consumer, node, group_id)
    ids: dict[int, str] = {}
    while len(ids) < COUNT + 1:
        headers, body = await asyncio.to_thread(consumer.receive)
        # What was not known to be done at the end comes again, with the same id.
        assert ids.setdefault(json.loads(body)["n"], headers["messageId"]) == headers["messageId"]
    assert set(ids) == {-1, *range(COUNT)}
    await asyncio.to_thread(consumer.close)
    consumer = await asyncio.to_thread(Consumer, node, watchers)
    states: dict[str, Any] = {}
    while len(states) < 2:
        headers, body = await asyncio.to_thread(consumer.receive)
        states[headers["messageId"]] = json.loads(body)
    assert list(states.values()) == [{"status": "online"}, {"status": "offline", "reason": 400}]
    await asyncio.to_thread(consumer.close)
    stop(cloud, rule_id)
    stop(cloud, status_id)


class Hook(http.server.BaseHTTPRequestHandler):
    received: queue.Queue[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.put((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def webhook() -> Iterator[tuple[str, "queue.Queue[tuple[dict[str, str], bytes]]"]]:
    Hook.received = queue.Queue()
    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", Hook.received
        server.shutdown()
        thread.join()


async def test_a_message_reaches_a_webhook_of_the_settings(
    tmp_path: Path, webhook: tuple[str, "queue.Queue[tuple[dict[str, str], bytes]]"]
) -> None:
    url, received = webhook
    destinations = json.dumps({"fc": [{"service": "weather", "url": url, "secret": "s3cret"}]})
    with running_node(tmp_path / "data", destinations=destinations, outbound_hosts="127.0.0.1") as node:
        cloud = checked_client(node)
        product_key = new_product(cloud)
        device = register(cloud, product_key, "lamp")
        rule_id = new_rule(cloud, product_key, select="deviceName() as dn, t")
        role = {"roleArn": "acs:ram::1:role/x", "roleName": "AliyunIOTAccessingFCRole"}
        given = {"serviceName": "weather", "functionName": "f", "regionName": "cn-shanghai", "role": role}
        new_action(cloud, rule_id, "FC", given)
        start(cloud, rule_id)
        await post(node, device, b'{"t":1}')
        headers, body = await asyncio.to_thread(received.get, timeout=20)
        assert msgspec.json.decode(body) == {"dn": "lamp", "t": 1}
        assert headers["X-Thingplane-Signature"].startswith("sha256=")
        assert "s3cret" not in node.log()

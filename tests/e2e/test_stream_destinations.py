"""Rules that send to a real NATS server and to Kafka's protocol, also while the server is away."""

import asyncio
import json
from pathlib import Path
from typing import Any

import nats
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess, running_node
from tests.e2e.consumer import post
from tests.e2e.operations.calls import checked_client, new_product, register
from tests.e2e.operations.test_rules import new_action, new_rule, start
from tests.e2e.stream_servers import NatsProcess, kafka_cluster, nats_server

ROLE: Any = {"regionName": "cn-shanghai", "role": {"roleArn": "acs:ram::1:role/x", "roleName": "X"}}
SCHEMA = [("device", "STRING", "${dn}"), ("n", "BIGINT", "${n}"), ("site", "STRING", "north")]
DATAHUB: Any = {
    **ROLE,
    "projectName": "plant",
    "topicName": "values",
    "schemaVals": [{"name": name, "type": type_, "value": value} for name, type_, value in SCHEMA],
}
ONS: Any = {**ROLE, "instanceId": "mq", "topic": "alerts", "tag": "${dn}"}


def lamp(cloud: Client, type_: str, configuration: dict[str, Any]) -> Any:
    """Return a device whose messages a running rule sends on."""
    product_key = new_product(cloud)
    rule_id = new_rule(cloud, product_key, select="n, deviceName() as dn", where="n > 1")
    new_action(cloud, rule_id, type_, configuration)
    start(cloud, rule_id)
    return register(cloud, product_key, "lamp")


async def stream(server: NatsProcess, count: int) -> list[Any]:
    """Return the messages of the stream when it has so many."""
    client = await nats.connect(server.url)
    try:
        subscription = await client.jetstream().subscribe("alerts", ordered_consumer=True)
        return [await subscription.next_msg(timeout=20) for _ in range(count)]
    finally:
        await client.close()


async def create_stream(server: NatsProcess) -> None:
    client = await nats.connect(server.url)
    await client.jetstream().add_stream(name="A", subjects=["alerts"])
    await client.close()


def node_with(folder: Path, **destinations: Any) -> Any:
    return running_node(folder / "data", destinations=json.dumps(destinations), outbound_hosts="127.0.0.1")


async def test_a_stream_of_nats_has_every_message_once_though_its_server_was_killed(tmp_path: Path) -> None:
    with nats_server(tmp_path / "nats") as server:
        await create_stream(server)
        node: NodeProcess
        with node_with(tmp_path, ons=[{"instance": "mq", "url": server.url, "jetstream": True}]) as node:
            device = await asyncio.to_thread(lamp, checked_client(node), "ONS", ONS)
            await post(node, device, b'{"n":1}', b'{"n":2}')
            await stream(server, 1)
            server.kill()
            await post(node, device, *(b'{"n":%d}' % number for number in range(3, 20)))
            server.start()
            messages = await stream(server, 18)
    contents = [json.loads(message.data) for message in messages]
    assert sorted(content["n"] for content in contents) == list(range(2, 20))
    assert all(content["dn"] == "lamp" for content in contents)
    headers = [message.headers for message in messages]
    assert len({header["messageId"] for header in headers}) == 18
    assert {(header["topic"], header["tag"]) for header in headers} == {
        (f"/{device.product_key}/lamp/user/update", "lamp")
    }


async def test_topics_of_kafka_have_rows_and_payloads(tmp_path: Path) -> None:
    with kafka_cluster() as cluster:
        url = f"kafka://{cluster.address}"
        with node_with(tmp_path, datahub=[{"url": url}], ons=[{"url": url}]) as node:
            cloud = checked_client(node)
            for type_, configuration in (("DATAHUB", DATAHUB), ("ONS", ONS)):
                device = await asyncio.to_thread(lamp, cloud, type_, configuration)
                await post(node, device, *(b'{"n":%d}' % number for number in range(5)))
                rows = type_ == "DATAHUB"
                found = await asyncio.to_thread(cluster.read, "plant.values" if rows else "alerts", 3)
                assert sorted(content["n"] for _, content, _ in found) == [2, 3, 4]
                made = {"device": "lamp", "site": "north"} if rows else {"dn": "lamp"}
                topic = f"/{device.product_key}/lamp/user/update"
                for key, content, headers in found:
                    assert content == {**made, "n": content["n"]}
                    assert (headers["messageId"], headers["topic"]) == (key, topic)
                    assert headers.get("tag") == (None if rows else "lamp")

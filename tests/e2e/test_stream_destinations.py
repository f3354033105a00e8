"""Rules that send to a real NATS server and to Kafka's protocol, also while the server is away."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import nats
import pytest
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess, running_node
from tests.e2e.consumer import post
from tests.e2e.operations.calls import checked_client, new_product, register
from tests.e2e.operations.test_rules import new_action, new_rule, start
from tests.e2e.stream_servers import KafkaCluster, NatsProcess, nats_server

ROLE: Any = {"regionName": "cn-shanghai", "role": {"roleArn": "acs:ram::1:role/x", "roleName": "X"}}
SCHEMA = [("device", "STRING", "${dn}"), ("n", "BIGINT", "${n}"), ("site", "STRING", "north")]
DATAHUB: Any = {
    **ROLE,
    "projectName": "plant",
    "topicName": "values",
    "schemaVals": [{"name": name, "type": type_, "value": value} for name, type_, value in SCHEMA],
}
ONS: Any = {**ROLE, "topic": "alerts", "tag": "${dn}"}


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


class World(NamedTuple):
    """A node, and the servers that its rules send to."""

    node: NodeProcess
    nats: NatsProcess
    kafka: KafkaCluster


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, kafka = tmp_path_factory.mktemp("streams"), KafkaCluster()
    url = f"kafka://{kafka.address}"
    with nats_server(folder / "nats") as server:
        ons = [{"instance": "kafka", "url": url}, {"instance": "nats", "url": server.url, "jetstream": True}]
        destinations = json.dumps({"ons": ons, "datahub": [{"url": url}]})
        with running_node(folder / "data", destinations=destinations) as node:
            yield World(node, server, kafka)


async def test_a_stream_of_nats_has_every_message_once_though_its_server_was_killed(world: World) -> None:
    node, server, _ = world
    server.start()
    await create_stream(server)
    device = await asyncio.to_thread(lamp, checked_client(node), "ONS", ONS | {"instanceId": "nats"})
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


async def test_topics_of_kafka_have_rows_and_payloads(world: World) -> None:
    node, _, kafka = world
    cloud = checked_client(node)
    for type_, configuration in (("DATAHUB", DATAHUB), ("ONS", ONS | {"instanceId": "kafka"})):
        device = await asyncio.to_thread(lamp, cloud, type_, configuration)
        await post(node, device, *(b'{"n":%d}' % number for number in range(5)))
        rows = type_ == "DATAHUB"
        found = await asyncio.to_thread(kafka.read, "plant.values" if rows else "alerts", 3)
        assert sorted(content["n"] for _, content, _ in found) == [2, 3, 4]
        made = {"device": "lamp", "site": "north"} if rows else {"dn": "lamp"}
        topic = f"/{device.product_key}/lamp/user/update"
        for key, content, headers in found:
            assert content == {**made, "n": content["n"]}
            assert (headers["messageId"], headers["topic"]) == (key, topic)
            assert headers.get("tag") == (None if rows else "lamp")

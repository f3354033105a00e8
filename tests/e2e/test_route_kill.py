"""kill -9 of a node while messages go along routes: what was acknowledged to the sender reaches every destination."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from alibabacloud_iot20180120 import models

from tests.common.node import NodeProcess
from tests.e2e.conftest import sdk_client
from tests.e2e.operations.calls import identity, new_product, ok, register
from tests.e2e.raw import RawDevice, connected
from thingplane.mqtt.packets import Puback, Publish

ENOUGH = 150
"""Messages that are acknowledged before the node is killed."""
AHEAD = 8
"""Messages that are under way at the same time."""


async def publish_until_it_ends(device: RawDevice, topic: str, acknowledged: list[int], node: NodeProcess) -> None:
    """Publish numbers, note which of them are acknowledged, and kill the node after some."""
    sent = 0
    with suppress(EOFError, ConnectionError):
        while True:
            while sent < len(acknowledged) + AHEAD:
                sent += 1
                device.send(Publish(topic, b"%d" % sent, qos=1, packet_id=sent))
            acknowledged.append((await device.expect(Puback)).packet_id)
            if len(acknowledged) == ENOUGH:
                node.kill()


async def hear(device: RawDevice, wanted: Sequence[int]) -> list[int]:
    """Receive until all wanted numbers have come, and return every number in the order of its first coming."""
    heard: dict[int, None] = {}
    while not heard.keys() >= set(wanted):
        packet = await device.receive()
        assert isinstance(packet, Publish), packet
        heard.setdefault(int(packet.payload))
        device.send(Puback(packet.packet_id))
    return list(heard)


async def test_killing_the_node_loses_no_message_and_the_routes_go_on(node: NodeProcess) -> None:
    cloud = sdk_client(node)
    product_key = new_product(cloud)
    talker, online, offline = (identity(register(cloud, product_key, name)) for name in ("talker", "online", "offline"))
    source = f"/{product_key}/talker/user/update"
    topics = {device.device_name: f"/{product_key}/{device.device_name}/user/get" for device in (online, offline)}
    address = node.address("mqtt")
    async with connected(address, offline, clean_start=False) as (device, _):
        assert await device.subscribe(topics["offline"]) == [1]
    acknowledged: list[int] = []
    async with (
        connected(address, talker) as (mouth, _),
        connected(address, online, clean_start=False) as (ear, _),
    ):
        assert await ear.subscribe(topics["online"]) == [1]
        request = models.CreateTopicRouteTableRequest(src_topic=source, dst_topic=list(topics.values()))
        assert ok(await asyncio.to_thread(cloud.create_topic_route_table, request)).is_all_succeed is True
        await publish_until_it_ends(mouth, source, acknowledged, node)
    node.start()

    address = node.address("mqtt")
    last = acknowledged[-1] + AHEAD + 1
    async with (
        connected(address, talker) as (mouth, _),
        connected(address, online, clean_start=False) as (first, one),
        connected(address, offline, clean_start=False) as (second, other),
    ):
        assert one.session_present
        assert other.session_present
        mouth.send(Publish(source, b"%d" % last, qos=1, packet_id=1))
        await mouth.expect(Puback)
        for device in (first, second):
            heard = await hear(device, [*acknowledged, last])
            assert heard == sorted(heard)

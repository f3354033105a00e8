"""Nothing that was acknowledged to a device is lost to a consumer group, and nothing that was settled comes again."""

import asyncio

from alibabacloud_iot20180120 import models

from tests.common.node import NodeProcess
from tests.e2e.conftest import sdk_client
from tests.e2e.consumer import Consumer, post
from tests.e2e.operations.calls import new_product, ok, register, unique

COUNT = 300
SETTLED = 100


def receive_all(consumer: Consumer, count: int) -> list[tuple[dict[str, str], str]]:
    return [consumer.receive() for _ in range(count)]


async def test_killing_the_node_and_a_consumer_accounts_for_every_message(node: NodeProcess) -> None:
    cloud = sdk_client(node)
    product_key = new_product(cloud)
    groups = [
        str(ok(cloud.create_consumer_group(models.CreateConsumerGroupRequest(group_name=unique("group")))).group_id)
        for _ in range(2)
    ]
    request = models.CreateSubscribeRelationRequest(
        product_key=product_key, type="AMQP", device_data_flag=True, consumer_group_ids=groups
    )
    ok(cloud.create_subscribe_relation(request))
    device = register(cloud, product_key, "lamp")
    consumer = await asyncio.to_thread(Consumer, node, groups[0], ack="client-individual")
    await post(node, device, *(b"%d" % number for number in range(COUNT)))
    before = await asyncio.to_thread(receive_all, consumer, COUNT)
    ids = {body: headers["messageId"] for headers, body in before}
    await asyncio.to_thread(consumer.settle, *(headers for headers, _ in before[:SETTLED]))
    node.kill()
    await asyncio.to_thread(consumer.close)
    node.start()

    again = await asyncio.to_thread(Consumer, node, groups[0], ack="client-individual")
    rest = await asyncio.to_thread(receive_all, again, COUNT - SETTLED)
    assert sorted(body for _, body in rest) == sorted(body for _, body in before[SETTLED:])
    assert all(ids[body] == headers["messageId"] for headers, body in rest)
    await asyncio.to_thread(again.close)  # without settling

    last = await asyncio.to_thread(Consumer, node, groups[0])
    repeated = await asyncio.to_thread(receive_all, last, COUNT - SETTLED)
    assert {headers["messageId"] for headers, _ in repeated} == {headers["messageId"] for headers, _ in rest}
    other = await asyncio.to_thread(Consumer, node, groups[1])
    copy = await asyncio.to_thread(receive_all, other, COUNT)
    assert {body: headers["messageId"] for headers, body in copy} == ids
    for one in (last, other):
        await asyncio.to_thread(one.close)
        assert one.messages.empty()

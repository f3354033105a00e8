"""Messages of devices reach real consumers over TLS; kill -9 of consumer or node loses none that was acknowledged."""

import asyncio
import base64
import hashlib
import hmac
import json
import queue
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import stomp
from tests.clients.node import NodeClients, Rhea
from tests.common.node import NodeProcess
from tests.e2e.conftest import cloud_client
from tests.e2e.posting import MODEL, PostingDevice
from thingplane.cli.fleet import create_product, ensure_devices
from thingplane.simulator.wire import Identity

PATIENCE_S = 30


class Subscription(NamedTuple):
    """A product with devices whose data a consumer group gets."""

    node: NodeProcess
    group_id: str
    devices: list[Identity]

    def login(self, client_id: str = "consumer-0", options: str = "") -> tuple[str, str]:
        key_id, secret = self.node.credentials
        signed = f"authId={key_id}&timestamp=1573489088171"
        fields = f"authMode=aksign,signMethod=Hmacsha1,timestamp=1573489088171,authId={key_id},iotInstanceId={options}"
        digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()
        return f"{client_id}|{fields},consumerGroupId={self.group_id}|", base64.b64encode(digest).decode()

    @property
    def ca(self) -> Path:
        return Path(self.node.ready["ca_certificate"])

    @asynccontextmanager
    async def rhea(self, clients: NodeClients, name: str = "consumer-0", **told: object) -> AsyncIterator[Rhea]:
        async with clients.rhea(self.node.address("amqp"), self.ca, self.login(name), **told) as client:
            await client.next("receiver_open")
            yield client


@pytest.fixture
def subscription(node: NodeProcess) -> Subscription:
    cloud = cloud_client(node)
    product_key = create_product(cloud, f"Consumed_{uuid.uuid4().hex[:8]}", MODEL)
    devices = ensure_devices(cloud, product_key, ["device-1", "device-2"])
    group = cloud.call("CreateConsumerGroup", {"GroupName": f"g{product_key}"})
    assert group["Success"], group
    relation = {"ProductKey": product_key, "Type": "AMQP", "ConsumerGroupIds.1": group["GroupId"]}
    made = cloud.call("CreateSubscribeRelation", {**relation, "DeviceDataFlag": "true"})
    assert made["Success"], made
    return Subscription(node, group["GroupId"], devices)


async def post(subscription: Subscription, count: int) -> list[PostingDevice]:
    """Let each device post until as many posts are acknowledged."""
    devices = [PostingDevice(identity) for identity in subscription.devices]
    running = [asyncio.create_task(device.run(subscription.node.address("mqtt"))) for device in devices]
    async with asyncio.timeout(PATIENCE_S):
        while any(len(device.acknowledged) < count for device in devices):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    return devices


def promised(devices: list[PostingDevice]) -> set[tuple[str, int]]:
    return {(device.identity.device_name, number) for device in devices for number in device.acknowledged}


def told(message: dict[str, Any]) -> tuple[str, int]:
    body = json.loads(base64.b64decode(message["body"]))
    return body["deviceName"], body["items"]["Count"]["value"]


async def receive(client: Rhea, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Receive until all that is wanted has come; returns message ids."""
    found: dict[tuple[str, int], str] = {}
    async with asyncio.timeout(PATIENCE_S):
        while not wanted <= set(found):
            message = await client.next("message")
            found[told(message)] = message["id"]
    return found


async def test_rhea_gets_what_devices_post(subscription: Subscription, node_clients: NodeClients) -> None:
    async with subscription.rhea(node_clients) as client:
        devices = await post(subscription, 20)
        message = await client.next("message")
        name = told(message)[0]
        assert message["properties"]["topic"] == f"/{devices[0].identity.product_key}/{name}/thing/event/property/post"
        assert message["properties"]["messageId"] == message["id"]
        assert message["properties"]["qos"] == 1
        await receive(client, promised(devices) - {told(message)})


async def test_clients_of_a_group_share_messages(subscription: Subscription, node_clients: NodeClients) -> None:
    async with subscription.rhea(node_clients, "a") as one, subscription.rhea(node_clients, "b") as other:
        devices = await post(subscription, 50)
        seen: set[tuple[str, int]] = set()

        async def collect(client: Rhea) -> None:
            while not promised(devices) <= seen:
                message = told(await client.next("message"))
                assert message not in seen
                seen.add(message)

        collecting = [asyncio.create_task(collect(client)) for client in (one, other)]
        await asyncio.wait(collecting, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        for task in collecting:
            task.cancel()
        await asyncio.wait(collecting)
        assert promised(devices) <= seen


async def test_what_a_killed_consumer_did_not_settle_comes_to_the_next(
    subscription: Subscription, node_clients: NodeClients
) -> None:
    options = {"autoaccept": False, "credit_window": 30}
    async with subscription.rhea(node_clients, decide="nothing", options=options) as first:
        devices = await post(subscription, 50)
        ids = {told(message): message["id"] for message in [await first.next("message") for _ in range(30)]}
        first.kill()
        async with subscription.rhea(node_clients) as second:
            found = await receive(second, promised(devices))
    assert {message: found[message] for message in ids} == ids


async def test_a_killed_node_delivers_what_it_acknowledged(
    subscription: Subscription, node_clients: NodeClients
) -> None:
    node = subscription.node
    devices = [PostingDevice(identity) for identity in subscription.devices]
    found: dict[tuple[str, int], str] = {}
    async with subscription.rhea(node_clients) as client:
        running = [asyncio.create_task(device.run(node.address("mqtt"))) for device in devices]
        for _ in range(300):
            message = await client.next("message")
            found[told(message)] = message["id"]
        node.kill()
        await asyncio.wait(running)
        while (message := await client.next("message", "disconnected"))["event"] == "message":
            found[told(message)] = message["id"]
    await asyncio.to_thread(node.start)
    missing = promised(devices) - set(found)
    async with subscription.rhea(node_clients) as client:
        await receive(client, missing)


@pytest.mark.parametrize("option", ["", ",encode=base64"])
async def test_stomp_py_gets_what_devices_post(subscription: Subscription, option: str) -> None:
    received: queue.SimpleQueue[Any] = queue.SimpleQueue()

    class Listener(stomp.ConnectionListener):  # type: ignore[misc] # untyped
        def on_message(self, frame: Any) -> None:
            received.put(frame)

    address = subscription.node.address("stomp")
    connection = stomp.Connection([address], heartbeats=(0, 300))
    connection.set_ssl([address], ca_certs=str(subscription.ca), ssl_version=ssl.PROTOCOL_TLS_CLIENT)
    connection.set_listener("", Listener())
    await asyncio.to_thread(connection.connect, *subscription.login(options=option), wait=True)
    try:
        connection.subscribe(destination="/topic/#", id="1", ack="auto")
        devices = await post(subscription, 1)
        frame = await asyncio.to_thread(received.get, timeout=PATIENCE_S)
        body = base64.b64decode(frame.body) if option else frame.body
        content = json.loads(body)
        assert (content["deviceName"], content["items"]["Count"]["value"]) in promised(devices)
        assert frame.headers["topic"].endswith("/thing/event/property/post")
    finally:
        await asyncio.to_thread(connection.disconnect)

"""Real clients, configured as in the vendor's samples, over TLS."""

import asyncio
import base64
import queue
import ssl
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

import stomp
from tests.clients.azure import AzureClient
from tests.clients.node import NodeClients, Rhea
from tests.consumers.groups import PASSWORD, TOPIC, USER, forwarded
from tests.consumers.support import PATIENCE_S, Listening


def rhea(clients: NodeClients, listening: Listening, **told: object) -> AbstractAsyncContextManager[Rhea]:
    login = (USER, str(told.pop("password", PASSWORD)))
    return clients.rhea(("localhost", listening.ports.amqp), listening.ca, login, **told)


async def test_rhea_prints_topic_id_and_body(node_clients: NodeClients, listening: Listening) -> None:
    body = '{"place":"Küche"}'.encode()
    listening.groups.add(forwarded(7, body), attempt=2)
    async with rhea(node_clients, listening) as client:
        assert (await client.next("receiver_open"))["address"] == "default"
        message = await client.next("message")
        assert base64.b64decode(message["body"]) == body
        assert message["id"] == "1000000000000000007"
        assert message["properties"] == {
            "topic": TOPIC,
            "messageId": "1000000000000000007",
            "generateTime": 1_700_000_000_123,
            "qos": 1,
        }
        assert (message["typecode"], message["content_type"]) == (0x75, None)
        assert (message["durable"], message["delivery_count"]) == (True, 2)
        await listening.until(lambda: listening.groups.accepted_ids == [7])


@pytest.mark.parametrize("decide", ["release", "reject", "modify"])
async def test_rhea_gives_messages_back(node_clients: NodeClients, listening: Listening, decide: str) -> None:
    async with rhea(node_clients, listening, decide=decide, options={"autoaccept": False}) as client:
        listening.groups.add(forwarded(7))
        await client.next("message")
        await listening.until(lambda: listening.groups.rejected_ids == [7])


async def test_rhea_takes_big_messages_in_small_frames(node_clients: NodeClients, listening: Listening) -> None:
    body = bytes(range(256)) * 800
    listening.groups.add(forwarded(1, body), forwarded(2, b"small"))
    async with rhea(node_clients, listening, frame=8192) as client:
        assert base64.b64decode((await client.next("message"))["body"]) == body
        assert base64.b64decode((await client.next("message"))["body"]) == b"small"


async def test_rhea_drains_its_link(node_clients: NodeClients, listening: Listening) -> None:
    listening.groups.add(forwarded(1))
    async with rhea(node_clients, listening, credit=5, drain=True) as client:
        await client.next("message")
        assert (await client.next("drained"))["count"] == 1


async def test_rhea_learns_why_it_is_refused(node_clients: NodeClients, listening: Listening) -> None:
    async with rhea(node_clients, listening, password="wrong") as client:
        assert "Failed to authenticate: 1" in str(await client.next("connection_error"))


async def test_rhea_may_neither_send_nor_receive_twice(node_clients: NodeClients, listening: Listening) -> None:
    async with rhea(node_clients, listening, sender=True, second=True) as client:
        errors = [await client.next("sender_error"), await client.next("receiver_error")]
        assert [error["error"]["condition"] for error in errors] == ["amqp:not-allowed"] * 2
    assert listening.groups.joined == 1


async def test_rhea_is_told_when_the_server_stops(node_clients: NodeClients, listening: Listening) -> None:
    async with rhea(node_clients, listening) as client:
        await client.next("receiver_open")
        await listening.consumers.stop()
        assert (await client.next("connection_error"))["error"]["condition"] == "amqp:connection:forced"


def azure(listening: Listening, **options: Any) -> AzureClient:
    return AzureClient(listening.ports.amqp, listening.ca, (USER, PASSWORD), **options)


async def test_azure_s_client_receives_settles_and_gives_back(listening: Listening) -> None:
    body = '{"place":"Küche"}'.encode()
    listening.groups.add(*(forwarded(number, body) for number in range(1, 5)))

    def consume() -> list[Any]:
        with azure(listening, link_credit=10) as client:
            got = client.messages(4)
            for (delivery, _), outcome in zip(got, ("accepted", "released", "rejected", "modified"), strict=True):
                client.settle(delivery, outcome)
            return [message for _, message in got]

    messages = await asyncio.to_thread(consume)
    await listening.until(lambda: listening.groups.rejected_ids == [2, 3, 4])
    assert listening.groups.accepted_ids == [1]
    first = messages[0]
    assert (list(first.data), first.properties.message_id) == ([body], b"1000000000000000001")
    assert first.application_properties == {
        b"topic": TOPIC.encode(),
        b"messageId": b"1000000000000000001",
        b"generateTime": 1_700_000_000_123,
        b"qos": 1,
    }


async def test_azure_s_client_settles_second_and_takes_small_frames(listening: Listening) -> None:
    bodies = [bytes(range(256)) * 400, b"small"]
    listening.groups.add(*(forwarded(number, body) for number, body in enumerate(bodies, 1)))

    def consume() -> list[bytes]:
        with azure(listening, link_credit=1, max_frame_size=8192, receive_settle_mode=1) as client:
            received = []
            for _ in bodies:
                ((delivery, message),) = client.messages(1)
                received.append(b"".join(message.data))
                client.settle(delivery, await_outcome=True, outcome_timeout=PATIENCE_S)
            return received

    assert await asyncio.to_thread(consume) == bodies
    assert listening.groups.accepted_ids == [1, 2]


class Heard(stomp.ConnectionListener):  # type: ignore[misc] # untyped
    """Puts what a stomp.py client hears into a queue."""

    def __init__(self) -> None:
        self.frames: queue.SimpleQueue[tuple[str, dict[str, str], Any]] = queue.SimpleQueue()

    def on_connected(self, frame: Any) -> None:
        self.frames.put(("CONNECTED", frame.headers, frame.body))

    def on_message(self, frame: Any) -> None:
        self.frames.put(("MESSAGE", frame.headers, frame.body))

    def on_error(self, frame: Any) -> None:
        self.frames.put(("ERROR", frame.headers, frame.body))


@pytest.mark.parametrize(
    "kind", [stomp.StompConnection10, stomp.StompConnection11, stomp.StompConnection12], ids=["1.0", "1.1", "1.2"]
)
@pytest.mark.parametrize("encoded", [False, True], ids=["as it is", "base64"])
async def test_stomp_py_receives(listening: Listening, kind: Any, encoded: bool) -> None:
    body = '{"place":"Küche"}'
    user = USER.replace("authId", "encode=base64,authId") if encoded else USER
    beats = {} if kind is stomp.StompConnection10 else {"heartbeats": (0, 300)}
    address = ("127.0.0.1", listening.ports.stomp)
    connection = kind([address], **beats)
    connection.set_ssl([address], ca_certs=str(listening.ca), ssl_version=ssl.PROTOCOL_TLS_CLIENT)
    heard = Heard()
    connection.set_listener("", heard)
    await asyncio.to_thread(connection.connect, user, PASSWORD, wait=True)
    try:
        assert (await asyncio.to_thread(heard.frames.get, timeout=PATIENCE_S))[0] == "CONNECTED"
        connection.subscribe(destination="/topic/#", id="1", ack="auto")
        await listening.until(lambda: bool(listening.groups.members))
        listening.groups.add(forwarded(1, body.encode(), topic="/p/d/user/a:b"))
        command, headers, received = await asyncio.to_thread(heard.frames.get, timeout=PATIENCE_S)
        assert command == "MESSAGE"
        assert headers["topic"] == headers["destination"] == "/p/d/user/a:b"
        assert headers["messageId"] == headers["message-id"] == "1000000000000000001"
        assert received == (base64.b64encode(body.encode()).decode() if encoded else body)
        assert listening.groups.accepted_ids == [1]
    finally:
        await asyncio.to_thread(connection.disconnect)


async def test_stomp_py_is_told_that_it_is_refused(listening: Listening) -> None:
    address = ("127.0.0.1", listening.ports.stomp)
    connection = stomp.StompConnection12([address], heartbeats=(0, 300))
    connection.set_ssl([address], ca_certs=str(listening.ca), ssl_version=ssl.PROTOCOL_TLS_CLIENT)
    heard = Heard()
    connection.set_listener("", heard)
    with pytest.raises(stomp.exception.ConnectFailedException):
        await asyncio.to_thread(connection.connect, USER, "wrong", wait=True)
    assert heard.frames.get(timeout=PATIENCE_S)[0] == "ERROR"
    await asyncio.to_thread(connection.transport.stop)

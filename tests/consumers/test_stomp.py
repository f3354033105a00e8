import asyncio

import pytest

from tests.consumers.groups import TOPIC, USER, forwarded
from tests.consumers.support import Listening, stomp_peer


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
async def test_messages_settle_when_they_are_written(listening: Listening, tls: bool) -> None:
    peer = await stomp_peer(listening, tls=tls)
    connected = await peer.connect()
    assert connected.headers["heart-beat"] == "15000,0"
    peer.subscribe()
    assert (await peer.receive()).command == "RECEIPT"
    listening.groups.add(forwarded(1, b"\0one\0", tag="t"))
    message = await peer.receive()
    assert message.body == b"\0one\0"
    assert message.headers == {
        "subscription": "1",
        "message-id": "1000000000000000001",
        "destination": TOPIC,
        "topic": TOPIC,
        "messageId": "1000000000000000001",
        "generateTime": "1700000000123",
        "qos": "1",
        "tag": "t",
        "content-length": "5",
    }
    assert listening.groups.accepted_ids == [1]
    peer.writer.close()
    await listening.until(lambda: listening.groups.members == [])


async def test_bodies_may_be_base64_text(listening: Listening) -> None:
    peer = await stomp_peer(listening)
    await peer.connect(USER.replace("authId", "encode=base64,authId"))
    peer.subscribe()
    await peer.receive()
    listening.groups.add(forwarded(body=b"\xff\xfe"))
    assert (await peer.receive()).body == b"//4="


async def test_acknowledging_and_refusing(listening: Listening) -> None:
    peer = await stomp_peer(listening)
    await peer.connect()
    peer.subscribe("client-individual")
    await peer.receive()
    listening.groups.add(forwarded(1), forwarded(2))
    one, two = await peer.receive(), await peer.receive()
    assert listening.groups.accepted_ids == []
    peer.write(f"NACK\nid:{two.headers['ack']}\n\n\0ACK\nid:{one.headers['ack']}\nreceipt:r\n\n\0".encode())
    assert (await peer.receive()).headers == {"receipt-id": "r"}
    assert listening.groups.accepted_ids == [1]
    assert listening.groups.rejected_ids == [2]


async def test_a_receipt_of_an_acknowledgement_means_that_it_is_durable(listening: Listening) -> None:
    listening.groups.not_durable = asyncio.Event()
    peer = await stomp_peer(listening)
    await peer.connect()
    peer.subscribe("client")
    await peer.receive()
    listening.groups.add(forwarded(1))
    message = await peer.receive()
    peer.write(f"ACK\nid:{message.headers['ack']}\nreceipt:r\n\n\0ACK\nid:99\nreceipt:marker\n\n\0".encode())
    assert (await peer.receive()).headers == {"receipt-id": "marker"}
    listening.groups.not_durable.set()
    assert (await peer.receive()).headers == {"receipt-id": "r"}


async def test_a_wrong_password_is_an_error(listening: Listening) -> None:
    peer = await stomp_peer(listening)
    error = await peer.connect(password="wrong")
    assert (error.command, error.headers["message"]) == ("ERROR", "wrong user name or password")
    assert await peer.is_gone()
    assert listening.consumers.reading()["stomp_refused_total:sign-in"] == 1


async def test_a_sign_in_that_cannot_be_checked_may_be_repeated(listening: Listening) -> None:
    listening.groups.failure = OSError("no database")
    peer = await stomp_peer(listening)
    assert (await peer.connect()).headers["message"] == "try again later"
    assert await peer.is_gone()


async def test_a_client_too_many_is_refused(listening: Listening) -> None:
    listening.groups.full = True
    peer = await stomp_peer(listening)
    await peer.connect()
    peer.subscribe()
    assert (await peer.receive()).headers["message"] == "group G is full"
    assert await peer.is_gone()


async def test_unsubscribing_leaves_the_group(listening: Listening) -> None:
    peer = await stomp_peer(listening)
    await peer.connect()
    peer.subscribe()
    await peer.receive()
    peer.write(b"UNSUBSCRIBE\nid:1\nreceipt:u\n\n\0")
    await peer.receive()
    assert listening.groups.members == []


async def test_a_dropped_client_learns_why(listening: Listening) -> None:
    peer = await stomp_peer(listening)
    await peer.connect()
    peer.subscribe()
    await peer.receive()
    listening.groups.members[0].consumer.drop("the key was disabled")
    assert (await peer.receive()).headers["message"] == "the key was disabled"
    assert await peer.is_gone()


async def test_silence_is_broken(listening: Listening) -> None:
    peer = await stomp_peer(listening)
    await peer.connect()
    peer.subscribe()
    await peer.receive()
    listening.pass_time(5)
    listening.pass_time(15)
    assert await peer.reader.readexactly(1) == b"\n"


async def test_a_stranger_is_closed_after_15_seconds(listening: Listening) -> None:
    peer = await stomp_peer(listening)
    await listening.until(lambda: len(listening.consumers.hub._open) == 1)
    listening.pass_time(15)
    assert (await peer.receive()).command == "ERROR"
    assert await peer.is_gone()
    assert listening.consumers.reading()["stomp_faults_total"] == 1

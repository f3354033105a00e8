"""Floods, from addresses that may be anybody's: what an endpoint keeps of them is limited."""

from tests.coap.test_endpoint import PEER, feed, post, sent
from thingplane.coap import Code, Endpoint, Limits, Message, Number
from thingplane.coap.blocks import Block

FULL = b"x" * 1024


def block(number: int, *, more: bool, payload: bytes = FULL, transfer: int = 0, message_id: int = 0) -> Message:
    """Return a message of a request in blocks; transfers differ in their query."""
    value = Block(number, more, 6).encode()
    return post(message_id or number + 1, payload=payload, BLOCK1=value, URI_QUERY=b"t=%d" % transfer)


def codes(endpoint: Endpoint) -> list[int]:
    return [message.code for message in sent(endpoint)]


def test_requests_are_remembered_up_to_a_number_whoever_sends_them() -> None:
    endpoint = Endpoint(Limits(exchanges=100))
    for number in range(5000):
        request = feed(endpoint, post(number), peer=("192.0.2.1", number))
        assert request is not None
        endpoint.respond(request, Code.UNAUTHORIZED, 0.0)
    assert len(endpoint._exchanges) == 100


def test_responses_are_remembered_up_to_a_size() -> None:
    endpoint = Endpoint(Limits(exchange_bytes=10_000))
    for number in range(500):
        request = feed(endpoint, post(number))
        assert request is not None
        endpoint.respond(request, Code.CONTENT, 0.0, b"x" * 900)
    assert endpoint._exchange_bytes <= 11_000
    assert sum(len(exchange.datagram) for exchange in endpoint._exchanges.values()) == endpoint._exchange_bytes


def test_requests_in_blocks_are_so_many_and_so_large_in_all() -> None:
    endpoint = Endpoint(Limits(transfers=50, transfer_bytes=20_480))
    for transfer in range(200):
        assert feed(endpoint, block(0, more=True, transfer=transfer, message_id=transfer)) is None
    assert (len(endpoint._uploads), endpoint._uploads._bytes) == (20, 20_480)
    # The one longest without a block has made room; the last one goes on.
    sent(endpoint)
    assert feed(endpoint, block(1, more=False, transfer=0, message_id=1000)) is None
    assert codes(endpoint) == [Code.REQUEST_ENTITY_INCOMPLETE]
    request = feed(endpoint, block(1, more=False, payload=b"end", transfer=199, message_id=1001))
    assert request is not None
    assert request.payload == FULL + b"end"
    assert endpoint._uploads._bytes == 19 * 1024
    endpoint.tick(1e6)
    assert (len(endpoint._uploads), endpoint._uploads._bytes) == (0, 0)


def test_a_body_has_a_size() -> None:
    endpoint = Endpoint(Limits(body=4096))
    for number in range(4):
        assert feed(endpoint, block(number, more=True)) is None
    assert codes(endpoint) == [Code.CONTINUE] * 4
    assert feed(endpoint, block(4, more=True)) is None
    assert codes(endpoint) == [Code.REQUEST_ENTITY_TOO_LARGE]
    assert endpoint._uploads._bytes == 0


def test_strangers_send_short_bodies_and_take_no_room_from_others() -> None:
    endpoint = Endpoint(Limits(transfers=10, stranger_body=2048), is_trusted=lambda item: b"t=0" in item.all(15))
    assert feed(endpoint, block(0, more=True, transfer=0)) is None
    for transfer in range(1, 100):
        assert feed(endpoint, block(0, more=True, transfer=transfer, message_id=transfer + 1)) is None
    sent(endpoint)
    assert feed(endpoint, block(1, more=True, transfer=99, message_id=2000)) is None
    assert feed(endpoint, block(2, more=True, transfer=99, message_id=2001)) is None
    assert codes(endpoint) == [Code.CONTINUE, Code.REQUEST_ENTITY_TOO_LARGE]
    request = feed(endpoint, block(1, more=False, payload=b"end", transfer=0, message_id=2002))
    assert request is not None
    assert len(request.payload) == 1027


def test_responses_in_blocks_are_so_many_and_so_large_in_all() -> None:
    endpoint = Endpoint(Limits(transfers=50, transfer_bytes=30_000))
    for number in range(200):
        request = feed(endpoint, post(number, URI_QUERY=b"n=%d" % number))
        assert request is not None
        endpoint.respond(request, Code.CONTENT, 0.0, b"y" * 3000)
    assert (len(endpoint._bodies), endpoint._body_bytes) == (10, 30_000)
    sent(endpoint)
    second = Block(1, False, 6).encode()
    feed(endpoint, post(1000, URI_QUERY=b"n=199", BLOCK2=second))
    feed(endpoint, post(1001, URI_QUERY=b"n=0", BLOCK2=second))
    assert codes(endpoint) == [Code.CONTENT, Code.REQUEST_ENTITY_INCOMPLETE]
    endpoint.tick(1e6)
    assert (len(endpoint._bodies), endpoint._body_bytes) == (0, 0)


def test_answers_that_nobody_acknowledges_are_so_many_and_end() -> None:
    endpoint = Endpoint(Limits(unacknowledged=20))
    for number in range(100):
        request = feed(endpoint, post(number))
        assert request is not None
        endpoint.respond(request, Code.CONTENT, 0.0, separate=True)
    assert len(endpoint._unacknowledged) == 20
    datagrams = len(sent(endpoint))
    now = 0.0
    while now < 300:
        now += 0.5
        endpoint.tick(now)
        datagrams += len(sent(endpoint))
    assert datagrams == 100 + 100 + 20 * 4  # acknowledgements, answers, and repetitions
    assert (endpoint._unacknowledged, endpoint._due) == ({}, [])


def test_an_answer_to_a_stranger_is_no_longer_than_the_question() -> None:
    """Who sends in another's name makes the node send that one no more than itself has sent."""
    endpoint = Endpoint()
    for message in (
        post(1, URI_QUERY=b"n=1"),
        block(3, more=True),
        Message(post().type, Code.POST, 5, b"12345678", [(Number.URI_PATH, b"x"), (9999, b"")], b"x"),
        Message(post().type, Code.EMPTY, 6),
    ):
        data = message.encode()
        request = endpoint.receive(data, PEER, 0.0)
        if request is not None:
            endpoint.respond(request, Code.UNAUTHORIZED, 0.0)
        [(answer, _)] = endpoint.outgoing
        endpoint.outgoing.clear()
        assert len(answer) <= max(len(data), 60)

"""The message layer: requests are handled once, answers arrive although datagrams are lost, bodies come in blocks."""

import random
from collections.abc import Hashable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thingplane.coap import Code, Endpoint, Limits, Message, Number, Request, Type
from thingplane.coap.blocks import Block
from thingplane.coap.endpoint import EXCHANGE_LIFETIME_S
from thingplane.coap.message import decode, uint_bytes

PEER = ("192.0.2.1", 5000)


def post(message_id: int = 1, kind: Type = Type.CON, payload: bytes = b"x", **options: bytes) -> Message:
    numbers = [(int(Number[name]), value) for name, value in options.items()]
    return Message(kind, Code.POST, message_id, b"t", sorted([(Number.URI_PATH, b"topic"), *numbers]), payload)


def feed(endpoint: Endpoint, message: Message, now: float = 0.0, peer: Hashable = PEER) -> Request | None:
    return endpoint.receive(message.encode(), peer, now)


def sent(endpoint: Endpoint) -> list[Message]:
    out, endpoint.outgoing = endpoint.outgoing, []
    return [decode(data) for data, _ in out]


def test_a_confirmable_request_is_answered_on_its_acknowledgement() -> None:
    endpoint = Endpoint()
    request = feed(endpoint, post(77, URI_QUERY=b"token=abc"))
    assert request is not None
    assert (request.path, request.query, request.payload) == (["topic"], {"token": "abc"}, b"x")
    endpoint.respond(request, Code.CONTENT, 0.0, b"yes")
    assert sent(endpoint) == [Message(Type.ACK, Code.CONTENT, 77, b"t", [], b"yes")]


def test_a_non_confirmable_request_is_answered_by_a_message_of_its_own() -> None:
    endpoint = Endpoint(first_message_id=499)
    request = feed(endpoint, post(77, Type.NON))
    assert request is not None
    endpoint.respond(request, Code.CONTENT, 0.0)
    assert sent(endpoint) == [Message(Type.NON, Code.CONTENT, 500, b"t")]


def test_a_repeated_request_is_not_handled_again_but_answered_again() -> None:
    endpoint = Endpoint()
    request = feed(endpoint, post())
    assert request is not None
    assert feed(endpoint, post()) is None  # before there is an answer
    assert sent(endpoint) == []
    endpoint.respond(request, Code.CONTENT, 0.0, b"yes")
    first = sent(endpoint)
    assert feed(endpoint, post(), EXCHANGE_LIFETIME_S - 1) is None
    assert sent(endpoint) == first
    assert feed(endpoint, post(), 0.0, ("192.0.2.2", 5000)) is not None  # somebody else's
    assert feed(endpoint, post(), EXCHANGE_LIFETIME_S + 1) is not None  # a new one under an old number


def test_a_request_is_answered_once() -> None:
    endpoint = Endpoint()
    request = feed(endpoint, post())
    assert request is not None
    endpoint.respond(request, Code.CONTENT, 0.0)
    with pytest.raises(ValueError, match="already"):
        endpoint.respond(request, Code.CONTENT, 0.0)


def test_what_takes_long_is_acknowledged_first_and_the_answer_is_repeated_until_it_is_acknowledged() -> None:
    endpoint = Endpoint(first_message_id=9)
    request = feed(endpoint, post(5))
    assert request is not None
    endpoint.tick(0.9)
    assert sent(endpoint) == []
    endpoint.tick(1.0)
    assert sent(endpoint) == [Message(Type.ACK, Code.EMPTY, 5)]
    endpoint.respond(request, Code.CONTENT, 2.0, b"late")
    answer = Message(Type.CON, Code.CONTENT, 10, b"t", [], b"late")
    assert sent(endpoint) == [answer]
    times = []
    for step in range(1, 2000):
        endpoint.tick(2.0 + step / 10)
        times += [step / 10 for message in sent(endpoint) if message == answer]
    assert len(times) == 4
    assert 2.0 <= times[0] <= 3.1
    waits = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
    assert all(1.9 < later / earlier < 2.1 for earlier, later in pairwise(waits))


@pytest.mark.parametrize("kind", [Type.ACK, Type.RST])
def test_an_acknowledged_answer_is_not_repeated(kind: Type) -> None:
    endpoint = Endpoint(first_message_id=9)
    request = feed(endpoint, post(5))
    assert request is not None
    endpoint.respond(request, Code.CONTENT, 0.0, separate=True)
    assert [message.type for message in sent(endpoint)] == [Type.ACK, Type.CON]
    feed(endpoint, Message(kind, Code.EMPTY, 10))
    endpoint.tick(300.0)
    assert sent(endpoint) == []


def test_a_ping_is_answered_with_a_reset() -> None:
    endpoint = Endpoint()
    assert feed(endpoint, Message(Type.CON, Code.EMPTY, 3)) is None
    assert sent(endpoint) == [Message(Type.RST, Code.EMPTY, 3)]


def test_unknown_critical_options_are_refused_and_elective_ones_ignored() -> None:
    endpoint = Endpoint(known=frozenset({2089}))
    assert feed(endpoint, Message(Type.CON, Code.POST, 1, b"", [(2001, b"")])) is None
    assert [message.code for message in sent(endpoint)] == [Code.BAD_OPTION]
    assert feed(endpoint, Message(Type.CON, Code.POST, 2, b"", [(2088, b""), (2089, b"")])) is not None


def test_a_body_in_blocks_is_one_request() -> None:
    endpoint = Endpoint()
    body = bytes(range(256)) * 10
    request = None
    for number in range(5):
        piece = body[number * 512 : number * 512 + 512]
        block = Block(number, number < 4, 5)
        request = feed(endpoint, post(number, payload=piece, BLOCK1=block.encode()))
        if number < 4:
            assert request is None
            [answer] = sent(endpoint)
            assert (answer.code, answer.first(Number.BLOCK1)) == (Code.CONTINUE, block.encode())
    assert request is not None
    assert request.payload == body
    endpoint.respond(request, Code.CONTENT, 0.0)
    assert sent(endpoint)[0].first(Number.BLOCK1) == Block(4, False, 5).encode()


@pytest.mark.parametrize(
    ("blocks", "code"),
    [
        ([Block(1, True, 0)], Code.REQUEST_ENTITY_INCOMPLETE),
        ([Block(0, True, 0), Block(2, True, 0)], Code.REQUEST_ENTITY_INCOMPLETE),
        ([Block(0, True, 1)], Code.REQUEST_ENTITY_INCOMPLETE),  # 16 bytes that call themselves 32
        ([Block(number, True, 0) for number in range(5)], Code.REQUEST_ENTITY_TOO_LARGE),
    ],
)
def test_blocks_that_make_no_body_are_refused(blocks: list[Block], code: Code) -> None:
    endpoint = Endpoint(Limits(body=64))
    for number, block in enumerate(blocks):
        assert feed(endpoint, post(number, payload=bytes(16), BLOCK1=block.encode())) is None
    assert sent(endpoint)[-1].code == code


@pytest.mark.parametrize("value", [b"\x07", b"\x00\x00\x00\x01"])
def test_a_senseless_block_option_is_refused(value: bytes) -> None:
    endpoint = Endpoint()
    assert feed(endpoint, post(BLOCK1=value)) is None
    assert sent(endpoint)[0].code == Code.BAD_OPTION


def test_a_long_answer_is_fetched_in_blocks() -> None:
    endpoint = Endpoint()
    body = random.Random(1).randbytes(3000)
    request = feed(endpoint, post(0))
    assert request is not None
    endpoint.respond(request, Code.CONTENT, 0.0, body)
    [answer] = sent(endpoint)
    assert answer.first(Number.SIZE2) == uint_bytes(3000)
    found = answer.payload
    number = 0
    while True:
        block = Block.decode(answer.first(Number.BLOCK2) or b"")
        if not block.more:
            break
        number += 1
        assert feed(endpoint, post(number, payload=b"", BLOCK2=Block(number, False, 6).encode())) is None
        [answer] = sent(endpoint)
        found += answer.payload
    assert found == body
    # Nobody keeps it for ever.
    endpoint.tick(EXCHANGE_LIFETIME_S + 1)
    assert feed(endpoint, post(99, BLOCK2=Block(1, False, 6).encode()), EXCHANGE_LIFETIME_S + 1) is None
    assert sent(endpoint)[0].code == Code.REQUEST_ENTITY_INCOMPLETE


def test_memory_is_bounded() -> None:
    endpoint = Endpoint(Limits(exchanges=10, transfers=3))
    for number in range(100):
        peer = ("192.0.2.1", number)
        feed(endpoint, post(number), 0.0, peer)
        feed(endpoint, post(number + 1000, payload=bytes(16), BLOCK1=Block(0, True, 0).encode()), 0.0, peer)
    assert len(endpoint._exchanges) == 10
    assert len(endpoint._uploads._parts) == 3


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_over_a_bad_network_every_request_is_handled_exactly_once(seed: int) -> None:
    """A client that repeats as the RFC says, over a link that loses, doubles and reorders datagrams."""
    chance = random.Random(seed)
    endpoint = Endpoint()
    handled: list[bytes] = []
    answered: set[int] = set()
    pending: list[Request] = []
    for number in range(20):
        datagram = post(number, payload=b"%d" % number).encode()
        for attempt in range(40):
            now = number * 10 + attempt * 0.25
            for _ in range(chance.choice([0, 0, 1, 1, 2])):
                request = endpoint.receive(datagram, PEER, now)
                if request is not None:
                    handled.append(request.payload)
                    pending.append(request)
            if pending and chance.random() < 0.5:
                endpoint.respond(pending.pop(chance.randrange(len(pending))), Code.CONTENT, now, b"ok")
            endpoint.tick(now)
            out, endpoint.outgoing = endpoint.outgoing, []
            for data, _ in out:
                if chance.random() < 0.5:
                    message = decode(data)
                    if message.code == Code.CONTENT:
                        answered.add(number if message.type is Type.ACK else -1)
            if number in answered and not pending:
                break
    assert len(handled) == len(set(handled))
    assert set(handled) >= {b"%d" % number for number in answered if number >= 0}


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_datagrams_leave_the_endpoint_usable(datagrams: list[bytes]) -> None:
    endpoint = Endpoint()
    for now, data in enumerate(datagrams):
        request = endpoint.receive(data, PEER, now)
        if request is not None:
            endpoint.respond(request, Code.CONTENT, now)
        endpoint.tick(now)
    assert feed(endpoint, post(1), 1000.0, "other") is not None

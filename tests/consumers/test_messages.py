from typing import Any

import pytest

from tests.consumers.groups import forwarded
from thingplane.amqp.codec.composite import read_composite
from thingplane.amqp.codec.decode import read_value
from thingplane.amqp.codec.types import Described
from thingplane.amqp.numbers import Descriptor
from thingplane.consumers.messages import encode_message

D = Descriptor


def sections(message: bytes) -> dict[int, Any]:
    found: dict[int, Any] = {}
    position = 0
    while position < len(message):
        section, position = read_value(message, position, len(message))
        assert isinstance(section, Described)
        assert isinstance(section.descriptor, int)
        found[section.descriptor] = section.value
    return found


def test_a_message_has_the_documented_sections() -> None:
    body = '{"temperature":21,"place":"Küche"}'.encode()
    message = sections(encode_message(forwarded(7, body), 0))
    assert list(message) == [D.HEADER, D.PROPERTIES, D.APPLICATION_PROPERTIES, D.DATA]
    assert message[D.HEADER] == [True]
    assert message[D.PROPERTIES] == ["1000000000000000007"]
    assert message[D.APPLICATION_PROPERTIES] == {
        "topic": "/a1ExampleK1/sensor-01/thing/event/property/post",
        "messageId": "1000000000000000007",
        "generateTime": 1_700_000_000_123,
        "qos": 1,
    }
    assert message[D.DATA] == body


def test_bytes_of_a_message() -> None:
    message = encode_message(forwarded(7, b"{}", topic="/p/d/user/update", qos=0), 0)
    expected = (
        bytes.fromhex("005370c0020141")
        + bytes.fromhex("005373c01601 a113")
        + b"1000000000000000007"
        + bytes.fromhex("005374c15808 a105")
        + b"topic"
        + bytes.fromhex("a110")
        + b"/p/d/user/update"
        + bytes.fromhex("a109")
        + b"messageId"
        + bytes.fromhex("a113")
        + b"1000000000000000007"
        + bytes.fromhex("a10c")
        + b"generateTime"
        + bytes.fromhex("810000018bcfe5687b a103")
        + b"qos"
        + bytes.fromhex("5400 005375 a002")
        + b"{}"
    )
    assert message.hex() == expected.hex()


@pytest.mark.parametrize("attempt", [1, 2, 255, 256])
def test_a_message_that_comes_again_says_how_often(attempt: int) -> None:
    message = encode_message(forwarded(), attempt)
    fields, _ = read_composite(message, 0, len(message))
    assert [fields.get(index) for index in range(len(fields))] == [True, None, None, None, attempt]


def test_a_tag_is_a_property() -> None:
    message = sections(encode_message(forwarded(tag="rule-1"), 0))
    assert message[D.APPLICATION_PROPERTIES]["tag"] == "rule-1"


def test_a_body_may_be_base64_text() -> None:
    assert sections(encode_message(forwarded(body=b"\xff\0"), 0, base64=True))[D.DATA] == b"/wA="


@pytest.mark.parametrize("size", [0, 255, 256, 200_000])
@pytest.mark.parametrize("length", [1, 130, 150, 255, 256, 4096])
def test_bodies_and_topics_of_any_length(size: int, length: int) -> None:
    message = sections(encode_message(forwarded(body=bytes(size), topic="t" * length, tag="x"), 0))
    assert message[D.DATA] == bytes(size)
    assert message[D.APPLICATION_PROPERTIES]["topic"] == "t" * length

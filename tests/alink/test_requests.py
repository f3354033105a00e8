"""Alink requests as devices send them, and the answers: device-protocol reference, 3.1 and 13."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.alink import Uplink, method_of, read_request

TOPIC = "/sys/a1ExampleK1/sensor-01/thing/event/property/post"
METHOD = b'"thing.event.property.post"'


class Device:
    id = 1
    product_id = 2
    product_key = "a1ExampleK1"
    name = "sensor-01"


def uplink(payload: bytes) -> Uplink:
    return Uplink(Device(), TOPIC, "", payload, 1_700_000_000_000)


def read(payload: bytes) -> Uplink:
    """Read a request that can be handled."""
    message = uplink(payload)
    assert read_request(message, METHOD)
    assert message.replies == []
    return message


def refused(payload: bytes) -> bytes:
    """Return the answer to a request that can't."""
    message = uplink(payload)
    assert not read_request(message, METHOD)
    [(topic, reply)] = message.replies
    assert topic == TOPIC + "_reply"
    return reply


def test_the_documented_request_is_read() -> None:
    message = read(
        b'{"id":"7","version":"1.0","sys":{"ack":1},"params":{"Temp":21.5,"Pump":{"value":1,"time":1600000000123}},'
        b'"method":"thing.event.property.post"}'
    )
    assert message.params == b'{"Temp":21.5,"Pump":{"value":1,"time":1600000000123}}'
    assert message.wants_reply


@pytest.mark.parametrize(
    "request_id",
    [
        b'"1"',
        b"1",
        b'"0042"',
        b"4294967296",
        b'"1|exp-topic|/sys/a/b"',
        b'"\\u00e9\\""',
        '"中"'.encode(),
        b"-1",
        b"1.50",
    ],
)
def test_the_id_is_echoed_exactly(request_id: bytes) -> None:
    message = read(b'{"id":' + request_id + b',"params":{}}')
    message.reply()
    assert message.replies == [
        (
            TOPIC + "_reply",
            b'{"code":200,"data":{},"id":' + request_id + b',"message":"success",'
            b'"method":"thing.event.property.post","version":"1.0"}',
        )
    ]


@pytest.mark.parametrize("payload", [b"{}", b'{"id":null}', b'{"id":{"a":1}}', b'{"id":[1]}', b'{"id":true}'])
def test_a_request_without_an_id_is_answered_with_the_text_null(payload: bytes) -> None:
    message = read(payload)
    message.reply()
    assert msgspec.json.decode(message.replies[0][1])["id"] == "null"


@pytest.mark.parametrize(
    ("sys", "expected"),
    [
        (b'{"ack":0}', False),
        (b'{"ack":"0"}', False),
        (b'{ "x": 1, "ack" : 0 }', False),
        (b'{"ack":1}', True),
        (b'{"ack":[0]}', True),
        (b"{}", True),
        (b"0", True),
        (b"null", True),
    ],
)
def test_a_device_may_want_no_answer(sys: bytes, expected: bool) -> None:
    message = read(b'{"id":"1","sys":' + sys + b',"params":{}}')
    assert message.wants_reply is expected
    message.reply()
    assert bool(message.replies) is expected


def test_no_answer_also_when_the_request_is_wrong() -> None:
    message = uplink(b'{"sys":{"ack":0},"params":5}')
    assert not read_request(message, METHOD)
    assert message.replies == []


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (b"[1,2]", b"[1,2]"),
        (b'"{}"', b"{}"),
        (b'"{\\"a\\":1}"', b'{"a":1}'),
        (b'" [1] "', b"[1]"),
        (b'""', b"{}"),
        (b"null", b"{}"),
    ],
)
def test_params_may_be_an_array_or_the_text_of_an_object(params: bytes, expected: bytes) -> None:
    assert read(b'{"id":"1","params":' + params + b"}").params == expected


def test_params_version_and_method_may_be_missing() -> None:
    assert read(b'{"id":"1"}').params == b"{}"
    assert read(b'{"id":"1","params":{},"method":""}').params == b"{}"
    assert read(b'{"id":"1","params":{},"method":null}').params == b"{}"
    assert read(b'{"id":"1","params":{},"method":"thing.event.property.\\u0070ost"}').params == b"{}"


@pytest.mark.parametrize("params", [b"1", b"true", b'"x"', b'"5"'])
def test_other_params_are_answered_with_460(params: bytes) -> None:
    assert refused(b'{"id":"1","params":' + params + b"}").startswith(b'{"code":460,"data":{},"id":"1",')


@pytest.mark.parametrize("payload", [b"[]", b"1", b'"x"', b"null"])
def test_json_that_is_no_object_is_answered_with_460(payload: bytes) -> None:
    assert refused(payload).startswith(b'{"code":460,"data":{},"id":"null",')


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"x",
        b"{",
        b'{"id":1,}',
        b"\x00\x01",
        b"\xff",
        b'{"id":"\xff"}',
        b'{"params":"{\xff}"}',
        b'{"a":' + b"[" * 99_999,
    ],
)
def test_what_is_not_json_is_answered_with_6207(payload: bytes) -> None:
    assert refused(payload).startswith(b'{"code":6207,"data":{},"id":"null",')


@pytest.mark.parametrize("method", [b'"thing.event.alarm.post"', b"5"])
def test_the_method_of_another_topic_is_answered_with_460(method: bytes) -> None:
    assert refused(b'{"id":"1","params":{},"method":' + method + b"}").startswith(b'{"code":460,"data":{},"id":"1",')


@given(
    st.one_of(st.binary(max_size=50), st.recursive(st.none() | st.text(max_size=5), st.lists).map(msgspec.json.encode))
)
def test_nothing_raises_and_answers_are_json(payload: bytes) -> None:
    for text in (payload, b'{"id":' + payload + b"}", b'{"sys":' + payload + b"}", b'{"params":' + payload + b"}"):
        message = uplink(text)
        if read_request(message, METHOD):
            message.reply()
        for _, reply in message.replies:
            assert list(msgspec.json.decode(reply)) == ["code", "data", "id", "message", "method", "version"]


def test_answers_with_data_and_other_codes() -> None:
    message = read(b'{"id":3,"params":{}}')
    message.reply(data=b'{"a":"tsl parse: params not exist"}')
    message.reply(6106)
    message.reply(5000, b"[]", 'it\'s "x"')
    tail = b'"method":"thing.event.property.post","version":"1.0"}'
    assert [reply for _, reply in message.replies] == [
        b'{"code":200,"data":{"a":"tsl parse: params not exist"},"id":3,"message":"success",' + tail,
        b'{"code":6106,"data":{},"id":3,"message":"map size must less than 200",' + tail,
        b'{"code":5000,"data":[],"id":3,"message":"it\'s \\"x\\"",' + tail,
    ]


def test_the_method_is_the_topic_below_the_device() -> None:
    assert method_of(TOPIC) == "thing.event.property.post"

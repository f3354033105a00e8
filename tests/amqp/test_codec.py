import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.amqp.values import MALFORMED, VALUES, Encoded, encoded_values
from thingplane.amqp.codec import encode
from thingplane.amqp.codec.decode import read_value
from thingplane.amqp.codec.types import Symbol
from thingplane.amqp.errors import ConnectionFault
from thingplane.amqp.numbers import Condition, Descriptor


@pytest.mark.parametrize(("raw", "value"), [case[1:] for case in VALUES], ids=[case[0] for case in VALUES])
def test_every_type_decodes(raw: str, value: Any) -> None:
    data = bytes.fromhex(raw)
    decoded, position = read_value(data, 0, len(data))
    assert (decoded, type(decoded), position) == (value, type(value), len(data))


@pytest.mark.parametrize("raw", [case[1] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_malformed_bytes_are_a_decode_error(raw: str) -> None:
    data = bytes.fromhex(raw)
    with pytest.raises(ConnectionFault) as caught:
        read_value(data, 0, len(data))
    assert caught.value.condition is Condition.DECODE_ERROR


@pytest.mark.parametrize("raw", [case[1] for case in VALUES if len(case[1]) > 2], ids=str)
def test_a_value_does_not_reach_beyond_its_end(raw: str) -> None:
    data = bytes.fromhex(raw)
    with pytest.raises(ConnectionFault):
        read_value(data, 0, len(data) - 1)


@given(encoded_values)
def test_well_formed_values_decode(case: Encoded) -> None:
    raw, value = case
    assert read_value(raw, 0, len(raw)) == (value, len(raw))


@given(st.binary(max_size=60))
def test_random_bytes_raise_nothing_but_faults(data: bytes) -> None:
    try:
        read_value(data, 0, len(data))
    except ConnectionFault as fault:
        assert fault.condition is Condition.DECODE_ERROR  # noqa: PT017 - most do, some may be well-formed


@given(encoded_values, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_values_raise_nothing_but_faults(case: Encoded, changes: list[tuple[int, int]]) -> None:
    body = bytearray(case[0])
    for place, byte in changes:
        body[place % len(body)] = byte
    data = bytes(body)
    try:
        read_value(data, 0, len(data))
    except ConnectionFault as fault:
        assert fault.condition is Condition.DECODE_ERROR  # noqa: PT017 - see above


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (encode.NULL, None),
        (encode.boolean(value=True), True),
        (encode.boolean(value=False), False),
        (encode.ubyte(200), 200),
        (encode.ushort(65535), 65535),
        *((encode.uint(value), value) for value in (0, 1, 255, 256, 0xFFFFFFFF)),
        *((encode.ulong(value), value) for value in (0, 1, 255, 256, 0xFFFFFFFFFFFFFFFF)),
        *((encode.integer(value), value) for value in (0, -128, 127, 128, -129, 2**31 - 1, -(2**31))),
        *((encode.long(value), value) for value in (0, -128, 127, 128, -129, 2**63 - 1, -(2**63))),
        *((encode.binary(bytes(size)), bytes(size)) for size in (0, 255, 256)),
        *((encode.string("€" * size), "€" * size) for size in (0, 85, 86)),
        (encode.symbol("amqp:x"), Symbol("amqp:x")),
        (encode.symbols(["a", "bc"]), [Symbol("a"), Symbol("bc")]),
        (encode.sequence([]), []),
        (encode.sequence([encode.uint(1)] * 127), [1] * 127),
        (encode.sequence([encode.uint(1)] * 300), [1] * 300),
        (encode.mapping([encode.string("a"), encode.NULL]), {"a": None}),
    ],
)
def test_what_is_encoded_decodes_to_the_same(raw: bytes, value: Any) -> None:
    assert read_value(raw, 0, len(raw)) == (value, len(raw))


@pytest.mark.parametrize(
    ("encoded", "raw"),
    [
        (encode.uint(0), "43"),
        (encode.uint(255), "52ff"),
        (encode.uint(256), "7000000100"),
        (encode.integer(1), "5401"),
        (encode.long(1_700_000_000_123), "810000018bcfe5687b"),
        (encode.string("abc"), "a103616263"),
        (encode.composite(Descriptor.ACCEPTED, []), "00532445"),
        (encode.composite(Descriptor.HEADER, [encode.TRUE, encode.NULL]), "005370c0020141"),
    ],
)
def test_values_take_their_shortest_form(encoded: bytes, raw: str) -> None:
    assert encoded.hex() == raw


def test_a_float_may_be_no_number() -> None:
    value, _ = read_value(bytes.fromhex("727fc00000"), 0, 5)
    assert isinstance(value, float)
    assert math.isnan(value)

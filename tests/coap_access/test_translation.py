"""CBOR that says what JSON can say becomes JSON; everything else is refused."""

from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.coap_access.translation import TranslationError, to_cbor, to_json

numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_values_of_json_arrive_as_they_are(value: Any) -> None:
    assert msgspec.json.decode(to_json(cbor2.dumps(value))) == value
    assert cbor2.loads(to_cbor(msgspec.json.encode(value))) == value


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x19",  # cut off
        b"\x01\x02",  # two items
        cbor2.dumps({1: 2}),  # a key that is no text
        cbor2.dumps(b"bytes"),
        bytes.fromhex("c074323032342d30312d30325430333a30343a30355a"),  # a date, with its tag
        b"\x81" * 100 + b"\x01",  # lists in lists
        b"\x9a\xff\xff\xff\xff",  # a list of four billion items that are not there
        b"\x5a\xff\xff\xff\xff",
    ],
)
def test_everything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(TranslationError):
        to_json(payload)


def shared_lists(levels: int, width: int = 10) -> bytes:
    """Return lists of which each holds the one before many times, by reference."""
    lists = [b"\xd8\x1c\x81\x01"]
    lists += [b"\xd8\x1c" + bytes([0x80 + width]) + (b"\xd8\x1d" + bytes([number])) * width for number in range(levels)]
    return b"\x98" + bytes([len(lists)]) + b"".join(lists)


@pytest.mark.parametrize(
    "payload",
    [
        shared_lists(2),
        shared_lists(20),
        b"\xd9\x01\x00\x99\x03\xe8\x78\x64" + b"a" * 100 + b"\xd8\x19\x00" * 999,
    ],
)
def test_what_is_said_by_reference_is_not_said_out(payload: bytes) -> None:
    with pytest.raises(TranslationError, match="references"):
        to_json(payload)


@pytest.mark.parametrize(
    "value", ["x", [], {}, [[]] * 100, {"": ""}, ["\u00e9" * 50], {"a": {"b": [1, None, True, 1.5]}}]
)
def test_the_shortest_way_to_say_something_is_accepted(value: Any) -> None:
    assert msgspec.json.decode(to_json(cbor2.dumps(value))) == value


@given(st.binary(max_size=40))
def test_any_bytes_are_json_or_refused(payload: bytes) -> None:
    try:
        text = to_json(payload)
    except TranslationError:
        return
    msgspec.json.decode(text)

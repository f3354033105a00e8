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


@given(st.binary(max_size=40))
def test_any_bytes_are_json_or_refused(payload: bytes) -> None:
    try:
        text = to_json(payload)
    except TranslationError:
        return
    msgspec.json.decode(text)

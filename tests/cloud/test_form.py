"""Decoding and canonical encoding of parameters."""

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.cloud.form import Form

NAMES = st.text(min_size=1, max_size=10)
FORMS = st.dictionaries(NAMES, st.text(max_size=20), max_size=8)


def reference(values: dict[str, str]) -> str:
    return "&".join(f"{quote(name, safe='~')}={quote(values[name], safe='~')}" for name in sorted(values))


@given(FORMS)
def test_canonical_text_is_decoded_and_encoded_to_itself(values: dict[str, str]) -> None:
    raw = reference(values)
    form = Form.parse(raw.encode())
    assert form.values == values
    assert form.canonical() == raw


@given(FORMS)
def test_text_encoded_by_browsers_gets_the_canonical_encoding(values: dict[str, str]) -> None:
    raw = "&".join(f"{quote_plus(name, safe='*/:')}={quote_plus(value, safe='*/:=')}" for name, value in values.items())
    form = Form.parse(raw.encode())
    assert form.values == values
    assert form.canonical() == reference(values)


@given(st.binary(max_size=60))
def test_any_bytes_are_parameters_or_not_utf8(raw: bytes) -> None:
    try:
        form = Form.parse(raw)
    except UnicodeDecodeError:
        return
    assert form.canonical() == reference(form.values)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"a=%7e", "a=~"),
        (b"a=%7E", "a=~"),
        (b"a=%41", "a=A"),
        (b"a=%2f", "a=%2F"),
        (b"a=x+y", "a=x%20y"),
        (b"a=x*y", "a=x%2Ay"),
        (b"a=b=c", "a=b%3Dc"),
        (b"a", "a="),
        (b"b=&&a=", "a=&b="),
        (b"Tag.1=x&Tag=y&Tag.10=z", "Tag=y&Tag.1=x&Tag.10=z"),
        (b"", ""),
    ],
)
def test_what_is_not_canonical_becomes_so(raw: bytes, canonical: str) -> None:
    assert Form.parse(raw).canonical() == canonical


@pytest.mark.parametrize("raw", [b"a=1&a=2", b"a=1&a=+2"])
def test_the_first_of_two_values_counts(raw: bytes) -> None:
    assert Form.parse(raw).values == {"a": "1"}


def test_merging_prefers_the_query_and_can_leave_out_the_signature() -> None:
    form = Form.parse(b"b=1&Signature=x%3D").merged(Form.parse(b"b=2&a=%20"))
    assert form.values == {"a": " ", "b": "1", "Signature": "x="}
    assert form.canonical(without="Signature") == "a=%20&b=1"


@pytest.mark.parametrize("raw", [b"a=%FF", b"a=+%FF", b"\xff=1"])
def test_text_that_is_not_utf8_is_refused(raw: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        Form.parse(raw)

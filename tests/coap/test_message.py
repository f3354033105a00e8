"""Messages on the wire: what is written is read again, and nothing else is taken for a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.coap import Code, FormatError, Message, Number, Type
from thingplane.coap.message import decode, uint, uint_bytes

messages = st.builds(
    Message,
    type=st.sampled_from(Type),
    code=st.integers(1, 255),
    message_id=st.integers(0, 65535),
    token=st.binary(max_size=8),
    options=st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=300)), max_size=6).map(
        lambda options: sorted(options, key=lambda option: option[0])
    ),
    payload=st.binary(max_size=50),
)


@given(messages)
def test_what_is_encoded_is_decoded_again(message: Message) -> None:
    assert decode(message.encode()) == message


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_a_format_error(data: bytes) -> None:
    try:
        message = decode(data)
    except FormatError:
        return
    assert decode(message.encode()) == message


def test_bytes_of_the_standard() -> None:
    # RFC 7252, figure 16: CON GET /temperature, message id 0x7d34, and its piggy-backed response.
    request = Message(Type.CON, Code.GET, 0x7D34, b"", [(Number.URI_PATH, b"temperature")])
    assert request.encode() == bytes.fromhex("40017d34bb") + b"temperature"
    response = Message(Type.ACK, Code.CONTENT, 0x7D34, b"", [], b"22.3 C")
    assert response.encode() == bytes.fromhex("60457d34ff") + b"22.3 C"
    # The same with token 0x20 (figure 17).
    assert request._replace(token=b"\x20").encode() == bytes.fromhex("41017d3420bb") + b"temperature"


@pytest.mark.parametrize(
    ("data", "reset"),
    [
        ("", None),
        ("400100", None),
        ("80017d34", None),  # version 2
        ("49017d34000000000000000000", 0x7D34),  # a token of nine bytes
        ("59017d34000000000000000000", None),
        ("42017d3400", 0x7D34),  # a token cut off
        ("40007d3400", 0x7D34),  # an empty message with something in it
        ("40017d34ff", 0x7D34),  # a payload marker without payload
        ("40017d34f0", 0x7D34),  # a reserved delta
        ("40017d340f", 0x7D34),  # a reserved length
        ("40017d34d0", 0x7D34),  # an extended delta cut off
        ("40017d34e001", 0x7D34),
        ("40017d34b5616263", 0x7D34),  # an option cut off
    ],
)
def test_what_is_no_message_is_reset_if_it_was_confirmable_and_ignored_otherwise(data: str, reset: int | None) -> None:
    with pytest.raises(FormatError) as caught:
        decode(bytes.fromhex(data))
    assert caught.value.reset == reset


@given(st.integers(0, 2**32 - 1))
def test_numbers_have_no_leading_zero_bytes(value: int) -> None:
    assert uint(uint_bytes(value)) == value
    assert not uint_bytes(value).startswith(b"\0")


def test_a_token_has_at_most_eight_bytes() -> None:
    with pytest.raises(ValueError, match="token"):
        Message(Type.CON, Code.GET, 1, bytes(9)).encode()

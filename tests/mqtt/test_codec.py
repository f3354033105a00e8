import pytest

from tests.mqtt.packet_cases import CASES, DECODE_ONLY, INVALID, Case, Invalid
from tests.mqtt.wire import split_packet
from thingplane.mqtt.codec.decode import decode
from thingplane.mqtt.codec.encode import encode
from thingplane.mqtt.codec.primitives import encode_variable_integer
from thingplane.mqtt.codec.properties import encode_properties
from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.numbers import ConnackCode, PacketType, ReasonCode, connack_code
from thingplane.mqtt.packets import Connect, Packet, Publish
from thingplane.mqtt.properties import Properties


def _decode(data: bytes, version: int) -> Packet:
    found = split_packet(data)
    assert found is not None
    first, start, end = found
    assert end == len(data)
    return decode(first, data, start, end, version)


@pytest.mark.parametrize("case", CASES + DECODE_ONLY, ids=lambda case: case.name)
def test_bytes_decode_to_the_packet(case: Case) -> None:
    assert _decode(case.data, case.version) == case.packet


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_packet_encodes_to_the_bytes(case: Case) -> None:
    assert encode(case.packet, case.version) == case.data


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.name)
def test_invalid_bytes_are_refused_with_their_reason(case: Invalid) -> None:
    with pytest.raises(ProtocolError) as caught:
        _decode(case.data, case.version)
    assert caught.value.reason == case.reason


def test_decoding_starts_and_ends_where_it_is_told() -> None:
    data = b"\xff\x00\x01a\x78\xff"
    assert decode(0x30, data, 1, 5, 4) == Publish("a", b"x")


def test_property_of_another_packet_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="topic_alias"):
        encode_properties(Properties(topic_alias=1), PacketType.CONNECT)


def test_property_out_of_range_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="maximum_qos"):
        encode_properties(Properties(maximum_qos=2), PacketType.CONNACK)


def test_too_long_text_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match=r"65,535"):
        encode(Publish("a" * 65_536, b""), 4)


def test_too_large_integer_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="variable byte integer"):
        encode_variable_integer(268_435_456)


def test_password_does_not_show_in_the_representation_of_connect() -> None:
    assert "geheim" not in repr(Connect("a", password=b"geheim"))


@pytest.mark.parametrize(
    ("code", "version", "expected"),
    [
        (ConnackCode.BAD_USER_NAME_OR_PASSWORD, 4, 4),
        (ConnackCode.BAD_USER_NAME_OR_PASSWORD, 5, 0x86),
        (ConnackCode.IDENTIFIER_REJECTED, 5, 0x85),
        (ConnackCode.UNACCEPTABLE_PROTOCOL_VERSION, 5, 0x84),
        (ReasonCode.NOT_AUTHORIZED, 3, 5),
        (ReasonCode.NOT_AUTHORIZED, 5, 0x87),
        (ReasonCode.CONNECTION_RATE_EXCEEDED, 4, 3),
        (ReasonCode.CONNECTION_RATE_EXCEEDED, 5, 0x9F),
    ],
)
def test_refusal_codes_are_translated_for_the_version(code: int, version: int, expected: int) -> None:
    assert connack_code(code, version) == expected

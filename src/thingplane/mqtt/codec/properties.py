"""Encoding and decoding of MQTT 5.0 properties, driven by one table (MQTT 5.0, table 2-4)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from thingplane.mqtt.codec.primitives import (
    encode_binary,
    encode_string,
    encode_variable_integer,
    read_binary,
    read_byte,
    read_string,
    read_uint16,
    read_uint32,
    read_variable_integer,
)
from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.numbers import WILL_PROPERTIES, PacketType, PropertyId, ReasonCode
from thingplane.mqtt.properties import Properties

_T = PacketType
_ACKS: Final = (_T.PUBACK, _T.PUBREC, _T.PUBREL, _T.PUBCOMP, _T.SUBACK, _T.UNSUBACK)
_MESSAGE: Final = (_T.PUBLISH, WILL_PROPERTIES)


def _read_pair(data: bytes, position: int, end: int) -> tuple[tuple[str, str], int]:
    name, position = read_string(data, position, end)
    value, position = read_string(data, position, end)
    return (name, value), position


def _write_pair(pair: tuple[str, str]) -> bytes:
    return encode_string(pair[0]) + encode_string(pair[1])


@dataclass(frozen=True, slots=True)
class _Kind:
    # Any: a kind reads and writes integers, text, bytes or pairs, as its property needs.
    read: Callable[[bytes, int, int], tuple[Any, int]]
    write: Callable[[Any], bytes]
    minimum: int = 0
    maximum: int | None = None
    repeats: bool = False


_BYTE = _Kind(read_byte, lambda value: value.to_bytes(1, "big"), maximum=1)
_UINT16 = _Kind(read_uint16, lambda value: value.to_bytes(2, "big"))
_UINT32 = _Kind(read_uint32, lambda value: value.to_bytes(4, "big"))
_TEXT = _Kind(read_string, encode_string)
_BINARY = _Kind(read_binary, encode_binary)
_COUNT16 = _Kind(_UINT16.read, _UINT16.write, minimum=1, maximum=0xFFFF)
_COUNT32 = _Kind(_UINT32.read, _UINT32.write, minimum=1, maximum=0xFFFF_FFFF)
_IDENTIFIER = _Kind(read_variable_integer, encode_variable_integer, minimum=1, maximum=268_435_455, repeats=True)
_PAIR = _Kind(_read_pair, _write_pair, repeats=True)


@dataclass(frozen=True, slots=True)
class _Property:
    name: str
    identifier: PropertyId
    kind: _Kind
    packets: frozenset[int]


def _row(identifier: PropertyId, kind: _Kind, *packets: int, name: str = "") -> _Property:
    return _Property(name or identifier.name.lower(), identifier, kind, frozenset(packets))


_P = PropertyId
_TABLE: Final = (
    _row(_P.PAYLOAD_FORMAT_INDICATOR, _BYTE, *_MESSAGE),
    _row(_P.MESSAGE_EXPIRY_INTERVAL, _UINT32, *_MESSAGE),
    _row(_P.CONTENT_TYPE, _TEXT, *_MESSAGE),
    _row(_P.RESPONSE_TOPIC, _TEXT, *_MESSAGE),
    _row(_P.CORRELATION_DATA, _BINARY, *_MESSAGE),
    _row(_P.SUBSCRIPTION_IDENTIFIER, _IDENTIFIER, _T.PUBLISH, _T.SUBSCRIBE, name="subscription_identifiers"),
    _row(_P.SESSION_EXPIRY_INTERVAL, _UINT32, _T.CONNECT, _T.CONNACK, _T.DISCONNECT),
    _row(_P.ASSIGNED_CLIENT_IDENTIFIER, _TEXT, _T.CONNACK),
    _row(_P.SERVER_KEEP_ALIVE, _UINT16, _T.CONNACK),
    _row(_P.AUTHENTICATION_METHOD, _TEXT, _T.CONNECT, _T.CONNACK, _T.AUTH),
    _row(_P.AUTHENTICATION_DATA, _BINARY, _T.CONNECT, _T.CONNACK, _T.AUTH),
    _row(_P.REQUEST_PROBLEM_INFORMATION, _BYTE, _T.CONNECT),
    _row(_P.WILL_DELAY_INTERVAL, _UINT32, WILL_PROPERTIES),
    _row(_P.REQUEST_RESPONSE_INFORMATION, _BYTE, _T.CONNECT),
    _row(_P.RESPONSE_INFORMATION, _TEXT, _T.CONNACK),
    _row(_P.SERVER_REFERENCE, _TEXT, _T.CONNACK, _T.DISCONNECT),
    _row(_P.REASON_STRING, _TEXT, _T.CONNACK, *_ACKS, _T.DISCONNECT, _T.AUTH),
    _row(_P.RECEIVE_MAXIMUM, _COUNT16, _T.CONNECT, _T.CONNACK),
    _row(_P.TOPIC_ALIAS_MAXIMUM, _UINT16, _T.CONNECT, _T.CONNACK),
    _row(_P.TOPIC_ALIAS, _UINT16, _T.PUBLISH),
    _row(_P.MAXIMUM_QOS, _BYTE, _T.CONNACK),
    _row(_P.RETAIN_AVAILABLE, _BYTE, _T.CONNACK),
    _row(_P.USER_PROPERTY, _PAIR, *(set(_T) - {_T.PINGREQ, _T.PINGRESP}), WILL_PROPERTIES, name="user_properties"),
    _row(_P.MAXIMUM_PACKET_SIZE, _COUNT32, _T.CONNECT, _T.CONNACK),
    _row(_P.WILDCARD_SUBSCRIPTION_AVAILABLE, _BYTE, _T.CONNACK),
    _row(_P.SUBSCRIPTION_IDENTIFIER_AVAILABLE, _BYTE, _T.CONNACK),
    _row(_P.SHARED_SUBSCRIPTION_AVAILABLE, _BYTE, _T.CONNACK),
)
_BY_ID: Final = {int(row.identifier): row for row in _TABLE}
_APPLICATION: Final = tuple(
    row
    for row in _TABLE
    if row.identifier
    in {_P.PAYLOAD_FORMAT_INDICATOR, _P.CONTENT_TYPE, _P.RESPONSE_TOPIC, _P.CORRELATION_DATA, _P.USER_PROPERTY}
)


def read_properties(data: bytes, position: int, end: int, packet_type: int) -> tuple[Properties | None, int]:
    """Return the properties at this position (None when the list is empty) and the position after them.

    Args:
        data: bytes that contain the packet.
        position: where the property length starts.
        end: where the packet ends.
        packet_type: a `PacketType`, or `WILL_PROPERTIES`.

    Raises:
        ProtocolError: unknown or misplaced property, repeated property, value out of range, or data that ends early.
    """
    length, position = read_variable_integer(data, position, end)
    if length == 0:
        return None, position
    limit = position + length
    if limit > end:
        raise ProtocolError("the properties are longer than their packet")
    properties = Properties()
    seen: set[int] = set()
    while position < limit:
        identifier, position = read_variable_integer(data, position, limit)
        row = _BY_ID.get(identifier)
        if row is None:
            raise ProtocolError(f"unknown property 0x{identifier:02x}")
        if packet_type not in row.packets:
            raise ProtocolError(f"property {row.name} does not belong into this packet", ReasonCode.PROTOCOL_ERROR)
        kind = row.kind
        value, position = kind.read(data, position, limit)
        if kind.maximum is not None and not kind.minimum <= value <= kind.maximum:
            raise ProtocolError(f"property {row.name} has the value {value}", ReasonCode.PROTOCOL_ERROR)
        if kind.repeats and (packet_type != PacketType.SUBSCRIBE or row.identifier == PropertyId.USER_PROPERTY):
            getattr(properties, row.name).append(value)
            continue
        if identifier in seen:
            raise ProtocolError(f"property {row.name} is present twice", ReasonCode.PROTOCOL_ERROR)
        seen.add(identifier)
        setattr(properties, row.name, [value] if kind.repeats else value)
    return properties, position


def encode_properties(properties: Properties | None, packet_type: int) -> bytes:
    """Encode properties without their length.

    Raises:
        ValueError: a property that does not belong into this kind of packet is set, or a value is out of range.
    """
    if properties is None:
        return b""
    return b"".join(_encode_rows(properties, packet_type))


def _encode_rows(properties: Properties, packet_type: int) -> list[bytes]:
    parts: list[bytes] = []
    for row in _TABLE:
        value = getattr(properties, row.name)
        if value is None or value == []:
            continue
        if packet_type not in row.packets:
            raise ValueError(f"property {row.name} does not belong into packets of type {packet_type}")
        _append(parts, row, value)
    return parts


def _append(parts: list[bytes], row: _Property, value: Any) -> None:  # Any: see _Kind
    kind = row.kind
    for item in value if kind.repeats else (value,):
        if kind.maximum is not None and not kind.minimum <= item <= kind.maximum:
            raise ValueError(f"property {row.name} cannot have the value {item}")
        parts.append(row.identifier.to_bytes(1, "big"))
        parts.append(kind.write(item))


def encode_application_properties(properties: Properties | None) -> bytes:
    """Encode, without their length, those properties of a message that a server passes on unchanged (3.3.2.3)."""
    if properties is None:
        return b""
    parts: list[bytes] = []
    for row in _APPLICATION:
        value = getattr(properties, row.name)
        if value is not None and value != []:
            _append(parts, row, value)
    return b"".join(parts)


def encode_delivery_properties(
    application: bytes, message_expiry_interval: int | None, identifiers: tuple[int, ...]
) -> bytes:
    """Extend encoded application properties with those that differ from receiver to receiver.

    Args:
        application: result of `encode_application_properties`.
        message_expiry_interval: s left, None = the message does not expire.
        identifiers: identifiers of the matching subscriptions.
    """
    if message_expiry_interval is not None:
        application += b"\x02" + message_expiry_interval.to_bytes(4, "big")
    for identifier in identifiers:
        application += b"\x0b" + encode_variable_integer(identifier)
    return application

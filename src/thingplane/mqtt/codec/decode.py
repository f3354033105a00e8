"""Decoding of packets: fixed header byte and body in, typed packet out."""

from collections.abc import Callable
from typing import Final, TypeVar

from thingplane.mqtt.codec.connect import decode_connect
from thingplane.mqtt.codec.primitives import decode_text, read_binary, read_byte, read_string, read_uint16
from thingplane.mqtt.codec.properties import read_properties
from thingplane.mqtt.codec.reasons import check_reason
from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.numbers import MQTT_5, PacketType, ReasonCode
from thingplane.mqtt.packets import (
    Auth,
    Connack,
    Disconnect,
    Packet,
    Ping,
    Pong,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
)
from thingplane.mqtt.properties import Properties

MAX_FILTERS: Final = 1_000
"""Topic filters in one SUBSCRIBE or UNSUBSCRIBE: no client needs as many, and a packet has room for 80,000."""

_Ack = TypeVar("_Ack", Puback, Pubrec, Pubrel, Pubcomp)


def decode(first: int, data: bytes, start: int, end: int, version: int) -> Packet:
    """Decode one packet.

    Args:
        first: first byte of the fixed header.
        data: bytes that contain the packet.
        start: where the variable header starts.
        end: where the packet ends.
        version: protocol level of the connection; not used for CONNECT, which carries its own.

    Raises:
        ProtocolError: the bytes are no well-formed packet of this version.
    """
    packet_type = first >> 4
    if packet_type == PacketType.PUBLISH:
        return decode_publish(first, data, start, end, version)
    decoder = _DECODERS.get(packet_type)
    if decoder is None:
        raise ProtocolError(f"packet type {packet_type} does not exist")
    if first & 0x0F != _FLAGS.get(packet_type, 0):
        raise ProtocolError(f"reserved flags of packet type {packet_type} are wrong")
    return decoder(data, start, end, version)


def check_topic_name(topic: str) -> str:
    """Return a topic name that contains no wildcard. Raises ProtocolError (0x90) otherwise."""
    if "+" in topic or "#" in topic:
        raise ProtocolError("a topic name contains a wildcard", ReasonCode.TOPIC_NAME_INVALID)
    return topic


def decode_publish(first: int, data: bytes, start: int, end: int, version: int) -> Publish:
    """Decode PUBLISH; the topic is empty when MQTT 5 left it to a topic alias."""
    qos = first >> 1 & 3
    dup = bool(first & 8)
    if qos == 3:
        raise ProtocolError("QoS 3 does not exist")
    if dup and not qos:
        raise ProtocolError("DUP is set in a QoS 0 message")
    raw, position = read_binary(data, start, end)
    topic = check_topic_name(decode_text(raw))
    packet_id = 0
    if qos:
        packet_id, position = _read_packet_id(data, position, end)
    properties: Properties | None = None
    if version == MQTT_5:
        properties, position = read_properties(data, position, end, PacketType.PUBLISH)
        if properties is not None and properties.response_topic is not None:
            check_topic_name(properties.response_topic)
    if not topic and (properties is None or properties.topic_alias is None):
        raise ProtocolError("a message has neither topic nor topic alias", ReasonCode.PROTOCOL_ERROR)
    return Publish(topic, data[position:end], qos, bool(first & 1), dup, packet_id, properties)


def _read_packet_id(data: bytes, position: int, end: int) -> tuple[int, int]:
    packet_id, position = read_uint16(data, position, end)
    if packet_id == 0:
        raise ProtocolError("packet identifier 0 is not allowed", ReasonCode.PROTOCOL_ERROR)
    return packet_id, position


def _finish(position: int, end: int) -> None:
    if position != end:
        raise ProtocolError("a packet is longer than its content")


def _read_reason(
    data: bytes, position: int, end: int, version: int, packet_type: PacketType
) -> tuple[int, Properties | None]:
    """Read the optional reason code and properties that end a packet in MQTT 5."""
    reason = 0
    properties: Properties | None = None
    if version == MQTT_5 and position < end:
        reason = check_reason(data[position], packet_type)
        position += 1
        if position < end:
            properties, position = read_properties(data, position, end, packet_type)
    _finish(position, end)
    return reason, properties


def _acknowledgement(packet_type: PacketType, make: type[_Ack]) -> Callable[[bytes, int, int, int], _Ack]:
    def decode_acknowledgement(data: bytes, start: int, end: int, version: int) -> _Ack:
        packet_id, position = _read_packet_id(data, start, end)
        reason, properties = _read_reason(data, position, end, version, packet_type)
        return make(packet_id, reason, properties)

    return decode_acknowledgement


def _connack(data: bytes, start: int, end: int, version: int) -> Connack:
    flags, position = read_byte(data, start, end)
    if flags > 1:
        raise ProtocolError("reserved flags of CONNACK are set")
    code, position = read_byte(data, position, end)
    properties: Properties | None = None
    if version == MQTT_5:
        check_reason(code, PacketType.CONNACK)
        properties, position = read_properties(data, position, end, PacketType.CONNACK)
    _finish(position, end)
    return Connack(bool(flags), code, properties)


def _subscribe(data: bytes, start: int, end: int, version: int) -> Subscribe:
    packet_id, position = _read_packet_id(data, start, end)
    properties: Properties | None = None
    identifier = 0
    if version == MQTT_5:
        properties, position = read_properties(data, position, end, PacketType.SUBSCRIBE)
        if properties is not None and properties.subscription_identifiers:
            identifier = properties.subscription_identifiers[0]
    subscriptions: list[Subscription] = []
    while position < end:
        topic_filter, position = read_string(data, position, end)
        options, position = read_byte(data, position, end)
        qos = options & 3
        if qos == 3:
            raise ProtocolError("QoS 3 does not exist")
        if options & (0xC0 if version == MQTT_5 else 0xFC):
            raise ProtocolError("reserved subscription options are set")
        if options & 0x30 == 0x30:
            raise ProtocolError("retain handling 3 does not exist", ReasonCode.PROTOCOL_ERROR)
        no_local = bool(options & 4)
        if no_local and topic_filter.startswith("$share/"):
            raise ProtocolError("a shared subscription asks for no local", ReasonCode.PROTOCOL_ERROR)
        if len(subscriptions) >= MAX_FILTERS:
            raise ProtocolError(f"SUBSCRIBE with more than {MAX_FILTERS} topic filters", ReasonCode.QUOTA_EXCEEDED)
        subscriptions.append(Subscription(topic_filter, qos, no_local, bool(options & 8), options >> 4 & 3, identifier))
    if not subscriptions:
        raise ProtocolError("SUBSCRIBE without a topic filter", ReasonCode.PROTOCOL_ERROR)
    return Subscribe(packet_id, subscriptions, properties)


def _suback(data: bytes, start: int, end: int, version: int) -> Suback:
    packet_id, position = _read_packet_id(data, start, end)
    properties: Properties | None = None
    if version == MQTT_5:
        properties, position = read_properties(data, position, end, PacketType.SUBACK)
    return Suback(packet_id, list(data[position:end]), properties)


def _unsubscribe(data: bytes, start: int, end: int, version: int) -> Unsubscribe:
    packet_id, position = _read_packet_id(data, start, end)
    properties: Properties | None = None
    if version == MQTT_5:
        properties, position = read_properties(data, position, end, PacketType.UNSUBSCRIBE)
    filters: list[str] = []
    while position < end:
        topic_filter, position = read_string(data, position, end)
        if len(filters) >= MAX_FILTERS:
            raise ProtocolError(f"UNSUBSCRIBE with more than {MAX_FILTERS} topic filters", ReasonCode.QUOTA_EXCEEDED)
        filters.append(topic_filter)
    if not filters:
        raise ProtocolError("UNSUBSCRIBE without a topic filter", ReasonCode.PROTOCOL_ERROR)
    return Unsubscribe(packet_id, filters, properties)


def _unsuback(data: bytes, start: int, end: int, version: int) -> Unsuback:
    packet_id, position = _read_packet_id(data, start, end)
    if version != MQTT_5:
        _finish(position, end)
        return Unsuback(packet_id)
    properties, position = read_properties(data, position, end, PacketType.UNSUBACK)
    return Unsuback(packet_id, list(data[position:end]), properties)


def _ping(data: bytes, start: int, end: int, version: int) -> Ping:  # noqa: ARG001 - one signature for all
    _finish(start, end)
    return Ping()


def _pong(data: bytes, start: int, end: int, version: int) -> Pong:  # noqa: ARG001 - one signature for all
    _finish(start, end)
    return Pong()


def _disconnect(data: bytes, start: int, end: int, version: int) -> Disconnect:
    return Disconnect(*_read_reason(data, start, end, version, PacketType.DISCONNECT))


def _auth(data: bytes, start: int, end: int, version: int) -> Auth:
    if version != MQTT_5:
        raise ProtocolError("AUTH exists in MQTT 5 only")
    return Auth(*_read_reason(data, start, end, version, PacketType.AUTH))


_FLAGS: Final[dict[int, int]] = {PacketType.PUBREL: 2, PacketType.SUBSCRIBE: 2, PacketType.UNSUBSCRIBE: 2}
_DECODERS: Final[dict[int, Callable[[bytes, int, int, int], Packet]]] = {
    PacketType.CONNECT: decode_connect,
    PacketType.CONNACK: _connack,
    PacketType.PUBACK: _acknowledgement(PacketType.PUBACK, Puback),
    PacketType.PUBREC: _acknowledgement(PacketType.PUBREC, Pubrec),
    PacketType.PUBREL: _acknowledgement(PacketType.PUBREL, Pubrel),
    PacketType.PUBCOMP: _acknowledgement(PacketType.PUBCOMP, Pubcomp),
    PacketType.SUBSCRIBE: _subscribe,
    PacketType.SUBACK: _suback,
    PacketType.UNSUBSCRIBE: _unsubscribe,
    PacketType.UNSUBACK: _unsuback,
    PacketType.PINGREQ: _ping,
    PacketType.PINGRESP: _pong,
    PacketType.DISCONNECT: _disconnect,
    PacketType.AUTH: _auth,
}

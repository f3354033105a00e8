"""Encoding of packets: typed packet in, bytes out."""

from collections.abc import Callable
from typing import Any, Final

from thingplane.mqtt.codec.primitives import encode_binary, encode_string, encode_variable_integer
from thingplane.mqtt.codec.properties import encode_properties
from thingplane.mqtt.numbers import MQTT_3_1, MQTT_5, WILL_PROPERTIES, PacketType
from thingplane.mqtt.packets import (
    Auth,
    Connack,
    Connect,
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
    Unsuback,
    Unsubscribe,
)
from thingplane.mqtt.properties import Properties


def encode(packet: Packet, version: int) -> bytes:
    """Encode one packet; fields the version does not know are left out.

    Raises:
        ValueError: a value does not fit its field.
    """
    first, body = _ENCODERS[type(packet)](packet, version)
    return bytes((first,)) + encode_variable_integer(len(body)) + body


def encode_publish(first: int, topic: bytes, payload: bytes, packet_id: int, properties: bytes | None) -> bytes:
    """Encode PUBLISH from encoded parts (hot path).

    Args:
        first: first byte of the fixed header; tells whether there is a packet identifier.
        topic: topic name in UTF-8, at most 65,535 bytes.
        payload: application payload.
        packet_id: ignored for QoS 0.
        properties: encoded properties without their length, None for 3.x.
    """
    length = len(topic) + len(payload) + 2
    middle = b""
    if first & 6:
        middle = packet_id.to_bytes(2, "big")
        length += 2
    if properties is not None:
        if properties:
            properties = encode_variable_integer(len(properties)) + properties
            length += len(properties)
        else:
            properties = b"\0"
            length += 1
        middle += properties
    if length < 0x80:
        head = bytes((first, length, len(topic) >> 8, len(topic) & 0xFF))
    elif length < 0x4000:
        head = bytes((first, length & 0x7F | 0x80, length >> 7, len(topic) >> 8, len(topic) & 0xFF))
    else:
        head = bytes((first,)) + encode_variable_integer(length) + len(topic).to_bytes(2, "big")
    return b"".join((head, topic, middle, payload))


def _length_prefixed(properties: Properties | None, packet_type: int) -> bytes:
    encoded = encode_properties(properties, packet_type)
    return encode_variable_integer(len(encoded)) + encoded


def _for_version(properties: Properties | None, packet_type: int, version: int) -> bytes:
    return _length_prefixed(properties, packet_type) if version == MQTT_5 else b""


def _connect(packet: Connect, _: int) -> tuple[int, bytes]:
    version = packet.version
    flags = packet.clean_start << 1
    payload = [encode_string(packet.client_id)]
    if packet.will is not None:
        will = packet.will
        flags |= 4 | will.qos << 3 | will.retain << 5
        payload.append(_for_version(will.properties, WILL_PROPERTIES, version))
        payload += (encode_string(will.topic), encode_binary(will.payload))
    if packet.username is not None:
        flags |= 0x80
        payload.append(encode_string(packet.username))
    if packet.password is not None:
        flags |= 0x40
        payload.append(encode_binary(packet.password))
    name = b"\0\6MQIsdp" if version == MQTT_3_1 else b"\0\4MQTT"
    head = name + bytes((version, flags)) + packet.keepalive.to_bytes(2, "big")
    return 0x10, head + _for_version(packet.properties, PacketType.CONNECT, version) + b"".join(payload)


def _connack(packet: Connack, version: int) -> tuple[int, bytes]:
    properties = _for_version(packet.properties, PacketType.CONNACK, version)
    return 0x20, bytes((packet.session_present, packet.code)) + properties


def _publish(packet: Publish, version: int) -> tuple[int, bytes]:
    body = encode_string(packet.topic)
    if packet.qos:
        body += packet.packet_id.to_bytes(2, "big")
    body += _for_version(packet.properties, PacketType.PUBLISH, version) + packet.payload
    return 0x30 | packet.qos << 1 | packet.retain | packet.dup << 3, body


def _acknowledgement(
    packet_type: PacketType,
) -> Callable[[Puback | Pubrec | Pubrel | Pubcomp, int], tuple[int, bytes]]:
    def encode_body(packet: Puback | Pubrec | Pubrel | Pubcomp, version: int) -> tuple[int, bytes]:
        first = packet_type << 4 | (packet_type == PacketType.PUBREL) << 1
        reason = _reason(packet.reason, packet.properties, packet_type, version)
        return first, packet.packet_id.to_bytes(2, "big") + reason

    return encode_body


def _reason(reason: int, properties: Properties | None, packet_type: int, version: int) -> bytes:
    if version != MQTT_5 or not (reason or properties):
        return b""
    return bytes((reason,)) + (_length_prefixed(properties, packet_type) if properties else b"")


def _subscribe(packet: Subscribe, version: int) -> tuple[int, bytes]:
    body = packet.packet_id.to_bytes(2, "big")
    body += _for_version(packet.properties, PacketType.SUBSCRIBE, version)
    for item in packet.subscriptions:
        options = item.qos
        if version == MQTT_5:
            options |= item.no_local << 2 | item.retain_as_published << 3 | item.retain_handling << 4
        body += encode_string(item.topic_filter) + bytes((options,))
    return 0x82, body


def _suback(packet: Suback, version: int) -> tuple[int, bytes]:
    properties = _for_version(packet.properties, PacketType.SUBACK, version)
    codes = packet.codes if version == MQTT_5 else [min(code, 0x80) for code in packet.codes]
    return 0x90, packet.packet_id.to_bytes(2, "big") + properties + bytes(codes)


def _unsubscribe(packet: Unsubscribe, version: int) -> tuple[int, bytes]:
    properties = _for_version(packet.properties, PacketType.UNSUBSCRIBE, version)
    filters = b"".join(encode_string(item) for item in packet.topic_filters)
    return 0xA2, packet.packet_id.to_bytes(2, "big") + properties + filters


def _unsuback(packet: Unsuback, version: int) -> tuple[int, bytes]:
    if version != MQTT_5:
        return 0xB0, packet.packet_id.to_bytes(2, "big")
    properties = _length_prefixed(packet.properties, PacketType.UNSUBACK)
    return 0xB0, packet.packet_id.to_bytes(2, "big") + properties + bytes(packet.codes)


def _disconnect(packet: Disconnect, version: int) -> tuple[int, bytes]:
    return 0xE0, _reason(packet.reason, packet.properties, PacketType.DISCONNECT, version)


def _auth(packet: Auth, version: int) -> tuple[int, bytes]:
    return 0xF0, _reason(packet.reason, packet.properties, PacketType.AUTH, version)


# Any: every function takes exactly the packet type it is listed under.
_ENCODERS: Final[dict[type[Packet], Callable[[Any, int], tuple[int, bytes]]]] = {
    Connect: _connect,
    Connack: _connack,
    Publish: _publish,
    Puback: _acknowledgement(PacketType.PUBACK),
    Pubrec: _acknowledgement(PacketType.PUBREC),
    Pubrel: _acknowledgement(PacketType.PUBREL),
    Pubcomp: _acknowledgement(PacketType.PUBCOMP),
    Subscribe: _subscribe,
    Suback: _suback,
    Unsubscribe: _unsubscribe,
    Unsuback: _unsuback,
    Ping: lambda _packet, _version: (0xC0, b""),
    Pong: lambda _packet, _version: (0xD0, b""),
    Disconnect: _disconnect,
    Auth: _auth,
}

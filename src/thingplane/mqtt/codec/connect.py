"""Decoding of CONNECT (MQTT 3.1, 3.1; 3.1.1 and 5.0, chapter 3.1)."""

from thingplane.mqtt.codec.primitives import read_binary, read_byte, read_string, read_uint16
from thingplane.mqtt.codec.properties import read_properties
from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.numbers import MQTT_3_1, MQTT_3_1_1, MQTT_5, WILL_PROPERTIES, PacketType, ReasonCode
from thingplane.mqtt.packets import Connect, Will
from thingplane.mqtt.properties import Properties

_LEVELS = {(b"MQIsdp", 3): MQTT_3_1, (b"MQTT", 4): MQTT_3_1_1, (b"MQTT", 5): MQTT_5}


def read_version(data: bytes, start: int, end: int) -> tuple[int, int, int]:
    """Read protocol name and level.

    Returns:
        The protocol level if it is one of 3, 4 and 5 with its own name and 0 otherwise; the level of the protocol to
        answer in when it is not; and the position after both.

    Raises:
        ProtocolError: the packet ends early.
    """
    name, position = read_binary(data, start, end)
    level, position = read_byte(data, position, end)
    version = _LEVELS.get((name, level), 0)
    return version, version or (MQTT_5 if name == b"MQTT" and level > MQTT_5 else MQTT_3_1_1), position


def decode_connect(data: bytes, start: int, end: int, version: int = 0) -> Connect:
    """Decode CONNECT; the protocol level comes from the packet itself.

    Raises:
        ProtocolError: malformed, or (0x84) a protocol that does not exist.
    """
    version, _, position = read_version(data, start, end)
    if not version:
        raise ProtocolError("unknown protocol name or level", ReasonCode.UNSUPPORTED_PROTOCOL_VERSION)
    flags, position = read_byte(data, position, end)
    if flags & 1:
        raise ProtocolError("the reserved flag of CONNECT is set")
    keepalive, position = read_uint16(data, position, end)
    properties: Properties | None = None
    if version == MQTT_5:
        properties, position = read_properties(data, position, end, PacketType.CONNECT)
        _check_authentication(properties)
    client_id, position = read_string(data, position, end)
    will, position = _read_will(data, position, end, flags, version)
    username: str | None = None
    password: bytes | None = None
    # In MQTT 3.1 the remaining length wins over these flags: the strings may be missing.
    if flags & 0x80 and not (version == MQTT_3_1 and position == end):
        username, position = read_string(data, position, end)
    if flags & 0x40 and not (version == MQTT_3_1 and position == end):
        if not flags & 0x80 and version != MQTT_5:
            raise ProtocolError("a password without a user name needs MQTT 5")
        password, position = read_binary(data, position, end)
    if position != end:
        raise ProtocolError("CONNECT is longer than its content")
    return Connect(client_id, version, bool(flags & 2), keepalive, username, password, will, properties)


def _check_authentication(properties: Properties | None) -> None:
    if properties is not None and properties.authentication_data and properties.authentication_method is None:
        raise ProtocolError("authentication data without a method", ReasonCode.PROTOCOL_ERROR)


def _read_will(data: bytes, position: int, end: int, flags: int, version: int) -> tuple[Will | None, int]:
    qos = flags >> 3 & 3
    retain = bool(flags & 0x20)
    if not flags & 4:
        if qos or retain:
            raise ProtocolError("will QoS or will retain without a will")
        return None, position
    if qos == 3:
        raise ProtocolError("QoS 3 does not exist")
    properties: Properties | None = None
    if version == MQTT_5:
        properties, position = read_properties(data, position, end, WILL_PROPERTIES)
    topic, position = read_string(data, position, end)
    payload, position = read_binary(data, position, end)
    if not topic or "+" in topic or "#" in topic:
        raise ProtocolError("the will topic is empty or contains a wildcard", ReasonCode.TOPIC_NAME_INVALID)
    return Will(topic, payload, qos, retain, properties), position

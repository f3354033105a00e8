"""Which reason codes a packet may carry (MQTT 5.0, table 2-6)."""

from typing import Final

from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.numbers import PacketType, ReasonCode

_R = ReasonCode
_RECEIVED: Final = frozenset(
    {
        _R.SUCCESS,
        _R.NO_MATCHING_SUBSCRIBERS,
        _R.UNSPECIFIED_ERROR,
        _R.IMPLEMENTATION_SPECIFIC_ERROR,
        _R.NOT_AUTHORIZED,
        _R.TOPIC_NAME_INVALID,
        _R.PACKET_IDENTIFIER_IN_USE,
        _R.QUOTA_EXCEEDED,
        _R.PAYLOAD_FORMAT_INVALID,
    }
)
_RELEASED: Final = frozenset({_R.SUCCESS, _R.PACKET_IDENTIFIER_NOT_FOUND})
_ALLOWED: Final[dict[int, frozenset[ReasonCode]]] = {
    PacketType.CONNACK: frozenset(
        {_R.SUCCESS}
        | {code for code in _R if code >= 0x80}
        - {
            _R.KEEP_ALIVE_TIMEOUT,
            _R.SESSION_TAKEN_OVER,
            _R.SERVER_SHUTTING_DOWN,
            _R.TOPIC_FILTER_INVALID,
            _R.PACKET_IDENTIFIER_IN_USE,
            _R.PACKET_IDENTIFIER_NOT_FOUND,
            _R.RECEIVE_MAXIMUM_EXCEEDED,
            _R.TOPIC_ALIAS_INVALID,
            _R.MESSAGE_RATE_TOO_HIGH,
            _R.ADMINISTRATIVE_ACTION,
            _R.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
            _R.MAXIMUM_CONNECT_TIME,
            _R.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
            _R.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
        }
    ),
    PacketType.PUBACK: _RECEIVED,
    PacketType.PUBREC: _RECEIVED,
    PacketType.PUBREL: _RELEASED,
    PacketType.PUBCOMP: _RELEASED,
    PacketType.DISCONNECT: frozenset(
        {_R.SUCCESS, _R.DISCONNECT_WITH_WILL}
        | {code for code in _R if code >= 0x80}
        - {
            _R.UNSUPPORTED_PROTOCOL_VERSION,
            _R.CLIENT_IDENTIFIER_NOT_VALID,
            _R.BAD_USER_NAME_OR_PASSWORD,
            _R.SERVER_UNAVAILABLE,
            _R.BANNED,
            _R.PACKET_IDENTIFIER_IN_USE,
            _R.PACKET_IDENTIFIER_NOT_FOUND,
        }
    ),
    PacketType.AUTH: frozenset({_R.SUCCESS, _R.CONTINUE_AUTHENTICATION, _R.REAUTHENTICATE}),
}


def check_reason(reason: int, packet_type: PacketType) -> int:
    """Return a reason code this packet may carry. Raises ProtocolError otherwise."""
    if reason not in _ALLOWED[packet_type]:
        raise ProtocolError(f"{packet_type.name} cannot carry reason code 0x{reason:02x}", ReasonCode.PROTOCOL_ERROR)
    return reason

"""What a server can do: one field per limit."""

from dataclasses import dataclass
from typing import Literal

from thingplane.mqtt.numbers import MQTT_3_1, MQTT_3_1_1, MQTT_5, NEVER


@dataclass(slots=True, frozen=True, kw_only=True)
class Capabilities:
    """Limits and features of a server. MQTT 5 clients learn in CONNACK what differs from the protocol's defaults."""

    versions: frozenset[int] = frozenset({MQTT_3_1, MQTT_3_1_1, MQTT_5})  # protocol levels accepted

    # Connecting
    connect_timeout: float = 10.0  # s a connection may stay without an accepted CONNECT
    max_connect_size: int = 262_144  # bytes of the CONNECT packet, the only one strangers can send
    max_client_id_length: int = 65_535  # bytes of UTF-8
    empty_client_id: bool = True  # assign an identifier to clients that send none (3.1.1: with clean session only)
    max_keepalive: int = 0  # s; MQTT 5 clients asking for more, or for 0 (none), are told this value; 0 = no limit
    max_session_expiry: int = NEVER  # s; longer requests are shortened and MQTT 5 clients told so
    session_expiry_3x: int = NEVER  # s a 3.x session without "clean session" survives its connection
    wills: Literal["supported", "ignored"] = "supported"  # ignored: accepted in CONNECT and forgotten

    reason_strings: bool = False  # tell MQTT 5 clients in words, too, why their connection is closed

    # Receiving
    max_packet_size: int = 262_144 + 4_096  # bytes of one inbound packet, fixed header included
    max_qos: int = 2  # of inbound publishes and of granted subscriptions
    retain: Literal["supported", "ignored", "refused"] = "supported"  # refused: RETAIN set closes the connection
    receive_maximum: int = 100  # unacknowledged inbound QoS 1 and 2 publishes; MQTT 5 clients that exceed it are closed
    topic_alias_maximum: int = 20  # aliases a client may define per connection, 0 = none
    max_topic_length: int = 65_535  # bytes of UTF-8 of a topic name or filter
    max_topic_levels: int = 128  # levels of a topic name or filter

    # Subscribing
    wildcard_subscriptions: bool = True  # filters with + and #
    shared_subscriptions: bool = True  # $share/group/filter
    subscription_identifiers: bool = True  # MQTT 5 subscription identifiers
    max_subscriptions: int = 1_000  # per session

    # Sending
    max_inflight: int = 100  # unacknowledged outbound QoS 1 and 2 messages per session, at most the client's maximum
    max_queued: int = 1_000  # QoS 1 and 2 messages waiting per session
    max_queued_bytes: int = 67_108_864  # bytes of those waiting and in flight per session
    max_waiting_bytes: int = 1_073_741_824  # bytes of those of all sessions, with some for the message as such
    topic_aliases_out: int = 20  # aliases the server defines per connection, at most what the client allows
    max_retained: int = 100_000  # retained messages in all

"""The packets of MQTT as typed objects; those a client sends are also the events of a server connection.

Reason codes are plain integers: the 3.x packets that have no reason code decode to 0 and do not send one.
"""

from dataclasses import dataclass, field

from thingplane.mqtt.numbers import MQTT_3_1_1
from thingplane.mqtt.properties import Properties


@dataclass(slots=True)
class Will:
    """Message the server publishes for a client that goes away without saying so."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties | None = None


@dataclass(slots=True)
class Connect:
    """A client opens a session. Always the first event of a connection."""

    client_id: str
    version: int = MQTT_3_1_1
    clean_start: bool = True  # "clean session" in 3.x
    keepalive: int = 0  # seconds, 0 = off
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    will: Will | None = None
    properties: Properties | None = None


@dataclass(slots=True)
class Connack:
    """Answer to CONNECT."""

    session_present: bool = False
    code: int = 0  # a connect return code in 3.x, a reason code in 5
    properties: Properties | None = None


@dataclass(slots=True)
class Publish:
    """An application message on its way. Topic aliases are already resolved when it is an event."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0  # 0 with QoS 0
    properties: Properties | None = None


@dataclass(slots=True)
class Puback:
    """QoS 1 message received."""

    packet_id: int
    reason: int = 0
    properties: Properties | None = None


@dataclass(slots=True)
class Pubrec:
    """QoS 2 message received, first step."""

    packet_id: int
    reason: int = 0
    properties: Properties | None = None


@dataclass(slots=True)
class Pubrel:
    """QoS 2 packet identifier released by the sender, second step."""

    packet_id: int
    reason: int = 0
    properties: Properties | None = None


@dataclass(slots=True)
class Pubcomp:
    """QoS 2 exchange complete, third step."""

    packet_id: int
    reason: int = 0
    properties: Properties | None = None


@dataclass(slots=True)
class Subscription:
    """One topic filter with its options; the options beside `qos` keep their defaults in 3.x.

    `refusal` is not on the wire: a reason code from 0x80 when the broker has already refused this filter (malformed,
    or a feature that is switched off) before the policy is asked; 0 otherwise.
    """

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    identifier: int = 0  # subscription identifier of the packet, 0 = none
    refusal: int = field(default=0, compare=False)


@dataclass(slots=True)
class Subscribe:
    """A client asks for subscriptions."""

    packet_id: int
    subscriptions: list[Subscription]
    properties: Properties | None = None


@dataclass(slots=True)
class Suback:
    """Answer to SUBSCRIBE: granted QoS or failure, one code per filter, in order."""

    packet_id: int
    codes: list[int]
    properties: Properties | None = None


@dataclass(slots=True)
class Unsubscribe:
    """A client gives up subscriptions."""

    packet_id: int
    topic_filters: list[str]
    properties: Properties | None = None


@dataclass(slots=True)
class Unsuback:
    """Answer to UNSUBSCRIBE; codes are sent in MQTT 5 only."""

    packet_id: int
    codes: list[int] = field(default_factory=list)
    properties: Properties | None = None


@dataclass(slots=True)
class Ping:
    """PINGREQ; the connection has already put the PINGRESP into its output."""


@dataclass(slots=True)
class Pong:
    """PINGRESP."""


@dataclass(slots=True)
class Disconnect:
    """The peer is about to close the connection. Sent by servers in MQTT 5 only."""

    reason: int = 0
    properties: Properties | None = None


@dataclass(slots=True)
class Auth:
    """A step of extended authentication, MQTT 5 only."""

    reason: int = 0
    properties: Properties | None = None


Event = Connect | Publish | Puback | Pubrec | Pubrel | Pubcomp | Subscribe | Unsubscribe | Ping | Disconnect | Auth
"""What a client may send, hence what a server connection reports."""

Packet = Event | Connack | Suback | Unsuback | Pong
"""Any packet, either direction."""

"""Session state: what the broker remembers of a client between connections."""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from thingplane.mqtt.message import Message
from thingplane.mqtt.numbers import NEVER
from thingplane.mqtt.packets import Subscription, Will

if TYPE_CHECKING:
    from thingplane.mqtt.link import Link


@dataclass(slots=True, eq=False)
class Outbound:
    """A message of QoS 1 or 2 on its way to one session."""

    message: Message
    qos: int
    retain: bool = False
    identifiers: tuple[int, ...] = ()  # subscription identifiers
    released: bool = False  # QoS 2: PUBREC received, PUBREL is due
    sent: bool = False  # on the present connection


@dataclass(slots=True, eq=False)
class Session:
    """State of one client (MQTT 5.0, 4.1). All fields are plain; a store may save them and build the session again.

    Attributes:
        key: identity of the session in the broker.
        client_id: as the client gave it, or as assigned.
        expiry_interval: s the session outlives its connection; `NEVER` = for ever.
        subscriptions: by topic filter as the client wrote it.
        queue: messages waiting for a packet identifier, oldest first.
        inflight: sent and not fully acknowledged, by packet identifier, in order of first sending.
        inbound: QoS 2 packet identifiers received and not released.
        next_packet_id: where the search for a free packet identifier starts.
        expires_at: s of the broker's clock; None while connected or when it never expires.
        link: present connection.
        context: free for the policy.
    """

    key: str
    client_id: str = ""
    expiry_interval: int = NEVER
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    queue: deque[Outbound] = field(default_factory=deque)
    inflight: dict[int, Outbound] = field(default_factory=dict)
    inbound: set[int] = field(default_factory=set)
    next_packet_id: int = 1
    expires_at: float | None = None
    will: Will | None = None
    will_at: float | None = None
    context: object | None = None
    link: "Link | None" = field(default=None, repr=False)

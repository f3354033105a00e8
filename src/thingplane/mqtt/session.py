"""Session state: what the broker remembers of a client between connections, and its outbound message flow."""

from collections.abc import MutableSequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from thingplane.mqtt.codec.properties import encode_application_properties, encode_delivery_properties
from thingplane.mqtt.message import Delivery, Message
from thingplane.mqtt.numbers import MQTT_5, NEVER, ReasonCode
from thingplane.mqtt.packets import Subscription, Will

if TYPE_CHECKING:
    from thingplane.mqtt.connection import ServerConnection
    from thingplane.mqtt.link import Link


_OVERHEAD: Final = 512
"""Bytes that a message takes beside its topic and payload."""


@dataclass(slots=True, eq=False)
class Outbound:
    """A message of QoS 1 or 2 on its way to one session."""

    message: Message
    qos: int
    retain: bool = False
    identifiers: tuple[int, ...] = ()  # subscription identifiers
    released: bool = False  # QoS 2: PUBREC received, PUBREL sent or due
    owner: "Session | None" = None  # the carried session it is for, while its carrier has it in flight

    @property
    def cost(self) -> int:
        """Bytes it takes in memory, about."""
        return self.message.size + _OVERHEAD


@dataclass(slots=True, eq=False)
class Session:
    """State of one client (MQTT 5.0, 4.1). All fields are plain; a store may save them and build the session again.

    Empty lists and dictionaries instead of queues and sets save 2 kB for each of very many idle clients.

    Attributes:
        key: identity of the session in the broker.
        client_id: as the client gave it, or as assigned.
        expiry_interval: s the session outlives its connection; `NEVER` = for ever.
        subscriptions: by topic filter as the client wrote it.
        queue: messages waiting for a packet identifier, oldest first; a list or a deque.
        inflight: sent and not fully acknowledged, by packet identifier, in order of first sending.
        inbound: QoS 2 packet identifiers received and not released; False while the policy has not answered.
        next_packet_id: where the search for a free packet identifier starts.
        expires_at: s of the broker's clock; None while connected or when it never expires.
        will: published when the client goes away without saying so; while waiting for `will_at` (s) too.
        context: free for the policy.
        link: present connection. This and the fields below it describe the connection, not the session.
        carrier: session whose connection it is reached over, when it has none of its own.
        behind: sessions that it carries and that have messages waiting, the next one to send first; None: none yet.
        resend: packet identifiers to be sent again after the client came back, the next one last.
        window: unacknowledged messages allowed.
        quota: messages that may still be sent before an acknowledgement.
        acknowledged_at: s of the broker's clock when the client last acknowledged a message, or connected, or got
            something to acknowledge for the first time after that.
    """

    key: str
    client_id: str = ""
    expiry_interval: int = NEVER
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    queue: MutableSequence[Outbound] = field(default_factory=list)
    inflight: dict[int, Outbound] = field(default_factory=dict)
    inbound: dict[int, bool] = field(default_factory=dict)
    next_packet_id: int = 1
    expires_at: float | None = None
    will: Will | None = None
    will_at: float | None = None
    context: object | None = None
    link: "Link | None" = field(default=None, repr=False)
    carrier: "Session | None" = field(default=None, repr=False)
    behind: "dict[Session, None] | None" = field(default=None, repr=False)
    resend: list[int] = field(default_factory=list, repr=False)
    window: int = 0
    quota: int = 0
    acknowledged_at: float = 0.0

    def attach(self, link: "Link", window: int) -> None:
        """Begin a connection: everything unacknowledged is due again, within the window."""
        self.link = link
        self.expires_at = None
        self.window = self.quota = window
        self.resend = [*reversed(self.inflight)]

    def pump(self, now: float) -> list[tuple[Outbound, Delivery]]:
        """Send what the window allows; returns what was given up instead, with the reason."""
        link = self.link
        if link is None or link.congested:
            return []
        given_up: list[tuple[Outbound, Delivery]] = []
        if self.resend:
            given_up += self._resend(link.connection, now)
        while (self.queue or self.behind) and self.quota > 0 and len(self.inflight) < self.window and not self.resend:
            outbound = self._next()
            if outbound is None:
                break
            expires_at = outbound.message.expires_at
            if expires_at is not None and expires_at <= now:
                given_up.append((outbound, Delivery.EXPIRED))
                continue
            packet_id = self._free_packet_id()
            if not send(link.connection, outbound, packet_id, now, dup=False):
                given_up.append((outbound, Delivery.TOO_LARGE))
                continue
            self.inflight[packet_id] = outbound
            self.quota -= 1
        return given_up

    def _next(self) -> Outbound | None:
        """Take the next message off a queue: its own first, then one of each session that it carries in turn."""
        if self.queue:
            outbound = self.queue[0]
            del self.queue[0]
            return outbound
        behind = self.behind
        while behind:
            session = next(iter(behind))
            del behind[session]
            if session.queue:
                outbound = session.queue[0]
                del session.queue[0]
                outbound.owner = session
                if session.queue:
                    behind[session] = None
                return outbound
        return None

    def waits_behind(self, carrier: "Session") -> None:
        """Let its carrier send what waits in it, in turn with the other sessions that it carries."""
        if self.queue:
            if carrier.behind is None:
                carrier.behind = {}
            carrier.behind.setdefault(self)

    def has_room(self, message: Message, messages: int, size: int) -> bool:
        """Tell whether a message may still wait here: at most so many, and so many bytes with what is in flight."""
        if len(self.queue) >= messages:
            return False
        holder, owner = (self, None) if self.carrier is None else (self.carrier, self)
        in_flight = (item.message.size for item in holder.inflight.values() if item.owner is owner)
        return message.size + sum(item.message.size for item in self.queue) + sum(in_flight) <= size

    def held(self) -> list[Outbound]:
        """Return what ends with this session: what waits in it and what it has in flight itself."""
        return [*self.queue, *(item for item in self.inflight.values() if item.owner is None)]

    def _resend(self, connection: "ServerConnection", now: float) -> list[tuple[Outbound, Delivery]]:
        given_up: list[tuple[Outbound, Delivery]] = []
        while self.resend:
            packet_id = self.resend[-1]
            outbound = self.inflight.get(packet_id)
            if outbound is not None and outbound.released:
                connection.pubrel(packet_id)
            elif outbound is not None:
                if self.quota <= 0:
                    break
                # Delivery has begun, so the message is sent again even if it expired meanwhile (3.3.2.3.3). The
                # client may have lowered its packet size limit, though (3.1.2.11.4).
                if send(connection, outbound, packet_id, now, dup=True):
                    self.quota -= 1
                else:
                    del self.inflight[packet_id]
                    given_up.append((outbound, Delivery.TOO_LARGE))
            self.resend.pop()
        return given_up

    def _free_packet_id(self) -> int:
        packet_id = self.next_packet_id
        while packet_id in self.inflight:
            packet_id = packet_id % 0xFFFF + 1
        self.next_packet_id = packet_id % 0xFFFF + 1
        return packet_id

    def acknowledged(self, packet_id: int, qos: int) -> Outbound | None:
        """Take the end of an exchange (PUBACK for QoS 1, PUBCOMP for QoS 2); None when there was none."""
        outbound = self.inflight.get(packet_id)
        if outbound is None or outbound.qos != qos or (qos == 2 and not outbound.released):
            return None
        del self.inflight[packet_id]
        self.quota = min(self.quota + 1, self.window)
        return outbound

    def received(self, packet_id: int, reason: int) -> tuple[int, Outbound | None]:
        """Take PUBREC.

        Returns:
            The reason code for PUBREL, or -1 when none is to be sent; and the message if the client refused it.
        """
        outbound = self.inflight.get(packet_id)
        if outbound is None or outbound.qos != 2:
            return (-1 if reason >= 0x80 else ReasonCode.PACKET_IDENTIFIER_NOT_FOUND), None
        if reason >= 0x80 and not outbound.released:
            del self.inflight[packet_id]
            self.quota = min(self.quota + 1, self.window)
            return -1, outbound
        outbound.released = True
        return 0, None

    def purge(self, now: float) -> list[Outbound]:
        """Remove and return the waiting messages that have expired."""
        expired = [
            item for item in self.queue if item.message.expires_at is not None and item.message.expires_at <= now
        ]
        if expired:
            gone = set(map(id, expired))
            self.queue = [item for item in self.queue if id(item) not in gone]
        return expired


def send(connection: "ServerConnection", outbound: Outbound, packet_id: int, now: float, *, dup: bool) -> bool:
    """Put a message into the output of a connection; False when it is too large for the client. `now` in s."""
    message = outbound.message
    properties = b""
    if connection.version == MQTT_5:
        properties = delivery_properties(message, outbound.identifiers, now)
    return connection.publish(
        message.topic,
        message.payload,
        outbound.qos,
        retain=outbound.retain,
        dup=dup,
        packet_id=packet_id,
        properties=properties,
        alias=wanted_alias(message),
    )


def wanted_alias(message: Message) -> int:
    """Return the topic alias that the sender of a message asked for, 0 for none."""
    return 0 if message.properties is None else message.properties.topic_alias or 0


def delivery_properties(message: Message, identifiers: tuple[int, ...], now: float) -> bytes:
    """Encode the MQTT 5 properties of a delivery; the time the message waited is taken off its expiry interval."""
    if message.encoded is None:
        message.encoded = encode_application_properties(message.properties)
    if message.expires_at is None and not identifiers:
        return message.encoded
    left = None if message.expires_at is None else max(int(message.expires_at - now), 0)
    return encode_delivery_properties(message.encoded, left, identifiers)

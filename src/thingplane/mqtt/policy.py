"""What the broker asks the application: who may connect, what happens to publishes and subscriptions."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from thingplane.mqtt.capabilities import Capabilities
from thingplane.mqtt.message import Delivery, Message
from thingplane.mqtt.packets import Connect, Publish, Subscribe, Unsubscribe

if TYPE_CHECKING:
    from thingplane.mqtt.broker import Broker
    from thingplane.mqtt.link import Link
    from thingplane.mqtt.session import Session


class ClosedBy(Enum):
    """Who ended a connection."""

    CLIENT = "client"  # with a DISCONNECT packet
    SERVER = "server"  # takeover, keep alive, protocol error, refused connect, or Link.close
    NETWORK = "network"  # the transport was lost


@dataclass(slots=True, frozen=True)
class Closed:
    """Why a connection ended. `reason` is a reason code of MQTT 5 also for 3.x connections."""

    by: ClosedBy
    reason: int = 0
    detail: str = ""


class Policy(Protocol):
    """Decisions and storage of the application behind a broker.

    Every method returns at once; connect, publish, subscribe and unsubscribe are answered by a call on the link, then
    or later. Answers to publishes of one link must be given in the order of the publishes (MQTT 5.0, 4.6). Answers for
    a link that is gone in the meantime do nothing.
    """

    @property
    def capabilities(self) -> Capabilities:
        """Limits the broker enforces before the policy is asked; read once, when the broker is made."""

    def connect(self, link: "Link", packet: Connect) -> None:
        """Decide about a connection: `link.accept(...)` or `link.refuse(code)`, now or later.

        Bytes that arrive before the answer are kept, at most one maximum packet, and handled when it is given.
        """

    def publish(self, link: "Link", packet: Publish) -> None:
        """Take an inbound message (hot path): `link.acknowledge(packet[, reason])`, when it is safe, for QoS 1 and 2.

        A message of QoS 2 is passed once, whatever the client repeats. Call `link.route(packet)` to fan it out.
        """

    def subscribe(self, link: "Link", packet: Subscribe) -> None:
        """Decide about subscriptions: `link.grant(packet[, codes])`."""

    def unsubscribe(self, link: "Link", packet: Unsubscribe) -> None:
        """Acknowledge the end of subscriptions: `link.revoke(packet[, codes])`."""

    def will(self, broker: "Broker", session: "Session", message: Message) -> None:
        """Publish the will of a client that is gone, usually with `broker.route(message, session)`."""

    def closed(self, link: "Link", closed: Closed) -> None:
        """A connection for which `connect` was called has ended; called exactly once, accepted or not."""

    def delivered(self, session: "Session", message: Message) -> None:
        """An outbound message of QoS 1 or 2 was fully acknowledged by the client."""

    def dropped(self, session: "Session", message: Message, why: Delivery) -> None:
        """An outbound message that had been accepted (QUEUED or SENT, QoS 1 or 2) will not be delivered."""

    def ended(self, session: "Session") -> None:
        """A session is over: expired, replaced by a clean start, or closed without being kept."""


class AllowAllPolicy:
    """The open policy: everybody may connect, publish and subscribe, and topics are shared by all.

    Makes `Broker` a plain MQTT broker with QoS 2, retained messages and wills. Nothing is stored on disk.
    """

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self.capabilities = capabilities or Capabilities()

    def connect(self, link: "Link", packet: Connect) -> None:  # noqa: ARG002 - everybody is welcome
        """Accept under the client identifier."""
        link.accept()

    def publish(self, link: "Link", packet: Publish) -> None:
        """Fan out, then acknowledge."""
        link.route(packet)
        link.acknowledge(packet)

    def subscribe(self, link: "Link", packet: Subscribe) -> None:
        """Grant everything."""
        link.grant(packet)

    def unsubscribe(self, link: "Link", packet: Unsubscribe) -> None:
        """Remove the subscriptions."""
        link.revoke(packet)

    def will(self, broker: "Broker", session: "Session", message: Message) -> None:
        """Fan out."""
        broker.route(message, session)

    def closed(self, link: "Link", closed: Closed) -> None:
        """Nothing is kept."""

    def delivered(self, session: "Session", message: Message) -> None:
        """Nothing is kept."""

    def dropped(self, session: "Session", message: Message, why: Delivery) -> None:
        """Nothing is kept."""

    def ended(self, session: "Session") -> None:
        """Nothing is kept."""

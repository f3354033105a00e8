"""The broker: sessions, subscriptions, retained messages and time."""

from collections.abc import Callable

from thingplane.mqtt.link import Link
from thingplane.mqtt.message import Delivery, Message
from thingplane.mqtt.numbers import ReasonCode
from thingplane.mqtt.packets import Publish
from thingplane.mqtt.policy import Policy
from thingplane.mqtt.session import Session


class Broker:
    """An MQTT server without sockets, clock or storage: bytes go through links, decisions through the policy.

    Attributes:
        policy: who decides.
        capabilities: the policy's, read once.
        now: s, the time of the last `tick`; everything that needs a time uses it.
        sessions: live sessions by key, connected or not.
    """

    policy: Policy
    now: float
    sessions: dict[str, Session]

    def __init__(self, policy: Policy, now: float, new_client_id: Callable[[], str] | None = None) -> None:
        """Make a broker.

        Args:
            policy: who decides.
            now: s of any clock that never goes back; the same clock as for `tick`.
            new_client_id: makes identifiers for clients that sent none; random ones when not given.
        """
        raise NotImplementedError

    def open(self, on_output: Callable[[Link], None] | None = None, context: object | None = None) -> Link:
        """Return the link of a new network connection."""
        raise NotImplementedError

    def deliver(self, session: Session, message: Message, qos: int | None = None) -> Delivery:
        """Deliver to one session without looking at its subscriptions, with the message's QoS or the given one."""
        raise NotImplementedError

    def route(self, message: Message, publisher: Session | None = None) -> int:
        """Retain the message if asked to and deliver it to every matching subscription; the number of sessions."""
        raise NotImplementedError

    def message(self, packet: Publish) -> Message:
        """Make a message of an inbound packet; its expiry interval starts now."""
        raise NotImplementedError

    def tick(self, now: float) -> None:
        """Pass the time on (about once a second): keep alive, connect timeout, session expiry, delayed wills."""
        raise NotImplementedError

    def restore(self, session: Session) -> None:
        """Take in a session from a store (not connected). A live session with the same key is an error: ValueError."""
        raise NotImplementedError

    def drop(self, session: Session, reason: int = ReasonCode.ADMINISTRATIVE_ACTION) -> None:
        """End a session for good; its connection is closed with the reason."""
        raise NotImplementedError

    def close(self, reason: int = ReasonCode.SERVER_SHUTTING_DOWN) -> None:
        """Close every link, for a shutdown; sessions stay."""
        raise NotImplementedError

"""What the engine and the connections of clients know of each other."""

from typing import Protocol

from thingplane.forwarding.message import Forwarded


class Settling(Protocol):
    """Whoever made a delivery and hears how it ended."""

    def accepted(self, delivery: "Delivery") -> None:
        """Note that the client has the message."""

    def rejected(self, delivery: "Delivery") -> None:
        """Note that the client does not want the message now."""


class Delivery:
    """A message on its way to one client. The first of ``accept`` and ``reject`` counts, and both may come late."""

    __slots__ = ("_by", "attempt", "deadline", "member", "message", "realtime")

    def __init__(
        self, by: Settling, message: Forwarded, attempt: int, member: object, *, realtime: bool, deadline: float
    ) -> None:
        """Made by the engine only.

        Args:
            by: hears how it ended.
            message: what is delivered.
            attempt: deliveries before this one, as far as known: 0 for the first.
            member: whom it is delivered to.
            realtime: pushed as it came, not from the backlog.
            deadline: when it counts as not received, in seconds of the monotonic clock.
        """
        self._by = by
        self.message = message
        self.attempt = attempt
        self.member = member
        self.realtime = realtime
        self.deadline = deadline

    def accept(self) -> None:
        """Settle: the client has the message, and the group does not get it again.

        The acknowledgement is on disk within a second; after a crash before that the message comes again.
        """
        self._by.accepted(self)

    def reject(self) -> None:
        """Give back what the client released, rejected, modified or could not take: it joins the backlog."""
        self._by.rejected(self)


class Consumer(Protocol):
    """A client's connection as the engine sees it: an AMQP link or a STOMP subscription. No method may raise."""

    def capacity(self) -> int:
        """Return how many messages may be delivered now: credit and window, 0 while the socket is congested."""

    def deliver(self, delivery: Delivery) -> None:
        """Send a message; never called for more than ``capacity``. Settling it within the call is allowed."""

    def drop(self, reason: str) -> None:
        """Close the connection: the group was deleted, or the key is no longer good. ``leave`` has been done."""


class Membership(Protocol):
    """A client's place in its group."""

    def ready(self) -> None:
        """Say that the capacity has grown. Cheap, and needed each time."""

    def leave(self) -> None:
        """Say that the connection is gone: what it did not settle joins the backlog at once. Repeating is harmless."""

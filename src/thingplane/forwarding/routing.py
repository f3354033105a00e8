"""Who a message is due to."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from thingplane.forwarding.message import Kind

_MAX_TOPICS: Final = 200_000
"""Topics whose subscribers are remembered."""


class Router(Protocol):
    """Knows the subscribers of messages: subscriptions of products, rules."""

    def subscribers(self, kind: Kind, product_id: int, topic: str) -> Iterable[int]:
        """Return the subscribers that messages of this kind, product and topic are due to.

        Fast and without side effects. The answer is remembered until ``Forwarder.routes_changed``.
        """


class Audience:
    """Some subscribers together; there is one such object for each set of them."""

    __slots__ = ("members", "number", "segment")

    def __init__(self, members: tuple[int, ...]) -> None:
        self.members = members
        """Subscribers, ascending."""
        self.segment = -1
        """The segment of the log that has it written down; for the log."""
        self.number = 0
        """Its number there."""


class Routes:
    """Remembers what the routers answered."""

    def __init__(self, is_enrolled: Callable[[int], bool]) -> None:
        self._routers: list[Router] = []
        self._is_enrolled = is_enrolled
        self._by_topic: dict[str, tuple[int, Audience | None]] = {}
        """With the product that they are for: a device with its topics may move to a copy of its product."""
        self._audiences: dict[tuple[int, ...], Audience] = {}

    def add(self, router: Router) -> None:
        """Ask one more router."""
        self._routers.append(router)
        self.changed()

    def changed(self) -> None:
        """Forget all answers."""
        self._by_topic = {}
        self._audiences = {}

    def find(self, kind: Kind, product_id: int, topic: str) -> Audience | None:
        """Return who a message is due to; None: nobody."""
        # A topic belongs to one kind, and to one product at a time: it is enough of a key.
        known = self._by_topic.get(topic)
        if known is not None and known[0] == product_id:
            return known[1]
        members: list[int] = []
        for router in self._routers:
            members.extend(router.subscribers(kind, product_id, topic))
        audience = self.audience(members)
        if len(self._by_topic) >= _MAX_TOPICS:
            self._by_topic.clear()
        self._by_topic[topic] = product_id, audience
        return audience

    def audience(self, members: Sequence[int]) -> Audience | None:
        """Return these subscribers together, without those that are gone; None: nobody is left."""
        wanted = tuple(sorted({member for member in members if self._is_enrolled(member)}))
        if not wanted:
            return None
        audience = self._audiences.get(wanted)
        if audience is None:
            audience = self._audiences[wanted] = Audience(wanted)
        return audience

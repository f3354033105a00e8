"""Topic routes (guide 4.12.5): a product has a table, one more subscriber of the log, with a worker like a rule."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from thingplane.bus import Downlink
from thingplane.clock import Clock
from thingplane.forwarding.message import Forwarded, Kind
from thingplane.forwarding.service import Forwarder
from thingplane.rules.destinations.devices import RoutedTopic
from thingplane.rules.destinations.protocol import Record
from thingplane.rules.runtime.budget import Budget
from thingplane.rules.runtime.delivery import Sleep
from thingplane.rules.runtime.metrics import Counters
from thingplane.rules.runtime.plan import Target
from thingplane.rules.runtime.worker import Worker
from thingplane.rules.sql.program import Columns

MAX_BYTES: Final = 32 << 20
"""What all tables together may hold in memory; each may always hold a message."""
WINDOW: Final = 10_000
"""Messages of a table that are being delivered at the same time: a destination that does not keep up has its own for
14 seconds, and must not hold up the others."""
WRITES: Final = 1000
"""Messages of a table that are being kept for sessions at the same time: they share their commits."""
STOP_S: Final = 5.0
"""Seconds that a table has for what is under way when the node stops."""

_NO_COLUMNS: Final[Columns] = {}


class Route(Protocol):
    """Where messages of a source topic also go."""

    @property
    def topic(self) -> str: ...
    @property
    def device_id(self) -> int: ...


class Routes(Protocol):
    """Knows all routes, in memory."""

    on_change: list[Callable[[], None]]
    on_create: list[Callable[[str], Awaitable[object]]]

    def routes(self, topic: str) -> Sequence[Route]:
        """Return where messages on a topic also go."""

    def product_keys(self) -> set[str]:
        """Return the ProductKeys of all sources."""


class Table:
    """The routes of a product as the work of a worker: the messages themselves, to the destinations of their topics."""

    __slots__ = ("_targets_of", "label")

    error_action = None

    def __init__(self, product_key: str, targets_of: Callable[[str], Sequence[Target]]) -> None:
        """Take what finds the destinations of a topic."""
        self.label: Mapping[str, object] = {"routes_of": product_key}
        self._targets_of = targets_of

    def is_ready(self, messages: Sequence[Forwarded]) -> bool:  # noqa: ARG002 - as the protocol
        """Routes are in memory; see ``Work``."""
        return True

    async def prepare(self, messages: Sequence[Forwarded]) -> None:
        """Nothing has to be read; see ``Work``."""

    def run(self, message: Forwarded) -> tuple[Record, Sequence[Target]] | None:
        """Return the message as it is, for all destinations that its topic has now."""
        targets = self._targets_of(message.topic)
        return (Record(message.body, _NO_COLUMNS, message, ""), targets) if targets else None


class RouteTables:
    """The tables of all products that have routes.

    A message that was acknowledged to its device is delivered to the destinations that its topic has when it is its
    turn, also after a crash; it is done when all of them are.
    """

    def __init__(
        self, forwarder: Forwarder, routes: Routes, downlink: Downlink, clock: Clock, sleep: Sleep = asyncio.sleep
    ) -> None:
        """Wire; ``start`` opens the tables there are.

        Args:
            forwarder: the log of messages.
            routes: all of them.
            downlink: the way to devices.
            clock: tells how long a message has waited.
            sleep: waits for seconds.
        """
        self.counters = Counters()
        self._forwarder = forwarder
        self._routes = routes
        self._downlink = downlink
        self._clock = clock
        self._sleep = sleep
        self._budget = Budget(MAX_BYTES)
        self._workers: dict[str, Worker[Table]] = {}
        self._targets: dict[str, Sequence[Target]] = {}
        routes.on_create.append(self.open)
        routes.on_change.append(self._changed)
        forwarder.add_router(self)

    async def start(self) -> None:
        """Go on with what waits; tables without routes are no subscribers any more."""
        product_keys = self._routes.product_keys()
        for entry in self._forwarder.entries():
            if entry.kind == "route" and entry.reference not in product_keys:
                await self._forwarder.remove(await self._forwarder.enroll("route", entry.reference))
        for product_key in product_keys:
            await self.open(product_key)

    async def open(self, product_key: str) -> None:
        """Let the table of a product be a subscriber: what is forwarded after this is due to it if it has a route."""
        if product_key in self._workers:
            return
        subscriber = await self._forwarder.enroll("route", product_key)
        if product_key in self._workers:
            return  # somebody else was quicker
        worker = self._workers[product_key] = Worker(
            subscriber,
            Table(product_key, self._targets_of),
            self._forwarder,
            self._budget,
            self._clock,
            self._sleep,
            self.counters,
            window=WINDOW,
            writes=WRITES,
        )
        worker.start()

    async def close(self) -> None:
        """Finish what is under way; the rest waits in the log."""
        await asyncio.gather(*(worker.stop(STOP_S) for worker in self._workers.values()))
        self._workers.clear()

    def subscribers(self, kind: Kind, product_id: int, topic: str) -> Iterable[int]:  # noqa: ARG002 - as the protocol
        """Return the table that a message is due to; see ``forwarding.service.Router``."""
        if kind is not Kind.CUSTOM or not self._routes.routes(topic):
            return ()
        worker = self._workers.get(topic.split("/", 2)[1])
        return () if worker is None else (worker.subscriber,)

    def reading(self) -> dict[str, float]:
        """Return the values of the metrics."""
        workers = self._workers.values()
        return {
            "routes_messages_waiting": sum(self._forwarder.waiting(worker.subscriber) for worker in workers),
            "routes_delivered_total": self.counters.delivered,
            "routes_retried_total": self.counters.retries,
            "routes_dropped_total": self.counters.dropped,
        }

    def _changed(self) -> None:
        self._targets.clear()
        self._forwarder.routes_changed()

    def _targets_of(self, topic: str) -> Sequence[Target]:
        targets = self._targets.get(topic)
        if targets is None:
            targets = self._targets[topic] = [
                Target(
                    RoutedTopic(route.topic, route.device_id, self._clock, self._downlink),
                    "REPUBLISH",
                    {"destination": route.topic},
                )
                for route in self._routes.routes(topic)
            ]
        return targets

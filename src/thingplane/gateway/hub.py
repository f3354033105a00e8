"""What connections share, and the time-outs that need no timer: everything in a queue waits equally long."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from thingplane.clock import Clock
from thingplane.gateway.client_hello import breaks_off_when_asked
from thingplane.gateway.metrics import Counters
from thingplane.gateway.psk import PskKeys
from thingplane.gateway.settings import GatewaySettings
from thingplane.mqtt import Broker
from thingplane.storage.timeseries import GroupCommit
from thingplane.throttle import Throttle

GUEST_SECONDS: Final = 15.0
"""Seconds that a connection may stay which only fetches an identity (device-protocol, 2.3)."""
TAKEOVERS: Final = 10
"""Connections that may take over from each other between two ticks for one device; of further ones the last one waits
for the next tick."""


class Entering(Protocol):
    """A connection that has not yet shown what it is."""

    def reject(self, reason: str) -> None:
        """Drop it, counting the reason."""


class Leaving(Protocol):
    """A connection of a device."""

    def abort(self) -> None:
        """Drop it without sending what is left."""


class Hub:
    """What connections share."""

    __slots__ = (
        "_closing",
        "_emptied",
        "_entering",
        "_guests",
        "_postponed",
        "_takeovers",
        "_unknown",
        "broker",
        "clock",
        "commit",
        "connects",
        "counters",
        "open",
        "psk",
        "settings",
        "tls",
        "tls_unasked",
    )

    def __init__(
        self, broker: Broker, commit: GroupCommit, clock: Clock, counters: Counters, settings: GatewaySettings
    ) -> None:
        self.broker = broker
        self.commit = commit
        self.clock = clock
        self.counters = counters
        self.settings = settings
        self.connects = Throttle(settings.connects_per_minute, 60, clock.monotonic)
        """Attempts of each device."""
        self.open: set[Leaving] = set()
        """Connections that carry MQTT."""
        self.tls: ssl.SSLContext | None = None
        """Server side of new TLS connections; None: there is no TLS."""
        self.tls_unasked: ssl.SSLContext | None = None
        """The same for clients that break off when they are asked for a certificate; None: nobody is asked."""
        self.psk: PskKeys | None = None
        """Finds keys, if the TLS context asks for them."""
        # All oldest first, with s of the clock.
        self._guests: dict[Leaving, float] = {}
        self._entering: dict[Entering, float] = {}
        self._unknown: dict[Leaving, float] = {}
        self._closing: dict[Leaving, float] = {}
        self._emptied: asyncio.Event | None = None
        self._takeovers: Counter[int] = Counter()
        self._postponed: dict[int, tuple[Callable[[], None], Callable[[], None]]] = {}  # by device

    def tls_for(self, data: bytes) -> ssl.SSLContext | None:
        """Return the server side of a TLS connection that begins with these bytes; None: there is no TLS."""
        if self.tls_unasked is not None and breaks_off_when_asked(data):
            return self.tls_unasked
        return self.tls

    @property
    def is_full(self) -> bool:
        """Whether there are as many connections as there may be, whatever they carry."""
        return len(self.open) + len(self._entering) >= self.settings.connections

    def make_room(self) -> bool:
        """Make room for a connection of somebody unknown; tell whether there is some.

        Those who are unknown for long make room: somebody opens connections and does no more. When there are just many
        devices at a time, the newest has to come later, so that the others get in.
        """
        if len(self._entering) + len(self._unknown) < self.settings.newcomers:
            return True
        over = self.clock.monotonic() - self.settings.connect_timeout / 2
        oldest, since = next(iter(self._entering.items()), (None, over))
        if oldest is not None and since < over:
            del self._entering[oldest]
            oldest.reject("crowded")
            return True
        silent, since = next(iter(self._unknown.items()), (None, over))
        if silent is not None and since < over:
            del self._unknown[silent]
            self.counters.rejected["crowded"] += 1
            silent.abort()
            return True
        return False

    def takeovers(self, device_id: int) -> int:
        """Count one more connection that takes over from another one of the same device; return how many since a tick.

        Two devices with one identity, each of which connects again at once, would keep the node busy.
        """
        self._takeovers[device_id] += 1
        return self._takeovers[device_id]

    def postpone(self, device_id: int, again: Callable[[], None], give_up: Callable[[], None]) -> None:
        """Look at a connection of a device again at the next tick.

        Only one waits for each device, the newest: it would take over from all before it at once.

        Args:
            device_id: whose.
            again: called at the next tick.
            give_up: called instead when another one of the device comes before.
        """
        overtaken = self._postponed.pop(device_id, None)
        self._postponed[device_id] = again, give_up
        if overtaken is not None:
            overtaken[1]()

    def enter(self, newcomer: Entering) -> None:
        """Take note of a connection that has to show what it is in time."""
        self._entering[newcomer] = self.clock.monotonic()

    def entered(self, newcomer: Entering) -> None:
        """Take note that it has, or that it is gone."""
        self._entering.pop(newcomer, None)

    def begin(self, connection: Leaving) -> None:
        """Take note of a connection that carries MQTT."""
        self.open.add(connection)
        self._unknown[connection] = self.clock.monotonic()

    def known(self, connection: Leaving) -> None:
        """Take note that a connection was let in."""
        self._unknown.pop(connection, None)

    def close(self, connection: Leaving) -> None:
        """Take note that a connection was told to close: a peer that does not read would keep it for ever."""
        self._closing.setdefault(connection, self.clock.monotonic())

    def visited(self, connection: Leaving) -> None:
        """Take note of a connection that only fetches an identity: its device is expected to close it soon."""
        self._guests[connection] = self.clock.monotonic()

    def end(self, connection: Leaving) -> None:
        """Take note that a connection is gone."""
        self.open.discard(connection)
        self._unknown.pop(connection, None)
        self._guests.pop(connection, None)
        self._closing.pop(connection, None)
        if not self.open and self._emptied is not None:
            self._emptied.set()

    async def emptied(self) -> None:
        """Return when no connection is left."""
        if self.open:
            self._emptied = asyncio.Event()
            await self._emptied.wait()

    def reject_all(self) -> None:
        """Drop the connections that have not shown yet what they are."""
        for newcomer in list(self._entering):
            newcomer.reject("shutdown")
        self._entering.clear()

    def tick(self) -> None:
        """Let time pass: about once a second."""
        now = self.clock.monotonic()
        self.broker.tick(now)
        self._takeovers.clear()
        postponed, self._postponed = self._postponed, {}
        for again, _ in postponed.values():
            again()
        over = now - self.settings.connect_timeout
        while self._entering and next(iter(self._entering.values())) <= over:
            newcomer = next(iter(self._entering))
            del self._entering[newcomer]
            newcomer.reject("silent")
        while self._guests and next(iter(self._guests.values())) <= now - GUEST_SECONDS:
            connection = next(iter(self._guests))
            del self._guests[connection]
            connection.abort()
        while self._closing and next(iter(self._closing.values())) <= over:
            connection = next(iter(self._closing))
            del self._closing[connection]
            connection.abort()

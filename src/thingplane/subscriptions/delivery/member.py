"""A client in its group."""

from collections.abc import Callable
from typing import Final

from thingplane.subscriptions.delivery.pace import PerMinute, Tokens
from thingplane.subscriptions.delivery.parties import Consumer

CHUNK: Final = 64
"""Messages after which a connection is asked for its capacity again: its socket may be congested by now."""


class Member:
    """One connection of a group, with what it has consumed. Implements ``Membership``."""

    __slots__ = (
        "_leave",
        "_wake",
        "access_key_id",
        "address",
        "backlog",
        "backlog_rate",
        "client_id",
        "consumer",
        "gone",
        "in_flight",
        "online_at",
        "realtime",
        "realtime_rate",
        "stalled",
        "tokens",
    )

    def __init__(
        self,
        consumer: Consumer,
        *,
        client_id: str,
        access_key_id: str,
        address: str,
        online_at: int,
        tokens: Tokens | None,
        wake: Callable[[], None],
        leave: Callable[["Member"], None],
    ) -> None:
        """Made by the engine.

        Args:
            consumer: the connection.
            client_id: as the client calls itself.
            access_key_id: whose key it signed in with.
            address: ``ip:port``.
            online_at: epoch milliseconds.
            tokens: limit of real-time messages, if there is one.
            wake: called when capacity has grown.
            leave: called when the connection is gone.
        """
        self.consumer = consumer
        self.client_id = client_id
        self.access_key_id = access_key_id
        self.address = address
        self.online_at = online_at
        self.tokens = tokens
        self.gone = False
        self.in_flight = 0
        """Deliveries that are neither settled nor expired."""
        self.stalled = False
        """Whether a delivery has expired, and none was settled since."""
        self.realtime = 0
        """Real-time messages accepted so far."""
        self.backlog = 0
        """Messages of the backlog accepted so far."""
        self.realtime_rate = PerMinute()
        self.backlog_rate = PerMinute()
        self._wake = wake
        self._leave = leave

    def ready(self) -> None:
        self._wake()

    def leave(self) -> None:
        if not self.gone:
            self.gone = True
            self._leave(self)

    def sample(self, now: float) -> None:
        """Note what was consumed so far; about once a second."""
        self.realtime_rate.sample(now, self.realtime)
        self.backlog_rate.sample(now, self.backlog)

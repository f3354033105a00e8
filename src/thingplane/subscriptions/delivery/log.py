"""The part of the forwarded-message log that delivery needs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from thingplane.forwarding.message import Forwarded


class Log(Protocol):
    """Implemented by ``thingplane.forwarding.service.Forwarder``; see there."""

    def listen(self, subscriber: int, callback: Callable[[Sequence[Forwarded]], None]) -> Callable[[], None]:
        """Call back after each commit with the records due to the subscriber, in order; returns how to end that."""

    async def read(self, subscriber: int, after: int, limit: int) -> list[Forwarded]:
        """Return committed records that are not acknowledged, from the position after ``after`` on, ascending."""

    def acknowledge(self, subscriber: int, positions: Iterable[int]) -> None:
        """Note that the subscriber needs these no more."""

    def waiting(self, subscriber: int) -> int:
        """Return how many records are not acknowledged."""

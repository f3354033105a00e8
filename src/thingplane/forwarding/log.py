"""What the log promises, whichever database keeps it beside the history."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from thingplane.forwarding.message import Forwarded
from thingplane.forwarding.routing import Audience

SEGMENT_BITS: Final = 24
"""A position is the number of its segment, and 24 bits for its place in the segment."""

Settled = Callable[[Sequence[Forwarded], Sequence[Audience], BaseException | None], None]
"""Told of every batch: its messages, the audience of each, and what made the commit fail (None: it is durable)."""


class Segment(NamedTuple):
    """A part of the log that goes as a whole."""

    number: int
    rows: int
    bytes: int
    first_at: int
    """When its first message was written, in epoch milliseconds."""
    last_at: int
    """When its last message was written."""


class ForwardingLog(Protocol):
    """Keeps messages in order. Used from one event loop; opened and closed together with the history."""

    settled: Settled
    """Set by whoever appends."""
    next_position: int
    """Of the next message."""
    segment: int
    """Number of the segment that still grows."""

    def append(self, message: Forwarded, audience: Audience) -> bool:
        """Add a message to the batch of the next commit, and return whether it is the first of it.

        Args:
            message: its position is ``next_position``, which moves on.
            audience: whom it is due to.
        """

    def pending(self) -> int:
        """Return how many messages wait for the next commit."""

    async def read(self, positions: Sequence[int]) -> list[Forwarded]:
        """Return committed messages by their positions, ascending; those that are gone are left out.

        Raises:
            TimeSeriesError: the log cannot be read.
        """

    def scan(self, after: int) -> AsyncIterator[tuple[Forwarded, tuple[int, ...]]]:
        """Yield the committed messages behind a position with the subscribers each was due to, ascending.

        Raises:
            TimeSeriesError: the log cannot be read.
        """

    async def segments(self) -> list[Segment]:
        """Return the segments that have messages, oldest first.

        Raises:
            TimeSeriesError: the log cannot be read.
        """

    async def drop(self, number: int) -> None:
        """Delete a segment; the one that still grows stays.

        Raises:
            TimeSeriesError: the log cannot be changed.
        """

    async def close(self) -> None:
        """Release what is not the history's; to be called after the history was closed."""

"""What a group has not been delivered yet, or not successfully: on disk, read ahead, or waiting to be sent again."""

from collections import OrderedDict, deque
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from thingplane.forwarding.message import Forwarded

BEGINNING: Final = -1
"""Position in front of all messages."""
READ_AHEAD: Final = 1000
"""Messages read at once, unless they are large."""
READ_BYTES: Final = 4 * 1024 * 1024
"""Bytes that one reading aims at."""


class Again(msgspec.Struct, gc=False):
    """A message that was delivered but not settled."""

    message: Forwarded
    attempt: int
    """Deliveries so far."""
    due: float
    """When it may be sent again, in seconds of the monotonic clock."""


class Backlog:
    """The messages that wait for a client, oldest first; those on disk by a position only.

    Everything waiting in the log is either behind ``cursor`` or in memory (here, being delivered, or waiting for
    credit). ``behind`` tells whether there may be anything behind ``cursor`` that is not in memory.
    """

    def __init__(self) -> None:
        self.behind = True
        self.cursor = BEGINNING
        self.mark = BEGINNING
        """Newest position that was left on disk."""
        self._stock: deque[tuple[Forwarded, int]] = deque()
        self._again: OrderedDict[int, Again] = OrderedDict()
        self._later: OrderedDict[int, Again] = OrderedDict()
        self._attempts: dict[int, int] = {}
        self._size = 1024.0

    def __len__(self) -> int:
        """Return how many messages in memory may be sent now."""
        return len(self._again) + len(self._stock)

    @property
    def stocked(self) -> int:
        """Messages that were read ahead."""
        return len(self._stock)

    def leave(self, messages: Sequence[Forwarded]) -> None:
        """Leave new messages on disk, until there is time to read them."""
        if not self.behind:
            self.behind = True
            self.cursor = messages[0].position - 1
        self.mark = messages[-1].position

    def read_limit(self, room: int) -> int:
        """Return how many messages to read when there is room for so many in memory."""
        return max(min(READ_AHEAD, room, int(READ_BYTES / self._size)), 0)

    def stock(
        self, messages: Sequence[Forwarded], in_flight: Collection[int], settled: Collection[int]
    ) -> tuple[int, int]:
        """Take messages that were read behind the cursor, except those in memory already.

        Args:
            messages: in order.
            in_flight: positions that are being delivered.
            settled: positions that were settled while reading.

        Returns:
            Number and bytes of those that were taken.
        """
        count = size = total = 0
        again, later = self._again, self._later
        for message in messages:
            position = message.position
            total += len(message.body)
            if position in in_flight or position in settled or position in again or position in later:
                continue
            self._stock.append((message, self._attempts.pop(position, 0) if self._attempts else 0))
            size += len(message.body)
            count += 1
        if messages:
            self.cursor = messages[-1].position
            self._size = max(1.0, 0.5 * (self._size + total / len(messages)))
        return count, size

    def caught_up(self) -> None:
        """Note that nothing was behind the cursor."""
        self.behind = False
        self._attempts.clear()

    def retry(self, message: Forwarded, attempt: int, due: float | None) -> None:
        """Let a message wait that was delivered in vain; None: it may be sent again now."""
        if due is None:
            self._again[message.position] = Again(message, attempt, 0.0)
        else:
            self._later[message.position] = Again(message, attempt, due)

    def ripen(self, now: float | None) -> None:
        """Let messages be sent again that have waited long enough; None: all of them."""
        while self._later:
            position = next(iter(self._later))
            if now is not None and self._later[position].due > now:
                return
            self._again[position] = self._later.pop(position)

    def next(self) -> tuple[Forwarded, int]:
        """Take the message to be sent next, and the number of its deliveries so far; there must be one."""
        if self._again:
            again = self._again.popitem(last=False)[1]
            return again.message, again.attempt
        return self._stock.popleft()

    def settle(self, position: int) -> bool:
        """Take out a message that its client accepted after all; tells whether it was waiting to be sent again."""
        return self._later.pop(position, None) is not None or self._again.pop(position, None) is not None

    def to_disk(self) -> None:
        """Keep nothing in memory but the numbers of deliveries."""
        self._attempts = {
            position: again.attempt for held in (self._again, self._later) for position, again in held.items()
        }
        self._clear()
        self.restart()

    def forget(self) -> None:
        """Start over after the log has let go of everything."""
        self._attempts.clear()
        self._clear()
        self.restart()

    def restart(self) -> None:
        """Read everything from the beginning."""
        self.behind = True
        self.cursor = BEGINNING

    def _clear(self) -> None:
        self._stock.clear()
        self._again.clear()
        self._later.clear()

"""How fast, how long and how much: the figures of delivery."""

from collections import deque

import msgspec


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of delivery (guide: limits of server-side subscription). Rates of 0 are unlimited."""

    acknowledge_s: float = 30.0
    """Seconds after which a delivery that was not settled counts as not received."""
    resend_s: float = 60.0
    """Seconds after which a message that a client did not take is sent again."""
    realtime_per_second: int = 0
    """Messages pushed as they come to one connection; the vendor allows 1,000."""
    backlog_per_second: int = 0
    """Messages of the backlog to all connections of a group; the vendor allows 200."""
    window: int = 20_000
    """Messages of one group in memory: being delivered, waiting for credit, read ahead, to be sent again."""
    window_bytes: int = 64 * 1024 * 1024
    """Bytes of their bodies, above which no more are taken into memory."""


class Tokens:
    """How many messages a limited rate allows now; saves up to a second's worth."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: int, now: float) -> None:
        """Start with a second's worth.

        Args:
            rate: a second; above 0.
            now: seconds of the monotonic clock.
        """
        self._rate = rate
        self._left = float(rate)
        self._at = now

    def available(self, now: float) -> int:
        """Return how many messages may be sent now."""
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        return int(self._left)

    def spend(self, count: int) -> None:
        """Note that messages were sent."""
        self._left -= count


class PerMinute:
    """How much a total grew within the last 60 seconds, from samples of it: exact to the time between samples."""

    __slots__ = ("_before", "_samples")

    def __init__(self) -> None:
        self._before = 0
        self._samples: deque[tuple[float, int]] = deque()

    def sample(self, now: float, total: int) -> None:
        """Note the total; about once a second."""
        self._forget(now)
        if total != (self._samples[-1][1] if self._samples else self._before):
            self._samples.append((now, total))

    def rate(self, now: float, total: int) -> int:
        """Return how much the total has grown in the last minute."""
        self._forget(now)
        return total - self._before

    def _forget(self, now: float) -> None:
        while self._samples and self._samples[0][0] <= now - 60.0:
            self._before = self._samples.popleft()[1]

"""How often something may happen."""

from collections import Counter
from collections.abc import Callable

_MAX_KEYS = 100_000


class Throttle:
    """Counts in windows of equal length that begin at the same time for all keys."""

    def __init__(self, limit: int, seconds: float, now: Callable[[], float]) -> None:
        """Start a window.

        Args:
            limit: how often in one window; 0: as often as it likes.
            seconds: length of a window.
            now: s of any clock that never goes back.
        """
        self._limit = limit
        self._seconds = seconds
        self._now = now
        self._window = 0
        self._counts: Counter[int] = Counter()

    def exceeded(self, key: int, count: int = 1) -> bool:
        """Count, and tell whether it was too often."""
        if not self._limit:
            return False
        window = int(self._now() / self._seconds)
        if window != self._window or len(self._counts) >= _MAX_KEYS:
            self._window = window
            self._counts.clear()
        self._counts[key] += count
        return self._counts[key] > self._limit

"""Time, injected wherever it is read, so that tests need no sleeps."""

import time
from typing import Protocol


class Clock(Protocol):
    """What the platform knows about time."""

    def now_ms(self) -> int:
        """Return the wall clock time in Unix epoch milliseconds."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""


class SystemClock:
    """The clock of the machine."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

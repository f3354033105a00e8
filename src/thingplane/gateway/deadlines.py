"""Timeouts without timers: everything that waits equally long stands in one queue."""

from collections import deque
from collections.abc import Callable


class Deadline:
    """One timeout; ``cancel`` when it has been met."""

    __slots__ = ("action", "at")

    def __init__(self, at: float, action: Callable[[], None]) -> None:
        self.at = at
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self.action = None


class Deadlines:
    """Timeouts of one length, checked about once a second by ``expire``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._queue: deque[Deadline] = deque()

    def add(self, now: float, action: Callable[[], None]) -> Deadline:
        """Call ``action`` at the first ``expire`` after the time is over.

        Args:
            now: s of the clock that ``expire`` is given.
            action: what to do; must not raise.
        """
        deadline = Deadline(now + self._seconds, action)
        self._queue.append(deadline)
        return deadline

    def expire(self, now: float) -> None:
        """Do what is due."""
        queue = self._queue
        while queue and (queue[0].action is None or queue[0].at <= now):
            action = queue.popleft().action
            if action is not None:
                action()

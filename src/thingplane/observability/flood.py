"""Keeping log lines of one kind from filling a disk: whoever can cause a line can cause as many as it likes."""

import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

LINES_PER_SECOND: Final = 50
"""Lines with the same text that are written in one second; the first one afterwards tells how many were not."""
_MAX_TEXTS: Final = 1_000


class FloodGuard:
    """A structlog processor that drops lines whose text was written too often within the second."""

    def __init__(self, limit: int = LINES_PER_SECOND, now: Callable[[], float] = time.monotonic) -> None:
        """Start.

        Args:
            limit: lines a second with the same text, whatever values they carry.
            now: s of a clock that never goes back.
        """
        self._limit = limit
        self._now = now
        self._seen: dict[str, tuple[int, int]] = {}  # second and number of lines, by text

    def __call__(self, _logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Pass a line on.

        Raises:
            structlog.DropEvent: it is one too many.
        """
        text = str(line.get("event", ""))
        now = int(self._now())
        second, count = self._seen.get(text, (now, 0))
        if second != now:
            if count > self._limit:
                line["suppressed"] = count - self._limit
            second, count = now, 0
        if text not in self._seen and len(self._seen) >= _MAX_TEXTS:
            self._seen.clear()
        self._seen[text] = second, count + 1
        if count >= self._limit:
            raise structlog.DropEvent
        return line

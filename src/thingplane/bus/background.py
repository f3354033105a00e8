"""Work that an event starts and nobody waits for."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

_log = structlog.get_logger(__name__)


class Background:
    """Runs coroutines beside everything else, and remembers them until they end."""

    def __init__(self, what: str) -> None:
        """Start with nothing to do.

        Args:
            what: the work is, for the log.
        """
        self._what = what
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin; what it raises is logged."""
        task = asyncio.get_running_loop().create_task(work, name=self._what)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def settled(self) -> None:
        """Return when everything that was begun has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("work in the background failed", what=self._what, exc_info=error)

"""Saving changes a moment later: many of them at once, and at once for those who wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

DELAY_S: Final = 1.0
"""How long a change may stay unsaved."""
HURRY_S: Final = 0.02
"""The same while somebody waits for it: so that many who wait share one transaction."""

_log = structlog.get_logger(__name__)


class Saver:
    """Calls ``save`` after changes, never twice at the same time; what fails is tried again."""

    def __init__(self, save: Callable[[], Awaitable[None]]) -> None:
        """Take what saves all changes made until it is called."""
        self._save = save
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._changed = False
        self.failures = 0
        """Attempts that failed."""

    def changed(self) -> None:
        """Save within a second."""
        if not self._changed:
            self._changed = True
            if self._timer is None and self._task is None:
                self._schedule(DELAY_S)

    async def saved(self) -> None:
        """Return when all changes made so far are saved.

        Raises:
            Exception: what made saving fail; it will be tried again all the same.
        """
        if not self._changed and self._task is None:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed = True
        self._waiting.append(future)
        if self._task is None:
            if self._timer is not None:
                self._timer.cancel()
            self._schedule(HURRY_S)
        await future

    async def close(self) -> None:
        """Save what is not saved yet; raises what made that fail."""
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._changed:
            self._changed = False
            await self._save()

    def _schedule(self, delay: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay, self._start)

    def _start(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name="saving acknowledgements")

    async def _run(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._changed = False
        error: Exception | None = None
        try:
            await self._save()
        except Exception as failure:  # noqa: BLE001 - logged, handed to those who wait, and tried again
            error = failure
            self.failures += 1
            self._changed = True
            _log.error("acknowledgements of forwarded messages were not saved, trying again", error=repr(failure))
        finally:
            self._task = None
        for future in waiting:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)
        if self._changed:
            self._schedule(HURRY_S if self._waiting and error is None else DELAY_S)

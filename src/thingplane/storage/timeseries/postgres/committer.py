"""Committing batches to PostgreSQL, one at a time and in order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from thingplane.storage.timeseries.interface import Done
from thingplane.storage.timeseries.postgres.companion import Companion
from thingplane.storage.timeseries.postgres.latest import Row

Write = Callable[[list[Row], list[Any]], Awaitable[None]]
"""Makes a batch, and what was taken from the companion, durable or raises; then none of it is there."""


class Committer:
    """Gathers what is appended while a commit is under way into the next one."""

    def __init__(self, write: Write, companion: Companion | None = None) -> None:
        self._write = write
        self._companion = companion
        self._appended: list[Row] = []
        self._queued: list[Row] = []
        self._taken: list[Any] = []
        self._waiting: list[Done] = []
        self._under_way: list[Done] = []
        self._rows_under_way = 0
        self._is_writing = False
        self._task: asyncio.Task[None] | None = None

    def append(self, rows: list[Row]) -> None:
        """Add rows to the batch of the next commit."""
        self._appended += rows

    def pending(self) -> int:
        """Return the number of rows that are not durable yet."""
        return len(self._appended) + len(self._queued) + self._rows_under_way

    def commit(self, done: Done) -> None:
        """Make everything appended so far durable, then call ``done``."""
        companion = self._companion
        if self._appended or (companion is not None and companion.pending()):
            # Only now: what is appended after this call belongs to a later one, also if this one fails.
            self._queued += self._appended
            self._appended = []
            if companion is not None and companion.pending():
                self._taken.append(companion.take())
            self._waiting.append(done)
        elif self._queued or self._taken:
            self._waiting.append(done)
        elif self._is_writing:
            self._under_way.append(done)
        else:
            done(None)
            return
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._queued or self._taken:
            rows, self._queued = self._queued, []
            taken, self._taken = self._taken, []
            self._under_way, self._waiting = self._waiting, []
            self._rows_under_way = len(rows)
            self._is_writing = True
            error: BaseException | None = None
            try:
                await self._write(rows, taken)
            except Exception as failure:  # noqa: BLE001  whatever it was, those who wait must hear of it
                error = failure
            self._is_writing = False
            self._rows_under_way = 0
            if self._companion is not None and taken:
                self._companion.settle(taken, error)
            for done in self._under_way:
                done(error)
        self._task = None

    async def close(self) -> None:
        """Wait for the commit under way and those queued behind it."""
        if self._task is not None:
            await self._task

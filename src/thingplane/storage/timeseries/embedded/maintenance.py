"""Sealing and merging in the background, one thing at a time."""

import asyncio

import apsw
import structlog

from thingplane.clock import Clock
from thingplane.storage.timeseries.embedded.companion import Companion
from thingplane.storage.timeseries.embedded.files import HistoryFiles
from thingplane.storage.timeseries.embedded.options import Options
from thingplane.storage.timeseries.errors import TimeSeriesError

_log = structlog.get_logger(__name__)


class Maintenance:
    """Keeps the hot file short and the sealed files few."""

    def __init__(self, files: HistoryFiles, options: Options, clock: Clock, companion: Companion | None = None) -> None:
        self._files = files
        self._options = options
        self._clock = clock
        self._companion = companion
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Start what is due, after a commit. Costs next to nothing when nothing is."""
        if self._task is None and (self._hot_is_full() or self._files.hot.checkpoint_due()):
            self.start()

    def start(self) -> None:
        """Do in the background what is due now."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(self._ended)

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._task = None

    def _hot_is_full(self) -> bool:
        hot = self._files.hot
        if self._companion is not None and self._companion.full():
            return True
        if hot.first_received is None:
            return False
        age = self._clock.now_ms() - hot.first_received
        return hot.rows >= self._options.seal_messages or age >= self._options.seal_after_ms

    async def _run(self) -> None:
        while True:
            try:
                async with self._turn:
                    await self._files.hot.checkpoint()
                    if self._hot_is_full():
                        await self._files.rotate()
                    if len(self._files.versions.current.hot) > 1:
                        await self._files.seal_oldest()
                    elif not await self._files.merge():
                        return
            except (TimeSeriesError, apsw.Error, OSError) as error:
                # Nothing is lost: the messages stay in hot files, which are read as well, only slower.
                _log.error(
                    "history could not be sealed, trying again", error=str(error), retry_s=self._options.retry_ms / 1000
                )
                await asyncio.sleep(self._options.retry_ms / 1000)

    async def seal(self) -> None:
        """Seal everything committed so far, and merge what is to be merged.

        Raises:
            TimeSeriesError: Sealing failed; nothing has changed.
        """
        async with self._turn:
            if self._files.hot.rows:
                await self._files.rotate()
            while len(self._files.versions.current.hot) > 1:
                await self._files.seal_oldest()
            while await self._files.merge():
                pass

    async def retire(self, before: int) -> None:
        """Drop the files whose newest point is older than ``before``.

        Raises:
            TimeSeriesError: A hot file with old messages cannot be sealed.
        """
        first = self._files.hot.first_received
        if first is not None and first < before:
            await self.seal()
        async with self._turn:
            await self._files.retire(before)

    async def close(self) -> None:
        """Stop; what was under way is done again after the next opening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

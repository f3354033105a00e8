"""Letting history age away, and its figures for the metrics page."""

import asyncio
from collections.abc import Mapping

import structlog

from thingplane.clock import Clock
from thingplane.storage.timeseries.errors import TimeSeriesError
from thingplane.storage.timeseries.interface import TimeSeries

DAY_MS = 86_400_000
INTERVAL_S = 3600

HELP = {
    "history_hot_messages": "Messages in the history that are not sealed yet",
    "history_files": "Files or partitions of the history",
    "history_bytes": "Size of the history on disk",
}

log = structlog.get_logger(__name__)


class Retention:
    """Drops history that is older than a number of days, once an hour."""

    def __init__(self, series: TimeSeries, clock: Clock, days: int) -> None:
        self._series = series
        self._clock = clock
        self._days = days
        self._task: asyncio.Task[None] | None = None
        self._figures: Mapping[str, float] = {}

    async def start(self) -> None:
        """Begin with what is too old already."""
        self._task = asyncio.create_task(self._run(), name="history retention")

    async def close(self) -> None:
        """Drop nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._series.retire(self._clock.now_ms() - self._days * DAY_MS)
            except (TimeSeriesError, OSError) as error:
                log.error("old history could not be dropped, trying again", error=str(error))  # noqa: TRY400
            await asyncio.sleep(INTERVAL_S)

    async def refresh(self) -> None:
        """Read the figures anew."""
        try:
            stats = await self._series.stats()
        except (TimeSeriesError, OSError) as error:
            log.warning("no figures of the history", error=str(error))
            return
        self._figures = {
            "history_hot_messages": stats.hot_rows,
            "history_files": stats.files,
            "history_bytes": stats.bytes,
        }

    def reading(self) -> Mapping[str, float]:
        """Return the figures as ``refresh`` found them."""
        return self._figures

"""Letting history age away, and its figures for the metrics page."""

from collections.abc import Mapping

import structlog

from thingplane.clock import Clock
from thingplane.storage.periodic import Periodic
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
        self._periodic = Periodic("dropping old history", self._drop, INTERVAL_S)
        self._figures: Mapping[str, float] = {}

    async def start(self) -> None:
        """Begin with what is too old already."""
        self._periodic.start()

    async def close(self) -> None:
        """Drop nothing more."""
        await self._periodic.stop()

    async def _drop(self) -> None:
        await self._series.retire(self._clock.now_ms() - self._days * DAY_MS)

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

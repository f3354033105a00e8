"""The embedded time-series store."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from time import perf_counter

import apsw

from thingplane.clock import Clock
from thingplane.storage.timeseries.embedded.companion import Companion
from thingplane.storage.timeseries.embedded.files import HistoryFiles
from thingplane.storage.timeseries.embedded.maintenance import Maintenance
from thingplane.storage.timeseries.embedded.options import Options
from thingplane.storage.timeseries.embedded.top import Hit, Top
from thingplane.storage.timeseries.embedded.versions import Version
from thingplane.storage.timeseries.errors import TimeSeriesError
from thingplane.storage.timeseries.interface import Done, Kind, Point, Stats, kinds_of
from thingplane.storage.timeseries.points import span as span_of

_STEP_S = 0.001
"""A query lets the loop do other things after so long."""


class EmbeddedTimeSeries:
    """Device history in SQLite files; see ``interface.TimeSeries`` for what it promises."""

    def __init__(
        self, directory: Path, clock: Clock, options: Options | None = None, companion: Companion | None = None
    ) -> None:
        """Remember where the history is; only one process may use the folder (see ``storage.lock``)."""
        self._directory = directory
        self._clock = clock
        self._options = options or Options()
        self._companion = companion
        self._values: list[int | bytes] = []
        self._spans: list[tuple[int, int, int]] = []

    async def open(self) -> None:
        """Open or create the history and repair what a crash left behind."""
        try:
            self._files = await asyncio.to_thread(HistoryFiles, self._directory, self._options, self._companion)
        except (apsw.Error, OSError) as error:
            raise TimeSeriesError(f"Cannot open history in {self._directory}: {error}") from error
        self._maintenance = Maintenance(self._files, self._options, self._clock, self._companion)
        self._maintenance.start()

    async def close(self) -> None:
        """Close all files. A sealing under way is abandoned and done again after the next opening."""
        await self._maintenance.close()
        self._files.close()

    def append(
        self, device_id: int, kind: Kind, received: int, points: bytes, span: tuple[int, int] | None = None
    ) -> None:
        """Add one message to the batch of the next commit."""
        earliest, latest = span or span_of(points, received)
        self._values += (device_id, kind, received, points)
        self._spans.append((device_id, earliest, latest))

    def commit(self, done: Done) -> None:
        """Make the batch durable, in the loop, and call ``done`` before returning."""
        error: BaseException | None = None
        values, spans, companion = self._values, self._spans, self._companion
        if spans or (companion is not None and companion.pending()):
            self._values, self._spans = [], []
            try:
                self._files.hot.write(values, spans)
            except Exception as failure:  # noqa: BLE001  whatever it was, those who wait for the commit must hear of it
                error = failure
            if companion is not None:
                companion.settle(error)
            self._maintenance.check()
        done(error)

    async def query(  # noqa: PLR0917  as the interface
        self,
        device_id: int,
        kind: Kind,
        identifiers: Sequence[str] | None,
        start: int,
        end: int,
        limit: int,
        *,
        ascending: bool,
    ) -> list[Point]:
        """Return the first points of a device within a range of time."""
        top = Top(start, end, limit, ascending=ascending)
        if limit > 0 and start <= end:
            wanted = None if identifiers is None else list(dict.fromkeys(identifiers))
            with self._files.versions.reading() as version:
                await _in_steps(self._scan(version, device_id, kinds_of(kind), wanted, top))
        return [Point(identifier, time, value) for time, _, identifier, value in top.hits()]

    def _scan(
        self, version: Version, device_id: int, kinds: Sequence[Kind], identifiers: Sequence[str] | None, top: Top
    ) -> Iterator[None]:
        # Hot files first and newest first: they usually have the newest points, and the older files need not be read.
        for hot in reversed(version.hot):
            yield from hot.scan(device_id, kinds, identifiers, top)
        for file in version.oldest_first if top.ascending else version.newest_first:
            if top.complete(file.min_time if top.ascending else file.max_time):
                return
            if file.min_time <= top.end and file.max_time >= top.start:
                yield from self._files.readers.get(file.name).scan(device_id, kinds, identifiers, top)

    async def latest(self, device_id: int) -> dict[str, Point]:
        """Return the last property values of a device."""
        found: dict[str, Hit] = {}
        with self._files.versions.reading() as version:
            await _in_steps(
                chain(self._sealed_latest(device_id, found), *(hot.latest(device_id, found) for hot in version.hot))
            )
        return {identifier: Point(identifier, time, value) for time, _, identifier, value in found.values()}

    def _sealed_latest(self, device_id: int, found: dict[str, Hit]) -> Iterator[None]:
        found.update((hit[2], hit) for hit in self._files.catalog.latest(device_id))
        yield

    async def seal(self) -> None:
        """Seal everything committed so far now; for tests, benchmarks and before a backup."""
        await self._maintenance.seal()

    async def retire(self, before: int) -> None:
        """Drop the sealed files whose newest point is older than ``before``."""
        await self._maintenance.retire(before)

    async def forget(self, device_id: int) -> None:
        """Drop what is kept in memory and the latest values of a deleted device."""
        await self._files.forget(device_id)

    async def stats(self) -> Stats:
        """Return figures for the metrics page."""
        version = self._files.versions.current
        return Stats(
            hot_rows=sum(hot.rows for hot in version.hot),
            files=len(version.hot) + len(version.newest_first),
            bytes=sum(hot.size() for hot in version.hot) + sum(file.bytes for file in version.newest_first),
        )


async def _in_steps(steps: Iterable[None]) -> None:
    """Go through the steps without holding up the loop for long.

    Raises:
        TimeSeriesError: A file cannot be read.
    """
    began = perf_counter()
    try:
        for _ in steps:
            if perf_counter() - began > _STEP_S:
                await asyncio.sleep(0)
                began = perf_counter()
    except apsw.Error as error:
        raise TimeSeriesError(f"History cannot be read: {error}") from error

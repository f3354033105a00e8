"""All routes in memory: every message on a custom topic asks for its routes."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Row, select
from sqlalchemy.exc import SQLAlchemyError

from thingplane.bus import Bus
from thingplane.devices.service import DeviceDeleted, DeviceMoved
from thingplane.storage.database import Database
from thingplane.topics.tables import topic_routes

RETRY_AFTER: Final = 1.0
"""Seconds until routes that could not be read are read again."""

_log = structlog.get_logger(__name__)


class Route(msgspec.Struct, frozen=True, gc=False):
    """Where messages of a source topic also go."""

    topic: str
    device_id: int
    """Whose topic it is."""


class TopicRoutesChanged(msgspec.Struct, frozen=True):
    """Routes of a source topic were added or removed."""

    source: str


class RouteCache:
    """The routes of all source topics. What the bus tells about is read again, one topic after the other."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self.on_change: list[Callable[[], None]] = []
        """Called when routes differ from before; not by ``load``."""
        self._routes: dict[str, tuple[Route, ...]] = {}
        self._sources: dict[int, set[str]] = {}
        self._stale: set[str] = set()
        self._reading: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        bus.subscribe(TopicRoutesChanged, self._changed)
        bus.subscribe(DeviceDeleted, self._left)
        bus.subscribe(DeviceMoved, self._left)

    def routes(self, source: str) -> Sequence[Route]:
        """Return the routes of a source topic."""
        return self._routes.get(source, ())

    def sources(self) -> Iterable[str]:
        """Return the topics that have routes."""
        return self._routes.keys()

    async def load(self) -> None:
        """Read everything."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(topic_routes).order_by(topic_routes.c.id))).all()
        by_source: dict[str, list[Row[Any]]] = {}
        for row in rows:
            by_source.setdefault(row.source, []).append(row)
        for source, mine in by_source.items():
            self._set(source, mine)

    async def settled(self) -> None:
        """Return when all that was told so far has been read, or could not be."""
        while self._reading is not None:
            await asyncio.shield(self._reading)

    async def close(self) -> None:
        """Return when nothing is being read any more."""
        await self.settled()
        if self._retry is not None:
            self._retry.cancel()

    def _set(self, source: str, rows: Iterable[Row[Any]]) -> None:
        routes = []
        for row in rows:
            routes.append(Route(row.destination, row.device_id))
            self._sources.setdefault(row.device_id, set()).add(source)
            self._sources.setdefault(row.source_device_id, set()).add(source)
        if routes:
            self._routes[source] = tuple(routes)
        else:
            self._routes.pop(source, None)

    def _changed(self, event: TopicRoutesChanged) -> None:
        self._read_again([event.source])

    def _left(self, event: DeviceDeleted | DeviceMoved) -> None:
        self._read_again(self._sources.pop(event.device_id, ()))

    def _read_again(self, sources: Iterable[str]) -> None:
        self._stale.update(sources)
        if self._stale and self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            # One reading after the other: what is read last is newest.
            while self._stale:
                source = self._stale.pop()
                try:
                    rows = await self._rows_of(source)
                except (SQLAlchemyError, OSError) as error:
                    _log.warning("routes could not be read, trying again", source=source, error=str(error))
                    self._stale.add(source)
                    self._retry = asyncio.get_running_loop().call_later(RETRY_AFTER, self._read_again, ())
                    return
                self._set(source, rows)
                for hook in self.on_change:
                    hook()
        finally:
            self._reading = None

    async def _rows_of(self, source: str) -> Sequence[Row[Any]]:
        query = select(topic_routes).where(topic_routes.c.source == source).order_by(topic_routes.c.id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).all()

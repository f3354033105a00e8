"""Keeps what a service has in memory as new as the database, where other processes change it too."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from thingplane.storage.revisions import Revision

log = structlog.get_logger(__name__)


class Poller:
    """Calls ``load`` whenever a revision has changed: at once with ``refresh``, by itself once started."""

    def __init__(self, name: str, revision: Revision, load: Callable[[], Awaitable[None]], interval_s: float) -> None:
        self._name = name
        self._revision = revision
        self._load = load
        self._interval_s = interval_s
        self._loaded: int | None = None
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load, and watch from now on."""
        await self.refresh()
        self._task = asyncio.create_task(self._watch(), name=f"poll {self._name}")

    async def stop(self) -> None:
        """Watch no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def refresh(self) -> None:
        """Load if the revision differs from the one that was loaded."""
        async with self._lock:
            # Read before loading: a change in between is loaded twice rather than never.
            revision = await self._revision.read()
            if revision != self._loaded:
                await self._load()
                self._loaded = revision

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError) as error:
                # The database may be away for a while; what is in memory stays in use until it is back.
                log.warning("cannot look for changes", what=self._name, error=repr(error))

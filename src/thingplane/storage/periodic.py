"""Work that comes back at regular intervals: retention, deletion of what is too old."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from thingplane.storage.timeseries.errors import TimeSeriesError

_log = structlog.get_logger(__name__)


class Periodic:
    """Does something at once and then again and again; what fails is logged and done the next time."""

    def __init__(self, what: str, work: Callable[[], Awaitable[object]], interval_s: float) -> None:
        """Prepare.

        Args:
            what: the work is, for the log.
            work: is awaited each time.
            interval_s: seconds between the end of one time and the next.
        """
        self._what = what
        self._work = work
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self._what)

    async def stop(self) -> None:
        """Do nothing more; what is under way is cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._work()
            except (SQLAlchemyError, TimeSeriesError, OSError) as error:
                # The database or the disk may be away for a while.
                _log.warning("could not be done, trying again later", what=self._what, error=repr(error))
            except Exception:  # noqa: BLE001 - whatever failed must not end it for ever
                _log.exception("could not be done, trying again later", what=self._what)
            await asyncio.sleep(self._interval_s)

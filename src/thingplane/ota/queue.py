"""The batches whose tasks are being made, one after the other."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from thingplane.ota.building import Builder

RETRY_DELAY_S: Final = 1.0

_log = structlog.get_logger(__name__)


class BuildQueue:
    """Makes the tasks of batches in the background. Batches are in the database: a restart loses nothing."""

    def __init__(self, builder: Builder) -> None:
        """Start empty; nothing is built before ``start``.

        Args:
            builder: does the work, a part at a time.
        """
        self._builder = builder
        self._jobs: asyncio.Queue[int | None] = asyncio.Queue()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on with what an earlier process has left."""
        self._closing.clear()
        # What came before is in the database, too.
        self._jobs = asyncio.Queue()
        for job_id in await self._builder.unfinished():
            self._jobs.put_nowait(job_id)
        self._task = asyncio.get_running_loop().create_task(self._work(), name="OTA batches")

    async def begin(self, job_id: int) -> None:
        """Make the first tasks of a batch now, and the others afterwards.

        Small batches are complete when this returns, so that whoever made one finds its tasks.
        """
        try:
            more = await self._builder.step(job_id, await self._builder.names_of(job_id))
        except (SQLAlchemyError, OSError) as error:
            # The batch is there already.
            _log.warning("the tasks of a batch could not be made, trying again", job=job_id, error=str(error))
            more = True
        if more:
            self._jobs.put_nowait(job_id)

    async def done(self) -> None:
        """Return when the tasks of all batches are made."""
        await self._jobs.join()

    async def close(self) -> None:
        """Stop after the part that is being made."""
        if self._task is not None:
            self._closing.set()
            self._jobs.put_nowait(None)
            await self._task
            self._task = None

    async def _work(self) -> None:
        while (job_id := await self._jobs.get()) is not None and not self._closing.is_set():
            await self._build(job_id)
            self._jobs.task_done()

    async def _build(self, job_id: int) -> None:
        while not self._closing.is_set():
            try:
                names = await self._builder.names_of(job_id)
                more = True
                while more and not self._closing.is_set():
                    more = await self._builder.step(job_id, names)
            except Exception:  # noqa: BLE001 - logged, and tried again
                # The batch is in the database, which may be away for a while.
                _log.exception("the tasks of a batch could not be made, trying again", job=job_id)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), RETRY_DELAY_S)
            else:
                return

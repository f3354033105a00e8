"""The batches whose tasks are being made, one at a time."""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from thingplane.ota.building import Builder
from thingplane.storage.job_queue import JobQueue

_log = structlog.get_logger(__name__)


class BuildQueue:
    """Makes the tasks of batches in the background. Batches are in the database: a restart loses nothing."""

    def __init__(self, builder: Builder) -> None:
        """Start empty; nothing is built before ``start``.

        Args:
            builder: does the work, a part at a time.
        """
        self._builder = builder
        # A batch whose list cannot be read now holds up no other.
        self._queue = JobQueue("OTA batches", self._build, in_order=False)

    async def start(self) -> None:
        """Go on with what an earlier process has left."""
        self._queue.start(await self._builder.unfinished())

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
            self._queue.put(job_id)

    async def done(self) -> None:
        """Return when the tasks of all batches are made."""
        await self._queue.done()

    async def close(self) -> None:
        """Stop after the part that is being made."""
        await self._queue.close()

    async def _build(self, job_id: int) -> None:
        names = await self._builder.names_of(job_id)
        more = True
        while more and not self._queue.closing:
            more = await self._builder.step(job_id, names)

"""Blobs that no file has: they are noted in the transaction that makes them so, and deleted afterwards."""

from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.files.tables import discarded_blobs
from thingplane.storage.blobs import BlobStore
from thingplane.storage.database import Database

_BATCH: Final = 200

_log = structlog.get_logger(__name__)


class Garbage:
    """Deletes blobs for good, whatever crashes in between."""

    def __init__(self, database: Database, clock: Clock, blobs: BlobStore) -> None:
        self._database = database
        self._clock = clock
        self._blobs = blobs

    async def note(self, connection: AsyncConnection, blobs: Sequence[str], delay_ms: int = 0) -> int:
        """Have blobs deleted after the transaction, or some time later; return when, in epoch milliseconds."""
        due = self._clock.now_ms() + delay_ms
        if blobs:
            await connection.execute(insert(discarded_blobs), [{"blob": blob, "due_at": due} for blob in blobs])
        return due

    async def keep(self, connection: AsyncConnection, blob: str) -> bool:
        """Have a blob that was noted not deleted; False when it is too late for that."""
        taken_back = delete(discarded_blobs).where(discarded_blobs.c.blob == blob)
        return bool((await connection.execute(taken_back)).rowcount)

    async def sweep(self) -> None:
        """Delete what is due. What cannot be deleted is tried again next time."""
        query = select(discarded_blobs.c.blob).where(discarded_blobs.c.due_at <= self._clock.now_ms())
        last = ""
        while True:
            async with self._database.read() as connection:
                batch = query.where(discarded_blobs.c.blob > last).order_by(discarded_blobs.c.blob).limit(_BATCH)
                blobs = (await connection.execute(batch)).scalars().all()
            if not blobs:
                return
            last = blobs[-1]
            await self.delete(blobs)

    async def delete(self, blobs: Sequence[str]) -> None:
        """Delete blobs that were noted before, now."""
        gone = []
        for blob in blobs:
            try:
                await self._blobs.delete(blob)
            except OSError as error:
                _log.warning("a file could not be deleted, trying again later", blob=blob, error=str(error))
            else:
                gone.append(blob)
        if gone:
            async with self._database.write() as connection:
                await connection.execute(delete(discarded_blobs).where(discarded_blobs.c.blob.in_(gone)))

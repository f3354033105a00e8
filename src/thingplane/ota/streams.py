"""Files that devices download by MQTT, in blocks (device-protocol, 7.3)."""

from typing import Final

import msgspec
import structlog
from sqlalchemy import select

from thingplane.clock import Clock
from thingplane.ota.rows import MAX_OFFSET, Batches
from thingplane.ota.tables import ota_tasks
from thingplane.ota.task import VISIBLE
from thingplane.storage.blobs import BlobNotFoundError, BlobStore
from thingplane.storage.database import Database

MAX_BLOCK: Final = 128 * 1024
"""Bytes of a block; the vendor documents no bound."""
FRESH_S: Final = 60.0
"""Seconds that a device's right to a file is remembered."""
_MOST: Final = 10_000

_log = structlog.get_logger(__name__)


class StreamError(Exception):
    """A block cannot be given; the text says why."""


class Block(msgspec.Struct, frozen=True):
    """A part of a file."""

    file_size: int
    offset: int
    data: bytes


class Streams:
    """Gives blocks of packages to the devices that are to install them."""

    def __init__(self, database: Database, blobs: BlobStore, clock: Clock, batches: Batches) -> None:
        """Wire.

        Args:
            database: tells who may have what.
            blobs: where contents are kept.
            clock: tells how long that is remembered.
            batches: the jobs: their keys are the ids of streams.
        """
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._batches = batches
        self._known: dict[tuple[int, int, int], tuple[float, str, int]] = {}

    async def block(self, device_id: int, stream_id: int, file_id: int, offset: int, size: int) -> Block:
        """Return a block; the last one of a file may be shorter than was asked for.

        Raises:
            StreamError: the device has no unfinished update with this file, or the block is not in it.
        """
        blob, file_size = await self._file(device_id, stream_id, file_id)
        if not 1 <= size <= MAX_BLOCK:
            raise StreamError(f"a block has 1 to {MAX_BLOCK} bytes")
        if not 0 <= offset < file_size:
            raise StreamError("the offset is not in the file")
        data = bytearray()
        try:
            async for part in self._blobs.read(blob, offset, min(offset + size, file_size)):
                data += part
        except BlobNotFoundError:
            raise StreamError("the file does not exist any more") from None
        except OSError as error:
            _log.warning("a block of a file cannot be read", blob=blob, error=str(error))
            raise StreamError("the file cannot be read now") from None
        return Block(file_size, offset, bytes(data))

    async def _file(self, device_id: int, stream_id: int, file_id: int) -> tuple[str, int]:
        key = (device_id, stream_id, file_id)
        now = self._clock.monotonic()
        found = self._known.get(key)
        if found is None or found[0] <= now:
            if not 0 <= stream_id <= MAX_OFFSET:
                raise StreamError("there is no such stream")
            mine = select(ota_tasks.c.id).where(
                ota_tasks.c.device_id == device_id,
                ota_tasks.c.job_id == stream_id,
                ota_tasks.c.state.in_([int(state) for state in VISIBLE]),
            )
            async with self._database.read() as connection:
                if (await connection.execute(mine.limit(1))).first() is None:
                    raise StreamError("the device has no update with this stream")
                batch = (await self._batches.get(connection, [stream_id])).get(stream_id)
            files = () if batch is None or batch.job.strategy.protocol != "MQTT" else batch.package.files
            file = next((file for file in files if file.number == file_id), None)
            if file is None:
                raise StreamError("the stream has no such file")
            if len(self._known) >= _MOST:
                self._known.clear()
            found = self._known[key] = now + FRESH_S, file.blob, file.size
        return found[1], found[2]

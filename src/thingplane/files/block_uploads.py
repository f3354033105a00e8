"""Files that come block by block over MQTT, and may be continued later (device-protocol reference, 8.6)."""

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.alink.crc import Crc64Check
from thingplane.cloud import BusinessError
from thingplane.devices.errors import NOT_EXISTED_DEVICE
from thingplane.devices.service import Device
from thingplane.files.errors import BlockCode, BlockRefusedError, Refusal, UploadRefusedError
from thingplane.files.service import FileService
from thingplane.files.tables import file_upload_blocks, file_uploads
from thingplane.files.upload import check_name
from thingplane.storage.database import Database
from thingplane.storage.keyed_lock import KeyedLocks

_AT_ONCE: Final = 1024 * 1024
"""Bytes of blocks that are read at once when a file is complete."""
_COMPLETING: Final = 4
"""Files that are put together at the same time."""
_UPLOAD_ID: Final = re.compile("[0-9a-f]{32}")

_CODES: Final = {
    Refusal.BAD_NAME: BlockCode.BAD_PARAMETER,
    Refusal.TOO_LARGE: BlockCode.FILE_TOO_LARGE,
    Refusal.EXISTS: BlockCode.FILE_EXISTS,
    Refusal.TOO_MANY: BlockCode.STORAGE_QUOTA,
    Refusal.NO_ROOM: BlockCode.STORAGE_QUOTA,
    Refusal.EXPIRED: BlockCode.NO_UPLOAD,
}


class Announced(msgspec.Struct, frozen=True, kw_only=True):
    """What a device says of a file before it sends it."""

    name: str
    size: int | None
    """Bytes; None when the device does not know."""
    strategy: str = "overwrite"
    """``overwrite`` a file of this name, ``append`` to what there is of an upload, or ``reject`` if there is a file."""
    checksum: str | None = None
    """CRC-64/XZ, 16 hexadecimal digits."""
    init_uid: str | None = None
    """The device's own name of the upload: announcing it again begins no other."""


class Begun(msgspec.Struct, frozen=True):
    """An upload that the device may send blocks of."""

    upload_id: str
    offset: int
    """Where the next block begins: bytes that are there."""


class Block(msgspec.Struct, frozen=True):
    """A part of a file."""

    upload_id: str
    offset: int
    data: bytes
    is_last: bool
    """The device's word; it counts only when the size of the file is unknown."""


class BlockUploads:
    """Takes files block by block. A block that was taken is durable, and so is the file when the last one was."""

    def __init__(self, database: Database, files: FileService) -> None:
        """Wire the service.

        Args:
            database: keeps the blocks of files that are not complete.
            files: gets the complete ones.
        """
        self._database = database
        self._files = files
        self._limits = files.limits
        self._clock = files.clock
        # The blocks of a device are stored in the order in which they came.
        self._locks = KeyedLocks()
        self._pending: Counter[int] = Counter()
        self._completing = asyncio.Semaphore(_COMPLETING)
        files.on_sweep.append(self.sweep)

    async def sweep(self) -> None:
        """Forget the uploads that have taken too long, and those that are finished for as long."""
        async with self._database.write() as connection:
            await connection.execute(delete(file_uploads).where(file_uploads.c.expires_at <= self._clock.now_ms()))

    async def begin(self, device: Device, announced: Announced) -> Begun:
        """Begin an upload, or find the one to be continued.

        Raises:
            BlockRefusedError: 460, 429, 6100, 6760, 78117, 78123.
        """
        try:
            check_name(announced.name)
        except UploadRefusedError as error:
            raise BlockRefusedError(BlockCode.BAD_PARAMETER, str(error)) from error
        if announced.size is not None and announced.size > self._limits.file_bytes:
            raise BlockRefusedError(BlockCode.FILE_TOO_LARGE, f"a file has at most {self._limits.file_bytes} bytes")
        async with self._locks.of(device.id), self._database.write() as connection:
            if not await self._files.devices.keep(connection, [device.id]):
                raise BlockRefusedError(BlockCode.DEVICE_GONE, NOT_EXISTED_DEVICE.message)
            return await self._begin(connection, device, announced)

    async def _begin(self, connection: AsyncConnection, device: Device, announced: Announced) -> Begun:
        room = await self._files.room(connection, device, announced.name)
        if room.exists and announced.strategy != "overwrite":
            raise BlockRefusedError(BlockCode.FILE_EXISTS, "the device has a file of this name")
        now = self._clock.now_ms()
        mine = (file_uploads.c.device_id == device.id, file_uploads.c.finished.is_(False))
        rows = (await connection.execute(select(file_uploads).where(*mine, file_uploads.c.expires_at > now))).all()
        former = next((row for row in rows if row.name == announced.name), None)
        if former is not None and _continues(former, announced):
            return Begun(former.upload_id, former.received)
        if room.full or (announced.size or 0) > room.bytes:
            raise BlockRefusedError(BlockCode.STORAGE_QUOTA, "there is no room for the file")
        await connection.execute(delete(file_uploads).where(*mine, file_uploads.c.name == announced.name))
        if len(rows) - (former is not None) >= self._limits.open_uploads:
            raise BlockRefusedError(BlockCode.TOO_MANY_UPLOADS, "too many uploads at the same time")
        values = {
            "upload_id": secrets.token_hex(16),
            "device_id": device.id,
            "name": announced.name,
            "size": announced.size,
            "overwrite": announced.strategy == "overwrite",
            "checksum": announced.checksum,
            "init_uid": announced.init_uid,
            "received": 0,
            "finished": False,
            "expires_at": now + self._limits.upload_ms,
        }
        await connection.execute(insert(file_uploads).values(values))
        return Begun(str(values["upload_id"]), 0)

    async def take(self, device: Device, block: Block) -> str | None:
        """Take a block.

        Returns:
            None when more blocks are to come. When the file is complete, its CRC-64 if the device had announced one,
            otherwise empty text.

        Raises:
            BlockRefusedError: 460, 6100, 6760, 78117 to 78120, 78122 to 78127. After 78125 the upload is over.
        """
        if len(block.data) > self._limits.largest_block:
            raise BlockRefusedError(
                BlockCode.BLOCK_TOO_LARGE, f"a block has at most {self._limits.largest_block} bytes"
            )
        if self._pending[device.id] >= self._limits.pending_blocks:
            raise BlockRefusedError(BlockCode.THROTTLED, "wait for the reply before sending the next block")
        self._pending[device.id] += 1
        try:
            async with self._locks.of(device.id):
                upload = await self._store(device, block)
                if upload is None:
                    return None
                async with self._completing:
                    await self._complete(device, upload, block)
                return upload.checksum or ""
        finally:
            self._pending[device.id] -= 1
            if not self._pending[device.id]:
                del self._pending[device.id]

    async def cancel(self, device: Device, upload_id: str) -> None:
        """Forget an upload and its blocks.

        Raises:
            BlockRefusedError: 78122, 78124.
        """
        async with self._locks.of(device.id), self._database.write() as connection:
            upload = await self._find(connection, device, upload_id)
            await connection.execute(delete(file_uploads).where(file_uploads.c.id == upload.id))

    async def _find(self, connection: AsyncConnection, device: Device, upload_id: str) -> Any:
        if _UPLOAD_ID.fullmatch(upload_id) is None:
            raise BlockRefusedError(BlockCode.NO_UPLOAD, "there is no such upload")
        wanted = (file_uploads.c.upload_id == upload_id, file_uploads.c.device_id == device.id)
        query = select(file_uploads).where(*wanted, file_uploads.c.expires_at > self._clock.now_ms())
        upload = (await connection.execute(query.with_for_update())).first()
        if upload is None:
            raise BlockRefusedError(BlockCode.NO_UPLOAD, "there is no such upload")
        if upload.finished:
            raise BlockRefusedError(BlockCode.FINISHED, "the upload is finished")
        return upload

    async def _store(self, device: Device, block: Block) -> Any:
        """Store a block and return None, or return the upload that it completes without storing it."""
        async with self._database.write() as connection:
            upload = await self._find(connection, device, block.upload_id)
            end = block.offset + len(block.data)
            if block.data and end <= upload.received:
                raise BlockRefusedError(BlockCode.DUPLICATE, "the block is there already")
            if block.offset != upload.received:
                raise BlockRefusedError(BlockCode.WRONG_OFFSET, f"the next block begins at {upload.received}")
            if end > (self._limits.file_bytes if upload.size is None else upload.size):
                code = BlockCode.FILE_TOO_LARGE if upload.size is None else BlockCode.BAD_PARAMETER
                raise BlockRefusedError(code, "the file is larger than announced or allowed")
            if block.is_last if upload.size is None else end == upload.size:
                return upload
            if len(block.data) < self._limits.smallest_block:
                raise BlockRefusedError(
                    BlockCode.BLOCK_TOO_SMALL, f"a block has at least {self._limits.smallest_block} bytes"
                )
            row = {"upload": upload.id, "offset": block.offset, "data": block.data}
            await connection.execute(insert(file_upload_blocks).values(row))
            change = update(file_uploads).where(file_uploads.c.id == upload.id)
            await connection.execute(change.values(received=end))
        return None

    async def _complete(self, device: Device, upload: Any, last: Block) -> None:
        """Make a file of all blocks."""

        async def close(connection: AsyncConnection) -> None:
            change = update(file_uploads).where(file_uploads.c.id == upload.id)
            end = last.offset + len(last.data)
            await connection.execute(change.values(finished=True, received=end))
            await connection.execute(delete(file_upload_blocks).where(file_upload_blocks.c.upload == upload.id))

        check = Crc64Check()
        try:
            taking = await self._files.begin(device, upload.name, overwrite=upload.overwrite)
            try:
                async for data in self._blocks(upload.id):
                    await asyncio.to_thread(check.update, data)
                    await taking.write(data)
                check.update(last.data)
                await taking.write(last.data)
                if upload.checksum is None or check.matches(int(upload.checksum, 16)):
                    await taking.finish(close)
                    return
            except OSError:
                await taking.cancel()
                raise
            await taking.cancel()
        except UploadRefusedError as error:
            raise BlockRefusedError(_CODES[error.reason], str(error)) from error
        except BusinessError as error:
            raise BlockRefusedError(BlockCode.DEVICE_GONE, error.message) from error
        async with self._database.write() as connection:
            await connection.execute(delete(file_uploads).where(file_uploads.c.id == upload.id))
        raise BlockRefusedError(BlockCode.WRONG_FILE_CHECKSUM, "the file has another checksum than announced")

    async def _blocks(self, upload: int) -> AsyncIterator[bytes]:
        """Give the stored blocks of an upload in order, several of them together."""
        table = file_upload_blocks
        mine = table.c.upload == upload
        async with self._database.read() as connection:
            sizes = select(table.c.offset, func.length(table.c.data)).where(mine).order_by(table.c.offset)
            starts = [(offset, offset + size) for offset, size in await connection.execute(sizes)]
        first = 0
        for position, (offset, end) in enumerate(starts):
            if position + 1 < len(starts) and end - starts[first][0] < _AT_ONCE:
                continue
            query = select(table.c.data).where(mine, table.c.offset.between(starts[first][0], offset))
            async with self._database.read() as connection:
                parts = (await connection.execute(query.order_by(table.c.offset))).scalars().all()
            first = position + 1
            yield b"".join(parts)


def _continues(former: Any, announced: Announced) -> bool:
    """Tell whether an announcement means an upload that is there: what is sent must be the same file."""
    if (former.size, former.checksum) != (announced.size, announced.checksum):
        return False
    repeated = announced.init_uid is not None and former.init_uid == announced.init_uid
    same_end = bool(former.overwrite) == (announced.strategy == "overwrite")
    return announced.strategy == "append" or (repeated and same_end)

"""Files of devices: taking, listing and deleting them; also the way in for other slices."""

import asyncio
import secrets
import string
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices.errors import NOT_EXISTED_DEVICE
from thingplane.devices.service import Device, DeviceDeleted, DeviceService, devices
from thingplane.files.downloads import Downloads
from thingplane.files.errors import FILE_NOT_EXIST, Refusal, UploadRefusedError
from thingplane.files.file import DeviceFile
from thingplane.files.garbage import Garbage
from thingplane.files.limits import FileLimits
from thingplane.files.tables import device_files, file_usage
from thingplane.files.upload import Also, Upload, check_name
from thingplane.storage.blobs import BlobStore
from thingplane.storage.database import Database

__all__ = [
    "DeviceFile",
    "Downloads",
    "FileLimits",
    "FileService",
    "Garbage",
    "Refusal",
    "Room",
    "Upload",
    "UploadRefusedError",
]

SWEEP_EVERY_S: Final = 3600
# Far beyond every row, and small enough for the 64-bit integers of both databases.
_MAX_OFFSET: Final = 2**53
_ALPHANUMERIC: Final = string.ascii_letters + string.digits
_LIMITS: Final = FileLimits()

_log = structlog.get_logger(__name__)


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What another file of a device would find."""

    exists: bool
    """Whether there is one with its name."""
    full: bool
    """Whether the device has as many files as it may."""
    bytes: int
    """What the instance has room for, the file with its name not counted."""


class FileService:
    """The files of all devices. They go with their device."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        devices: DeviceService,
        blobs: BlobStore,
        *,
        limits: FileLimits = _LIMITS,
    ) -> None:
        """Wire the service; ``start`` removes what a crash has left.

        Args:
            database: where files are listed.
            clock: tells creation times.
            bus: brings deletions of devices.
            devices: the service of devices.
            blobs: where contents are kept.
            limits: how many and how large files may be.
        """
        self._database = database
        self._clock = clock
        self.clock = clock
        self.devices = self._devices = devices
        self.limits = self._limits = limits
        self.on_sweep: list[Callable[[], Awaitable[None]]] = []
        """Called from time to time, to delete what has expired."""
        self._blobs = blobs
        self._garbage = Garbage(database, clock, blobs)
        self._sweeping: asyncio.Task[None] | None = None
        self._sweep_now = asyncio.Event()
        devices.on_delete.append(self._leave)
        devices.moves.on_move.append(_moved)
        bus.subscribe(DeviceDeleted, lambda _: self._sweep_now.set())

    async def start(self) -> None:
        """Begin to delete contents that no file has, now and from time to time; the store may be slow or away."""
        self._sweep_now.set()
        self._sweeping = asyncio.create_task(self._sweep(), name="deletion of files")

    async def close(self) -> None:
        """Stop deleting; what is left is deleted after the next start."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])

    # Reading.

    async def page(self, device: Device, page: int, size: int) -> tuple[list[DeviceFile], int]:
        """Return a page of a device's files, newest first, and the number of all.

        Args:
            device: whose files.
            page: number of the page, from 1.
            size: files on a page.
        """
        mine = device_files.c.device_id == device.id
        query = select(device_files).where(mine).order_by(device_files.c.id.desc())
        query = query.limit(size).offset(min((page - 1) * size, _MAX_OFFSET))
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).select_from(device_files).where(mine))).scalar_one()
            rows = (await connection.execute(query)).all()
        return [_to_file(row) for row in rows], total

    async def get(self, device: Device, file_id: str) -> DeviceFile:
        """Return a device's file.

        Raises:
            BusinessError: iot.common.FileNotExist.
        """
        wanted = (device_files.c.device_id == device.id, device_files.c.file_id == file_id)
        async with self._database.read() as connection:
            row = (await connection.execute(select(device_files).where(*wanted))).first()
        if row is None:
            raise FILE_NOT_EXIST()
        return _to_file(row)

    # Changing.

    async def begin(self, device: Device, name: str, *, size: int | None = None, overwrite: bool = True) -> Upload:
        """Begin to take a file of a device.

        Args:
            device: whose file.
            name: of the file.
            size: bytes that are announced; None when nobody knows.
            overwrite: whether it may take the place of a file with the same name.

        Raises:
            UploadRefusedError: the name is malformed or taken, or the file too large.
            OSError: the store does not take it.
        """
        check_name(name)
        if size is not None and size > self._limits.file_bytes:
            raise UploadRefusedError(Refusal.TOO_LARGE)
        if not overwrite and await self._find(device, name) is not None:
            raise UploadRefusedError(Refusal.EXISTS)
        blob = secrets.token_hex(16)
        async with self._database.write() as connection:
            # Until the file is complete, its content is something to be deleted some time.
            deadline = await self._garbage.note(connection, [blob], self._limits.upload_ms)
        writer = await self._blobs.create(blob)
        return Upload(
            self,
            device,
            name,
            blob=blob,
            writer=writer,
            overwrite=overwrite,
            most=self._limits.file_bytes,
            deadline=deadline,
        )

    def is_over(self, upload: Upload) -> bool:
        """Tell whether an upload has taken too long: its content may be gone."""
        return self._clock.now_ms() >= upload.deadline

    async def finish(self, upload: Upload, also: Also | None = None) -> DeviceFile:
        """List a file whose content is durable, in place of the one with its name; called by the upload itself.

        Args:
            upload: whose content is complete.
            also: called in the same transaction.

        Raises:
            UploadRefusedError: there is no room for it, or meanwhile another file with its name, or it took too long.
            BusinessError: iot.device.NotExistedDevice when the device was deleted meanwhile.
        """
        device, size = upload.device, upload.size
        values: dict[str, Any] = {
            "file_id": "".join(secrets.choice(_ALPHANUMERIC) for _ in range(25)),
            "device_id": device.id,
            "name": upload.name,
            "size": size,
            "blob": upload.blob,
            "created_at": self._clock.now_ms(),
        }
        async with self._database.write() as connection:
            if not await self._devices.keep(connection, [device.id]):
                raise NOT_EXISTED_DEVICE()
            used = await _locked_usage(connection, device.instance_id)
            mine = device_files.c.device_id == device.id
            former = (
                await connection.execute(select(device_files).where(mine, device_files.c.name == upload.name))
            ).first()
            if former is not None and not upload.overwrite:
                raise UploadRefusedError(Refusal.EXISTS)
            freed = 0 if former is None else former.size
            count = (await connection.execute(select(func.count()).select_from(device_files).where(mine))).scalar_one()
            if former is None and count >= self._limits.files:
                raise UploadRefusedError(Refusal.TOO_MANY)
            if used - freed + size > self._limits.instance_bytes:
                raise UploadRefusedError(Refusal.NO_ROOM)
            if not await self._garbage.keep(connection, upload.blob):
                raise UploadRefusedError(Refusal.EXPIRED)
            if former is not None:
                await connection.execute(delete(device_files).where(device_files.c.id == former.id))
                await self._garbage.note(connection, [former.blob])
            await _use(connection, device.instance_id, size - freed)
            created = await connection.execute(insert(device_files).values(values).returning(device_files.c.id))
            file = DeviceFile(id=created.scalar_one(), **values)
            if also is not None:
                await also(connection)
        if former is not None:
            await self._garbage.delete([former.blob])
        return file

    async def delete(self, device: Device, file_id: str) -> None:
        """Delete a device's file with its content.

        Raises:
            BusinessError: iot.common.FileNotExist.
        """
        wanted = (device_files.c.device_id == device.id, device_files.c.file_id == file_id)
        async with self._database.write() as connection:
            await _locked_usage(connection, device.instance_id)
            leaving = delete(device_files).where(*wanted).returning(device_files.c.blob, device_files.c.size)
            gone = (await connection.execute(leaving)).first()
            if gone is None:
                raise FILE_NOT_EXIST()
            await _use(connection, device.instance_id, -gone.size)
            await self._garbage.note(connection, [gone.blob])
        await self._garbage.delete([gone.blob])

    async def discard(self, blob: str) -> None:
        """Delete the content of an upload that does not become a file; called by the upload itself."""
        await self._garbage.delete([blob])

    async def room(self, connection: AsyncConnection, device: Device, name: str) -> Room:
        """Tell, in a transaction, what stands in the way of another file of a device."""
        mine = device_files.c.device_id == device.id
        former = await connection.scalar(select(device_files.c.size).where(mine, device_files.c.name == name))
        count = (await connection.execute(select(func.count()).select_from(device_files).where(mine))).scalar_one()
        used = await connection.scalar(select(file_usage.c.bytes).where(file_usage.c.instance_id == device.instance_id))
        left = self._limits.instance_bytes - (used or 0) + (former or 0)
        return Room(exists=former is not None, full=former is None and count >= self._limits.files, bytes=left)

    async def _find(self, device: Device, name: str) -> int | None:
        query = select(device_files.c.id).where(device_files.c.device_id == device.id, device_files.c.name == name)
        async with self._database.read() as connection:
            found: int | None = await connection.scalar(query)
        return found

    async def _leave(self, connection: AsyncConnection, device_id: int) -> None:
        """Note the contents of a device's files, in the transaction that deletes it with them."""
        # The lock keeps uploads of the device from ending between this and the deletion.
        owner = select(devices.c.instance_id).where(devices.c.id == device_id).with_for_update()
        instance_id = await connection.scalar(owner)
        query = select(device_files.c.blob, device_files.c.size).where(device_files.c.device_id == device_id)
        rows = (await connection.execute(query)).all()
        if rows and instance_id is not None:
            await _locked_usage(connection, instance_id)
            await _use(connection, instance_id, -sum(row.size for row in rows))
            await self._garbage.note(connection, [row.blob for row in rows])

    async def _sweep(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SWEEP_EVERY_S):
                    await self._sweep_now.wait()
            except TimeoutError:
                pass
            self._sweep_now.clear()
            try:
                for sweep in self.on_sweep:
                    await sweep()
                await self._garbage.sweep()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("files could not be deleted, trying again later", error=str(error))


async def _moved(connection: AsyncConnection, device_ids: Sequence[int], source: int, target: int) -> None:
    """Count the files of devices that go to another instance there, even if they exceed what there is room for."""
    total = select(func.coalesce(func.sum(device_files.c.size), 0)).where(device_files.c.device_id.in_(device_ids))
    size = int(await connection.scalar(total) or 0)
    if size:
        for instance_id in sorted((source, target)):
            await _locked_usage(connection, instance_id)
        await _use(connection, source, -size)
        await _use(connection, target, size)


def _to_file(row: Any) -> DeviceFile:
    return DeviceFile(**row._mapping)  # noqa: SLF001 - the documented way to a row's columns


async def _locked_usage(connection: AsyncConnection, instance_id: int) -> int:
    """Return how many bytes the files of an instance take; others that change it wait."""
    query = select(file_usage.c.bytes).where(file_usage.c.instance_id == instance_id).with_for_update()
    used = await connection.scalar(query)
    if used is None:
        try:
            async with connection.begin_nested():
                await connection.execute(insert(file_usage).values(instance_id=instance_id, bytes=0))
        except IntegrityError:
            # Another transaction was quicker with the first file of all, and has ended now.
            pass
        used = await connection.scalar(query)
    return int(used or 0)


async def _use(connection: AsyncConnection, instance_id: int, more: int) -> None:
    change = update(file_usage).where(file_usage.c.instance_id == instance_id)
    await connection.execute(change.values(bytes=file_usage.c.bytes + more))

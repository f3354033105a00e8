"""A file on its way from a device."""

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.cloud import BusinessError
from thingplane.devices.service import Device
from thingplane.files.errors import Refusal, UploadRefusedError
from thingplane.files.file import DeviceFile
from thingplane.storage.blobs import BlobWriter

if TYPE_CHECKING:
    from thingplane.files.service import FileService

Also = Callable[[AsyncConnection], Awaitable[None]]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]{0,99}", re.ASCII)


def check_name(name: str) -> None:
    """Check the name of a file (device-protocol reference, 8.6).

    Raises:
        UploadRefusedError: it is malformed.
    """
    if _NAME.fullmatch(name) is None:
        raise UploadRefusedError(Refusal.BAD_NAME)


class Upload:
    """Takes the content of a file bit by bit. It becomes a file of the device with ``finish``, or never."""

    def __init__(
        self,
        files: "FileService",
        device: Device,
        name: str,
        *,
        blob: str,
        writer: BlobWriter,
        overwrite: bool,
        most: int,
        deadline: int,
    ) -> None:
        """Begin; see ``FileService.begin``."""
        self.device = device
        self.name = name
        self.blob = blob
        self.overwrite = overwrite
        self.deadline = deadline
        """When what was taken is thrown away, in epoch milliseconds."""
        self._files = files
        self._writer = writer
        self._most = most

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._writer.size

    async def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            UploadRefusedError: the file gets too large; the upload is over.
            OSError: the store does not take them.
        """
        if self.size + len(data) > self._most:
            await self.cancel()
            raise UploadRefusedError(Refusal.TOO_LARGE)
        await self._writer.write(data)

    async def finish(self, also: Also | None = None) -> DeviceFile:
        """Make it a file of the device; it is durable when this returns.

        Args:
            also: called in the transaction that does it.

        Raises:
            UploadRefusedError: there is no room for it, or meanwhile another file with its name, or it took too long.
            BusinessError: iot.device.NotExistedDevice when the device was deleted meanwhile.
            OSError: the store does not take it.
        """
        if self._files.is_over(self):
            await self.cancel()
            raise UploadRefusedError(Refusal.EXPIRED)
        await self._writer.commit()
        try:
            return await self._files.finish(self, also)
        except (UploadRefusedError, BusinessError):
            await self._files.discard(self.blob)
            raise

    async def cancel(self) -> None:
        """Throw away what was taken."""
        await self._writer.abort()
        await self._files.discard(self.blob)

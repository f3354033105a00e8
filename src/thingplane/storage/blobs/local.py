"""Blobs as files of a local folder."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from thingplane.storage.blobs.interface import BlobNotFoundError

PART: Final = 32 * 1024
"""Bytes read at once."""

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNFINISHED: Final = ".part"


def check_key(key: str) -> None:
    """Check the key of a blob.

    Raises:
        ValueError: it is malformed.
    """
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"{key!r} is not the key of a blob")


class LocalBlobStore:
    """Keeps blobs in a folder, spread over subfolders. Files are read and written in threads: disks may be slow."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder; it is made with the first blob."""
        self._folder = folder

    async def create(self, key: str) -> "LocalBlobWriter":
        path = self._path(key)
        return LocalBlobWriter(path, await asyncio.to_thread(_begin, path))

    async def size(self, key: str) -> int:
        try:
            return (await asyncio.to_thread(self._path(key).stat)).st_size
        except FileNotFoundError:
            raise BlobNotFoundError(key) from None

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(_open, self._path(key))
        except FileNotFoundError:
            raise BlobNotFoundError(key) from None
        with contextlib.closing(file):
            file.seek(start)
            left = None if end is None else end - start
            while left is None or left > 0:
                data = await asyncio.to_thread(file.read, PART if left is None else min(PART, left))
                if not data:
                    return
                if left is not None:
                    left -= len(data)
                yield data

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(_remove, self._path(key))

    def _path(self, key: str) -> Path:
        check_key(key)
        # Some file systems are slow with a hundred thousand files in one folder.
        return self._folder / key[:2] / key


class LocalBlobWriter:
    """Writes beside the final file, which a rename puts in its place."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = 0

    @property
    def size(self) -> int:
        return self._size

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._file.write, data)
        self._size += len(data)

    async def commit(self) -> None:
        try:
            await asyncio.to_thread(_finish, self._path, self._file)
        except OSError:
            await self.abort()
            raise

    async def abort(self) -> None:
        with contextlib.closing(self._file):
            await asyncio.to_thread(_unfinished(self._path).unlink, missing_ok=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + _UNFINISHED)


def _open(path: Path) -> FileIO:
    return FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _begin(path: Path) -> BinaryIO:
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(_unfinished(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "wb")


def _finish(path: Path, file: BinaryIO) -> None:
    with file:
        file.flush()
        os.fsync(file.fileno())
    _unfinished(path).replace(path)
    # The names, too, have to be on the disk: that of the file and that of its folder.
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    for file in (path, _unfinished(path)):
        file.unlink(missing_ok=True)

"""Blobs as objects of an S3-compatible store.

Objects have the names that the files of a local folder have, so that either can be copied to become the other.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import urlsplit, urlunsplit

import structlog

from thingplane.storage.blobs.address import ObjectStoreAddress
from thingplane.storage.blobs.interface import BlobNotFoundError
from thingplane.storage.blobs.local import check_key

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PART: Final = 64 * 1024
"""Bytes of one request that reads."""
_CHUNK: Final = 8 * 1024 * 1024
"""Larger contents are written in several requests of this size."""
_CHUNKS_AT_ONCE: Final = 2
_COMMITS_AT_ONCE: Final = 4
_CHECK_S: Final = 3
_REASON: Final = 300
"""Most characters of what the store says is wrong."""

_log = structlog.get_logger(__name__)


class ObjectBlobStore:
    """Keeps blobs in an object store.

    What is being written is kept in a local folder until it is complete: uploads may take days, and those that end
    early leave nothing in the store. Reading asks for a part at a time, however slow whoever reads is.
    """

    def __init__(self, store: "ObjectStore", staging: Path) -> None:
        """Wire.

        Args:
            store: where blobs are.
            staging: folder for blobs that are being written; made with the first one.
        """
        import obstore  # noqa: PLC0415 - an extra, and slow to import

        self._obstore = obstore
        self._store = store
        self._staging = staging
        self._committing = asyncio.Semaphore(_COMMITS_AT_ONCE)

    async def start(self) -> None:
        """Look whether the store answers; a node starts also without it, since devices need not suffer."""
        try:
            with _errors("thingplane"):
                async with asyncio.timeout(_CHECK_S):
                    await self._obstore.get_async(self._store, "thingplane")
        except BlobNotFoundError as error:
            if "NoSuchBucket" in str(error.__context__):
                _log.error("files and updates wait for the object store", error="the bucket does not exist")
        except OSError as error:
            _log.error("files and updates wait for the object store", error=str(error) or f"no answer in {_CHECK_S} s")

    async def create(self, key: str) -> "ObjectBlobWriter":
        file = self._staged(key)
        return ObjectBlobWriter(self, key, file, await asyncio.to_thread(_begin, file))

    async def size(self, key: str) -> int:
        path = _path(key)
        with _errors(key):
            meta = await self._obstore.head_async(self._store, path)
            return int(meta["size"])

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        path = _path(key)
        if end is not None and end <= start:
            await self.size(key)
            return
        stop = start + PART if end is None else min(start + PART, end)
        try:
            with _errors(key):
                first = await self._obstore.get_async(self._store, path, options={"range": (start, stop)})
                total = int(first.meta["size"])
                data = await first.bytes_async()
        except OSError:
            if start < await self.size(key):
                raise
            # No store gives a part that begins behind the end, or the first byte of nothing.
            return
        end = total if end is None else min(end, total)
        start += len(data)
        yield bytes(data)
        while start < end:
            with _errors(key):
                stop = min(start + PART, end)
                data = await self._obstore.get_range_async(self._store, path, start=start, end=stop)
            start += len(data)
            yield bytes(data)

    async def delete(self, key: str) -> None:
        path = _path(key)
        await asyncio.to_thread(self._staged(key).unlink, missing_ok=True)
        with contextlib.suppress(BlobNotFoundError), _errors(key):
            await self._obstore.delete_async(self._store, path)

    async def put(self, key: str, file: Path) -> None:
        """Copy a file into the store; called by writers.

        Raises:
            OSError: the store does not take it.
        """
        try:
            async with self._committing:
                with _errors(key):
                    await self._obstore.put_async(
                        self._store, _path(key), file, chunk_size=_CHUNK, max_concurrency=_CHUNKS_AT_ONCE
                    )
        except BlobNotFoundError:
            raise OSError("the object store: the bucket does not exist") from None

    def _staged(self, key: str) -> Path:
        check_key(key)
        return self._staging / key


class ObjectBlobWriter:
    """Writes a local file, which becomes an object when it is complete."""

    def __init__(self, store: ObjectBlobStore, key: str, path: Path, file: BinaryIO) -> None:
        self._store = store
        self._key = key
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
            await asyncio.to_thread(self._file.close)
            await self._store.put(self._key, self._path)
        finally:
            await self.abort()

    async def abort(self) -> None:
        with contextlib.closing(self._file):
            await asyncio.to_thread(self._path.unlink, missing_ok=True)


def open_object_store(
    address: ObjectStoreAddress, access_key_id: str, access_key_secret: str, staging: Path
) -> ObjectBlobStore:
    """Return the blob store behind an address; nothing is sent yet.

    Args:
        address: of the bucket.
        access_key_id: empty: as the SDKs of AWS find credentials (``AWS_*`` variables, the machine's role).
        access_key_secret: goes with it.
        staging: see ``ObjectBlobStore``.

    Raises:
        ValueError: the package obstore is missing, or cannot use the address.
    """
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
        from obstore.store import S3Store  # noqa: PLC0415 - an extra
    except ImportError:
        raise ValueError("object_store_url needs a package more: pip install thingplane[s3]") from None
    # Not every compatible store deletes several objects in one request.
    config: dict[str, Any] = {"virtual_hosted_style_request": address.virtual_hosts, "disable_bulk_delete": True}
    if address.endpoint:
        config["endpoint"] = _endpoint(address)
    if address.region:
        config["region"] = address.region
    if access_key_id:
        config |= {"access_key_id": access_key_id, "secret_access_key": access_key_secret}
    try:
        store = S3Store(
            address.bucket,
            prefix=address.prefix or None,
            client_options={
                "allow_http": address.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=60),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=60)},
            **config,
        )
    except (BaseError, ValueError) as error:
        raise ValueError(f"object_store_url: {_reason(error)}") from None
    return ObjectBlobStore(store, staging)


def _endpoint(address: ObjectStoreAddress) -> str:
    """Return the URL that requests begin with: with virtual hosts, the bucket is a part of it."""
    if not address.virtual_hosts:
        return address.endpoint
    parts = urlsplit(address.endpoint)
    return urlunsplit(parts._replace(netloc=f"{address.bucket}.{parts.netloc}"))


def _path(key: str) -> str:
    check_key(key)
    return f"{key[:2]}/{key}"


def _begin(file: Path) -> BinaryIO:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "wb")


@contextlib.contextmanager
def _errors(key: str) -> Iterator[None]:
    """Let what the store says be what every blob store says."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

    try:
        yield
    except FileNotFoundError:
        raise BlobNotFoundError(key) from None
    except BaseError as error:
        raise OSError(f"the object store: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return what is wrong without the details that follow, in which answers of the store are repeated."""
    return str(error).partition("\n")[0][:_REASON]

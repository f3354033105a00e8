"""What every blob store does."""

from collections.abc import AsyncIterator
from typing import Protocol


class BlobNotFoundError(Exception):
    """There is no blob with this key; one that is still being written is none."""


class BlobWriter(Protocol):
    """Writes one blob, which is there whole or not at all. Either ``commit`` or ``abort`` has to be called."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    async def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            OSError: they cannot be stored.
        """

    async def commit(self) -> None:
        """Make the blob readable; it is durable when this returns.

        Raises:
            OSError: it cannot be stored; nothing is left of it.
        """

    async def abort(self) -> None:
        """Throw away what was written."""


class BlobStore(Protocol):
    """Keeps blobs by key: 1 to 64 letters, digits, hyphens and underscores."""

    async def create(self, key: str) -> BlobWriter:
        """Begin a blob. A second one with the same key replaces the first when it is committed.

        Raises:
            ValueError: the key is malformed.
            OSError: the store does not take it.
        """

    async def size(self, key: str) -> int:
        """Return the number of bytes of a blob.

        Raises:
            BlobNotFoundError: there is none.
        """

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Give a blob's bytes from ``start`` up to, not including, ``end``, in parts.

        Raises:
            BlobNotFoundError: there is none.
            OSError: it cannot be read.
        """

    async def delete(self, key: str) -> None:
        """Remove a blob, or what a crash has left of one; it may be gone already.

        Raises:
            OSError: it cannot be removed.
        """

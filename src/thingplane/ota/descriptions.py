"""The text about a package that devices get, made once for many of them."""

from typing import Final

import msgspec

from thingplane.files.service import Downloads
from thingplane.ota.package import URL_LIFETIME_S, PackageFile, described
from thingplane.ota.rows import Batch

FRESH_MS: Final = 60_000
"""Time that a text is used again: its URLs are valid a little longer than what is left of their day."""
_MOST: Final = 256


class Descriptions:
    """Makes package objects with signed URLs."""

    def __init__(self, downloads: Downloads) -> None:
        """Take what signs URLs."""
        self._downloads = downloads
        self._cached: dict[int, tuple[int, bytes]] = {}

    def data(self, batch: Batch, now: int) -> bytes:
        """Return the JSON text of the package object of a batch.

        Args:
            batch: the job with its package.
            now: epoch milliseconds.
        """
        made, text = self._cached.get(batch.job.id, (0, b""))
        if not text or not 0 <= now - made < FRESH_MS:
            strategy = batch.job.strategy
            stream_id = batch.job.id if strategy.protocol == "MQTT" else None
            package = described(batch.package, stream_id=stream_id, url=self._url, tags=strategy.tags)
            text = msgspec.json.encode(package)
            if len(self._cached) >= _MOST:
                self._cached.clear()
            self._cached[batch.job.id] = now, text
        return text

    def push(self, batch: Batch, now: int) -> bytes:
        """Return the payload of a push. What the SDK for C searches the text for comes before what others have written.

        Args:
            batch: the job with its package.
            now: epoch milliseconds; also the id of the message.
        """
        return b'{"code":"1000","id":%d,"message":"success","data":%b}' % (now, self.data(batch, now))

    def _url(self, file: PackageFile) -> str:
        return self._downloads.url(file.blob, file.name, URL_LIFETIME_S + FRESH_MS // 1000)

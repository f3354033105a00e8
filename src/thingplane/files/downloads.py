"""Downloads: signed URLs that expire, and the HTTP handler behind them."""

import asyncio
import base64
import hmac
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol
from urllib.parse import parse_qs, quote, unquote

import structlog

from thingplane.clock import Clock
from thingplane.cloud.http import CONTENT_LENGTH, Receive, Scope, Send, respond
from thingplane.files.ranges import UnsatisfiableRangeError, read_range
from thingplane.files.tables import download_secrets
from thingplane.storage.blobs import BlobNotFoundError, BlobStore
from thingplane.storage.database import Database
from thingplane.storage.lasting_secret import lasting_secret

PREFIX: Final = "/download/"
"""Path below which the handler serves."""
LIFETIME_S: Final = 3600
"""Seconds that a URL is valid when nobody says otherwise."""

_PIECE: Final = 16 * 1024
"""Bytes that are given to the connection at a time: TLS keeps several copies of them when the client is slow."""
_TEXT: Final = b"text/plain; charset=utf-8"

_log = structlog.get_logger(__name__)


class Source(Protocol):
    """Where contents are; a blob store, for one."""

    async def size(self, key: str) -> int:
        """Return the number of bytes; BlobNotFoundError when there is no such content."""

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Give the bytes from ``start`` up to, not including, ``end``, in parts."""


class Downloads:
    """Gives out blobs to whoever has a signed URL, in whole or in part; also after a restart and from other nodes."""

    def __init__(self, database: Database, clock: Clock, blobs: BlobStore, base_url: Callable[[], str]) -> None:
        """Wire the service; ``start`` has to be awaited before URLs are made.

        Args:
            database: keeps the key that signs.
            clock: tells when URLs expire.
            blobs: what can be downloaded.
            base_url: returns where clients reach the handler, such as ``http://192.0.2.7:8080``; asked for every URL.
        """
        self._database = database
        self._clock = clock
        self._blobs = blobs
        self._base_url = base_url
        self._secret = b""
        self._sources: dict[str, Source] = {}

    def add_source(self, prefix: str, source: Source) -> None:
        """Serve keys that begin with this text and a hyphen from elsewhere than the blob store."""
        self._sources[prefix] = source

    def _source(self, blob: str) -> Source:
        return self._sources.get(blob.partition("-")[0], self._blobs)

    async def start(self) -> None:
        """Read the key that signs; make it at the first start."""
        self._secret = await lasting_secret(self._database, download_secrets, lambda: secrets.token_bytes(32))

    def url(self, blob: str, name: str, lifetime_s: int = LIFETIME_S) -> str:
        """Return a URL for a blob: shorter than 512 bytes, and without further colons behind host and port.

        Args:
            blob: key of the blob.
            name: what the file is called for whoever downloads it; at most 100 bytes.
            lifetime_s: seconds that the URL is valid.
        """
        expires = self._clock.now_ms() // 1000 + lifetime_s
        path = f"{PREFIX}{blob}/{quote(name, safe='')}"
        return f"{self._base_url()}{path}?Expires={expires}&Signature={self._signature(blob, name, expires)}"

    def _signature(self, blob: str, name: str, expires: int) -> str:
        content = f"{blob}\n{name}\n{expires}".encode()
        return base64.urlsafe_b64encode(hmac.digest(self._secret, content, "sha256")).decode().rstrip("=")

    def _is_valid(self, blob: str, name: str, query: bytes) -> bool:
        given = parse_qs(query.decode("latin-1"))
        expires, signature = given.get("Expires", [""])[0], given.get("Signature", [""])[0]
        if not (expires.isascii() and expires.isdecimal() and len(expires) < 16):
            return False
        expected = self._signature(blob, name, int(expires))
        is_signed = hmac.compare_digest(signature.encode(), expected.encode())
        return is_signed and self._clock.now_ms() < int(expires) * 1000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI); the length is always known beforehand, and there are no redirects."""
        if scope["method"] not in {"GET", "HEAD"}:
            await respond(send, 405, _TEXT, b"only GET and HEAD\n", (b"allow", b"GET, HEAD"))
            return
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        blob, _, name = raw_path.removeprefix(PREFIX).partition("/")
        name = unquote(name)
        if not self._is_valid(blob, name, scope["query_string"]):
            await respond(send, 403, _TEXT, b"the URL is not valid, or not any more\n")
            return
        try:
            size = await self._source(blob).size(blob)
        except BlobNotFoundError:
            await respond(send, 404, _TEXT, b"the file does not exist any more\n")
            return
        except OSError as error:
            _log.warning("a file cannot be downloaded now", blob=blob, error=str(error))
            await respond(send, 503, _TEXT, b"the file cannot be read now\n")
            return
        await self._serve(scope, receive, send, blob=blob, name=name, size=size)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, *, blob: str, name: str, size: int) -> None:
        etag = f'"{blob}"'
        given = {key: value.decode("latin-1") for key, value in scope["headers"]}
        header = given.get(b"range")
        try:
            # A blob never changes: whoever has a part of it asks for the rest of the same.
            wanted = read_range(header, size) if header and given.get(b"if-range", etag) == etag else None
        except UnsatisfiableRangeError:
            await respond(send, 416, _TEXT, b"not in the file\n", (b"content-range", f"bytes */{size}".encode()))
            return
        start, end = wanted or (0, size)
        headers = [
            (b"content-type", b"application/octet-stream"),
            (CONTENT_LENGTH, str(end - start).encode()),
            (b"content-disposition", f"attachment; filename*=UTF-8''{quote(name, safe='')}".encode()),
            (b"accept-ranges", b"bytes"),
            (b"etag", etag.encode()),
        ]
        if wanted:
            headers.append((b"content-range", f"bytes {start}-{end - 1}/{size}".encode()))
        await send({"type": "http.response.start", "status": 206 if wanted else 200, "headers": headers})
        if scope["method"] == "GET":
            try:
                await self._send_blob(receive, send, blob, start, end)
            except (OSError, BlobNotFoundError) as error:
                # The connection ends before the length that was announced: whoever has a part asks for the rest.
                _log.warning("a download was cut off", blob=blob, error=str(error))
                return
        await send({"type": "http.response.body", "body": b""})

    async def _send_blob(self, receive: Receive, send: Send, blob: str, start: int, end: int) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            async for part in self._source(blob).read(blob, start, end):
                if gone.done():
                    return
                for at in range(0, len(part), _PIECE):
                    piece = part[at : at + _PIECE]
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass

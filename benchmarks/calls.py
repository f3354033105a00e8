"""Signed calls, one after the other, over a connection that stays open."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from benchmarks.node import BenchmarkError, Node
from thingplane.cli.target import target
from thingplane.clock import SystemClock
from thingplane.cloud.client import Signer


class Answer(NamedTuple):
    """A successful answer and how long it took."""

    seconds: float
    """From the first byte sent to the last one received; signing and parsing are the client's and don't count."""
    body: dict[str, Any]


class Caller:
    """A connection to the cloud API."""

    def __init__(self, signer: Signer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._signer = signer
        self._reader = reader
        self._writer = writer

    async def call(self, action: str, **parameters: object) -> Answer:
        """Call an operation.

        Raises:
            BenchmarkError: it did not succeed.
        """
        request = _request(self._signer, action, parameters)
        start = time.perf_counter()
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        text = await self._reader.readexactly(length)
        seconds = time.perf_counter() - start
        body: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        if body.get("Success") is not True:
            raise BenchmarkError(f"{action} failed: {text[:200]!r}")
        return Answer(seconds, body)


@asynccontextmanager
async def caller(node: Node) -> AsyncIterator[Caller]:
    """Connect to a node, as its account."""
    endpoint, key, secret = target(node.folder, None, None, None)
    parts = urlsplit(endpoint)
    signer = Signer(key, secret, host=parts.netloc, clock=SystemClock())
    # A page of 50 devices is well below this, the 10,000 names of an application are not.
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    try:
        yield Caller(signer, reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def _request(signer: Signer, action: str, parameters: Mapping[str, object]) -> bytes:
    request = signer.sign(action, parameters)
    headers = {**request.headers, "content-length": str(len(request.body))}
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + request.body

"""A small MNS endpoint: checks versions and signatures, and keeps what is sent to its queues."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree as ET

from thingplane.outbound.mns import MnsEndpoint

NAMESPACE = "{http://mns.aliyuncs.com/doc/v1/}"
ERROR = '<?xml version="1.0"?><Error xmlns="http://mns.aliyuncs.com/doc/v1/"><Code>{code}</Code></Error>'
CREATED = '<?xml version="1.0"?><Message xmlns="http://mns.aliyuncs.com/doc/v1/"><MessageId>1</MessageId></Message>'


class MnsServer:
    """``failures`` are answered first, one to each request: status and code."""

    def __init__(self) -> None:
        self.port = 0
        self.queues: dict[str, list[str]] = {}
        self.tags: list[str | None] = []
        self.failures: list[tuple[int, str]] = []
        self.requests = 0
        self.news = asyncio.Event()

    def endpoint(self, path: str = "") -> MnsEndpoint:
        return MnsEndpoint(f"http://127.0.0.1:{self.port}{path}", "mnsid", "mnssecret")

    def envelopes(self, queue: str) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.queues.get(queue, [])]

    async def received(self, queue: str, count: int) -> list[dict[str, Any]]:
        """Wait until a queue has so many messages."""
        async with asyncio.timeout(10):
            while len(self.queues.get(queue, [])) < count:
                self.news.clear()
                await self.news.wait()
        return self.envelopes(queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *lines = head.split("\r\n")
                headers = {name.lower(): text.strip() for name, _, text in (one.partition(":") for one in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, target, _ = line.split(" ")
                self.requests += 1
                status, answer = self._answer(method, target, headers, body)
                content = answer.encode()
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        texts = [method, headers.get("content-md5", ""), headers.get("content-type", ""), headers["date"]]
        texts += [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-mns-")]
        digest = hmac.digest(b"mnssecret", "\n".join([*texts, target]).encode(), hashlib.sha1)
        if headers["authorization"] != f"MNS mnsid:{base64.b64encode(digest).decode()}":
            return 403, ERROR.format(code="SignatureDoesNotMatch")
        assert headers["x-mns-version"] == "2015-06-06"
        assert method == "POST"
        if self.failures:
            status, code = self.failures.pop(0)
            return status, ERROR.format(code=code) if code else "no XML"
        *_, kind, name, last = target.split("/")
        assert (kind in ("queues", "topics"), last) == (True, "messages")
        root = ET.fromstring(body)
        assert root.tag == f"{NAMESPACE}Message"
        self.queues.setdefault(name, []).append(root.findtext(f"{NAMESPACE}MessageBody") or "")
        self.tags.append(root.findtext(f"{NAMESPACE}MessageTag"))
        self.news.set()
        return 201, CREATED


@asynccontextmanager
async def mns_server() -> AsyncIterator[MnsServer]:
    server = MnsServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()

"""A whole platform in this process, called with signatures but without sockets."""

import asyncio
import base64
import hashlib
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import uvloop
from sqlalchemy import select

from tests.common.node import PORTS
from tests.ota.forms import form
from thingplane.clock import SystemClock
from thingplane.cloud.client import SignedRequest, Signer, parse_answer
from thingplane.cloud.http import Message
from thingplane.credentials import ensure_credentials
from thingplane.node import Node
from thingplane.settings import load_settings
from thingplane.storage.database import Database, metadata
from thingplane.wiring import Platform

T = TypeVar("T")
Rows = dict[str, set[tuple[Any, ...]]]

HOST: Final = "api.test"


class RunningPlatform:
    """The parts of a node that tests call."""

    def __init__(self, runner: asyncio.Runner, node: Node, data_dir: Path) -> None:
        assert node.platform is not None
        self.platform: Platform = node.platform
        self.endpoints = node.endpoints
        self.database: Database = self.platform._ground.database
        credentials = ensure_credentials(data_dir / "credentials.json", "", "")
        self._signer = Signer(*credentials, scheme="acs3", host=HOST, clock=SystemClock())
        self._runner = runner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the platform's loop."""
        return self._runner.run(work)

    async def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation and return its answer, also a refusal."""
        return parse_answer(*await self.send(self._signer.sign(action, parameters)))

    async def ok(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation that has to succeed."""
        answer = await self.call(action, **parameters)
        assert answer["Success"], (action, parameters, answer)
        return answer

    async def send(self, request: SignedRequest) -> tuple[int, bytes]:
        """Send a request; returns status and body."""
        path, _, query = request.target.partition("?")
        scope = {
            "type": "http",
            "method": request.method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in request.headers.items()],
            "client": ("127.0.0.1", 50000),
        }
        messages: list[Message] = []
        bodies = [request.body]

        async def receive() -> Message:
            if not bodies:
                await asyncio.Event().wait()  # the client does not go away
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}

        async def answer(message: Message) -> None:
            messages.append(message)

        await self.platform.app(scope, receive, answer)
        start, *rest = messages
        return start["status"], b"".join(message.get("body", b"") for message in rest)

    async def upload(self, instance_id: str, content: bytes) -> tuple[str, str]:
        """Upload a file for OTA and return its URL and MD5."""
        ticket = (await self.ok("GenerateOTAUploadURL", IotInstanceId=instance_id))["Data"]
        fields = {
            "key": ticket["Key"],
            "policy": ticket["Policy"],
            "OSSAccessKeyId": ticket["OSSAccessKeyId"],
            "signature": ticket["Signature"],
        }
        content_type, body = form(fields, content)
        status, answer = await self.send(SignedRequest("POST", "/objects", {"content-type": content_type}, body))
        assert status == 204, answer
        return str(ticket["FirmwareUrl"]), hashlib.md5(content).hexdigest()

    async def rows(self) -> Rows:
        """Return everything in the metadata database."""
        found: Rows = {}
        async with self.database.read() as connection:
            for table in metadata.sorted_tables:
                found[table.name] = {tuple(row) for row in await connection.execute(select(table))}
        return found


@contextmanager
def running_platform(data_dir: Path, **settings: object) -> Iterator[RunningPlatform]:
    """Run a platform for a block of a test."""
    ports = {f"{name}_port": 0 for name in PORTS}
    node = Node(load_settings({"data_dir": data_dir, "quota": "unlimited", **ports, **settings}, {}), lambda: None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(node.start())
        try:
            yield RunningPlatform(runner, node, data_dir)
        finally:
            runner.run(node.stop())


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()

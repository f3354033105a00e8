"""A consumer group whose messages are kept as they come: a client on rhea, from npm."""

import base64
import hashlib
import hmac
import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from tests.clients.node import NodeClients
from tests.common.node import NodeProcess

PATIENCE_S: Final = 20


class Received(NamedTuple):
    """A message."""

    topic: str
    body: bytes
    message_id: str

    def json(self) -> Any:
        return json.loads(self.body)


class Inbox:
    """Everything that a group has received so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.received: list[Received] = []
        self._process = process
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, topic: str, count: int = 1) -> list[Received]:
        """Return all messages on a topic as soon as there are so many."""
        deadline = time.monotonic() + PATIENCE_S
        while len(found := [message for message in self.received if message.topic == topic]) < count:
            assert self.take(deadline), f"nothing on {topic}; there is {[message.topic for message in self.received]}"
        return found

    def take(self, deadline: float) -> bool:
        """Wait for one more message; False when none comes any more."""
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self._events.get(timeout=left)
            except queue.Empty:
                return False
            if event is None:
                return False
            if event["event"] == "message":
                properties = event["properties"]
                assert properties["messageId"] == event["id"]
                self.received.append(Received(properties["topic"], base64.b64decode(event["body"]), event["id"]))
                return True
        return False

    def kill(self) -> None:
        """Kill the client at once; what it has printed stays readable."""
        self._process.kill()

    def expect(self, name: str) -> None:
        """Wait for an event of the client."""
        while (event := self._events.get(timeout=PATIENCE_S)) is not None:
            if event["event"] == name:
                return
        raise AssertionError(f"the client ended without {name}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.put(json.loads(line))
        self._events.put(None)


@contextmanager
def inbox(node: NodeProcess, clients: NodeClients, group_id: str, **told: object) -> Iterator[Inbox]:
    """Consume as a client of a group; ``consumer.js`` says what it can be told."""
    key_id, secret = node.credentials
    digest = hmac.digest(secret.encode(), f"authId={key_id}&timestamp=1".encode(), hashlib.sha256)
    host, port = node.address("amqp")
    signed = f"authMode=aksign,signMethod=hmacsha256,timestamp=1,authId={key_id}"
    place = {
        "host": host,
        "port": port,
        "ca": node.ready["ca_certificate"],
        "user": f"inbox-0|{signed},consumerGroupId={group_id}|",
        "password": base64.b64encode(digest).decode(),
    }
    command = clients.command("consumer.js", {**place, **told})
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            opened = Inbox(process)
            opened.expect("receiver_open")
            yield opened
        finally:
            process.kill()

"""A consumer group whose messages are kept as they come: a client on rhea, from npm."""

import base64
import hashlib
import hmac
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
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
    """Everything that a client has received so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.received: list[Received] = []
        self._process = process
        self._events: list[str] = []
        self._changed = threading.Condition()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def until(self, topic: str, count: int = 1) -> list[Received]:
        """Return all messages on a topic as soon as there are so many."""
        self.wait(lambda: len(self._on(topic)) >= count, f"{count} messages on {topic}")
        return self._on(topic)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for messages that make something true."""
        with self._changed:
            fulfilled = self._changed.wait_for(condition, PATIENCE_S)
        topics = [message.topic for message in self.received[-20:]]
        assert fulfilled, f"there is no {what}, but {len(self.received)} messages, lately on {topics}"

    def expect(self, event: str) -> None:
        """Wait for an event of the client."""
        self.wait(lambda: event in self._events, event)

    def end(self) -> None:
        """Wait for the end of the connection: nothing is received after it."""
        self.wait(lambda: "disconnected" in self._events or "" in self._events, "end")

    def kill(self) -> None:
        """Kill the client at once; what it has printed counts as received."""
        self._process.kill()
        self._reading.join()

    def _on(self, topic: str) -> list[Received]:
        return [message for message in self.received if message.topic == topic]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event: dict[str, Any] = json.loads(line) if line.endswith("}\n") else {"event": "cut off"}
            with self._changed:
                if event["event"] == "message":
                    properties = event["properties"]
                    assert properties["messageId"] == event["id"]
                    self.received.append(Received(properties["topic"], base64.b64decode(event["body"]), event["id"]))
                else:
                    self._events.append(event["event"])
                self._changed.notify_all()
        with self._changed:
            self._events.append("")
            self._changed.notify_all()


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
        opened = Inbox(process)
        try:
            opened.expect("receiver_open")
            yield opened
        finally:
            opened.kill()

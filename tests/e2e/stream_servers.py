"""Servers of others that take messages: NATS where it is installed, Kafka's protocol as librdkafka serves it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

PATIENCE_S = 20


class NatsProcess:
    """A nats-server with streams on disk."""

    def __init__(self, program: str | None, folder: Path) -> None:
        """Choose a port; without a program it can't be started."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self._command = [program or "", "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; skips the test where there is none."""
        if not self._command[0]:
            pytest.skip(
                "nats-server is not installed: apt-get install nats-server, or name it in THINGPLANE_TEST_NATS_SERVER"
            )
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.02)
        raise AssertionError("nats-server did not start")

    def kill(self) -> None:
        """Kill it at once if it runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(PATIENCE_S)


@contextlib.contextmanager
def nats_server(folder: Path) -> Iterator[NatsProcess]:
    """Give a server to start; it is killed in the end."""
    server = NatsProcess(os.environ.get("THINGPLANE_TEST_NATS_SERVER") or shutil.which("nats-server"), folder)
    try:
        yield server
    finally:
        server.kill()


class KafkaCluster:
    """A broker in this process."""

    def __init__(self) -> None:
        self._producer = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self._producer.list_topics(timeout=PATIENCE_S).brokers.values()
        self.address = f"{broker.host}:{broker.port}"

    def read(self, topic: str, count: int) -> list[tuple[str, Any, dict[str, str]]]:
        """Return key, JSON content and headers of the messages of a topic that exists."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.address, "group.id": "test", "log_level": 0})
        partitions = self._producer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
        start = confluent_kafka.OFFSET_BEGINNING
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, start) for partition in partitions])
        found: list[tuple[str, Any, dict[str, str]]] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(found) < count:
            assert time.monotonic() < deadline, found
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                content: Any = message
                headers = {name: value.decode() for name, value in content.headers()}
                found.append((content.key().decode(), json.loads(content.value()), headers))
        consumer.close()
        return found

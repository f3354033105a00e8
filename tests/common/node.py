"""A node as its operator runs it: a process of its own, started from the command line, addressed by ready.json."""

import atexit
import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from thingplane.tls import ensure_certificates

START_TIMEOUT_S = 60
PORTS = ("api", "api_tls", "mqtt", "mqtt_ws", "amqp", "stomp", "coap", "coaps", "console")


class NodeProcess:
    """A running node. ``environment`` holds its settings, so that a restart gets the same."""

    def __init__(self, data_dir: Path, **settings: object) -> None:
        self.data_dir = data_dir
        free_ports: dict[str, object] = {f"{name}_port": 0 for name in PORTS}
        merged = {"data_dir": data_dir, "quota": "unlimited", **free_ports, **settings}
        self.environment = {f"THINGPLANE_{name.upper()}": str(value) for name, value in merged.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}

    @property
    def log_file(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name + ".log")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the process without waiting."""
        if not self.data_dir.exists():
            # A first start makes RSA keys, which takes longer than all the rest of it.
            self.data_dir.mkdir(mode=0o700, parents=True)
            shutil.copytree(_certificates(), self.data_dir / "tls")
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "thingplane.cli", "serve"],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        file = self.data_dir / "ready.json"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(FileNotFoundError):
                ready = json.loads(file.read_text())
                if ready["pid"] == self._process.pid:  # not what a killed one left behind
                    self.ready = ready
                    return
            time.sleep(0.02)
        raise AssertionError(f"the node did not start:\n{self.log()}")

    def stop(self) -> int:
        """Ask the node to stop and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(15)

    def kill(self) -> None:
        """Kill the node at once, as a power cut would (the kernel keeps what was written)."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(15)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def address(self, name: str) -> tuple[str, int]:
        """Return host and port of an endpoint."""
        parts = urlsplit(self.ready["endpoints"][name])
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    @property
    def credentials(self) -> tuple[str, str]:
        content = json.loads(Path(self.ready["credentials"]).read_text())
        return content["AccessKeyId"], content["AccessKeySecret"]


@functools.cache
def _certificates() -> Path:
    """Make an authority and certificates that the nodes of this process share."""
    folder = Path(tempfile.mkdtemp(prefix="thingplane-tls-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ensure_certificates(folder, [])
    return folder


@contextmanager
def running_node(data_dir: Path, **settings: object) -> Iterator[NodeProcess]:
    """Run a node for a block of a test."""
    node = NodeProcess(data_dir, **settings)
    try:
        node.start()
        yield node
    finally:
        if node.running():
            node.kill()

"""mosquitto as a measure for the machine: a broker in C that only acknowledges."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.node import BenchmarkError

HINT = "mosquitto is not installed, so the comparison is left out: sudo apt-get install mosquitto"

# Set up for throughput: nobody is authenticated, nothing is limited, and it acknowledges before anything is on disk.
_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
log_type error
"""
_START_TIMEOUT_S = 10


class Peer(NamedTuple):
    """A mosquitto that runs."""

    pid: int
    port: int


def command() -> str | None:
    """Return the path of the program, None when it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def run_peer(program: str) -> Iterator[Peer]:
    """Run mosquitto on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as name:
        file = Path(name) / "mosquitto.conf"
        file.write_text(_CONFIGURATION.format(port=port))
        process = subprocess.Popen([program, "-c", str(file)], cwd=name)
        try:
            _wait(process, port)
            yield Peer(process.pid, port)
        finally:
            process.terminate()
            process.wait(_START_TIMEOUT_S)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise BenchmarkError("mosquitto did not start")

"""Drives ``linkkit_device.py`` and ``linkkit_gateway.py`` from a test."""

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

SCRIPT = Path(__file__).with_name("linkkit_device.py")
TIMEOUT_S = 30


class LinkkitDevice:
    """A device process. ``expect`` waits for the next event of a kind."""

    def __init__(
        self,
        address: tuple[str, int],
        identity: dict[str, str],
        tsl_file: Path | None,
        *,
        ca: str | None = None,
        clean_session: bool = True,
        protocol: str = "MQTTv311",
        answers: dict[str, Any] | None = None,
        script: Path = SCRIPT,
    ) -> None:
        # The SDK writes SyntaxWarnings of its own on newer Pythons; they are not ours to mend.
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._seen: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        config = {
            "host": address[0],
            "port": address[1],
            "product_key": identity["ProductKey"],
            "device_name": identity["DeviceName"],
            "device_secret": identity["DeviceSecret"],
            "tsl_file": str(tsl_file),
            "ca": ca,
            "clean_session": clean_session,
            "protocol": protocol,
            "answers": answers or {},
        }
        self._send(config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.put(json.loads(line))

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def do(self, command: str, **details: Any) -> None:
        self._send({"do": command, **details})

    def expect(self, event: str, **wanted: Any) -> dict[str, Any]:
        """Return the next event of a kind (with these details), keeping others for later calls."""

        def fits(candidate: dict[str, Any]) -> bool:
            return candidate["event"] == event and all(candidate.get(key) == value for key, value in wanted.items())

        for candidate in self._seen:
            if fits(candidate):
                self._seen.remove(candidate)
                return candidate
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                candidate = self._events.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the device saw no {event} {wanted}, but {self._seen}") from None
            if fits(candidate):
                return candidate
            self._seen.append(candidate)

    def close(self) -> None:
        """End the process as a power cut would."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

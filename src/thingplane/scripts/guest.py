"""A guest: the process that runs one product's script until the node closes its socket or something goes wrong."""

import gc
import importlib.machinery
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Protocol

from thingplane.scripts.frames import CALL, GUEST_SOCKET, JAVASCRIPT, LENGTH, PYTHON, RESULT, Kind
from thingplane.scripts.javascript import JavaScript
from thingplane.scripts.limits import BUFFERS_BYTES, CPU_GRACE_S, CPU_S, MEMORY_BYTES, RESULT_BYTES
from thingplane.scripts.python import Python
from thingplane.scripts.sandbox import seal

_CHUNK = 256 * 1024


class Program(Protocol):
    """A script in a language. What it does with ``call`` is limited by the kernel alone."""

    def call(self, name: str, arguments: bytes, *, last: bool) -> tuple[Kind, str, str]:
        """Call a function of the script with fresh globals.

        Args:
            name: the function.
            arguments: JSON text of an array.
            last: whether no further call has arrived.

        Returns:
            How it went, the result or the error, and what was printed.
        """


# Without a limit of its own, a language's processes are killed when their time is up.
_PROGRAMS: dict[bytes, tuple[Callable[[str], Program], float]] = {
    JAVASCRIPT: (JavaScript, CPU_S + CPU_GRACE_S),
    PYTHON: (Python, CPU_S),
}


def serve(language: bytes) -> None:
    """Lock this process up, then read a script and its calls from the socket and answer them until it is closed.

    Raises:
        SandboxError: this machine cannot lock it up; nothing was read.
    """
    make, cpu_s = _PROGRAMS[language]
    sys.path.clear()
    sys.meta_path[:] = [importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter]
    gc.enable()
    reader = _Reader()
    seal(MEMORY_BYTES + BUFFERS_BYTES)
    (length,) = LENGTH.unpack(reader.exactly(LENGTH.size))
    program = make(reader.exactly(length).decode())
    while header := reader.exactly(CALL.size):
        name_length, arguments_length = CALL.unpack(header)
        name = reader.exactly(name_length).decode()
        arguments = reader.exactly(arguments_length)
        started = time.perf_counter_ns()
        # Not caught: the kernel ends a process whose time is up, also inside a regular expression.
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        kind, text, printed = program.call(name, arguments, last=reader.is_empty)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _answer(kind, text, printed, (time.perf_counter_ns() - started) // 1000)


def _answer(kind: Kind, text: str, printed: str, microseconds: int) -> None:
    # Scripts can make text that has no form in UTF-8: halves of surrogate pairs.
    body, output = text.encode(errors="replace"), printed.encode(errors="replace")
    if len(body) > RESULT_BYTES:
        kind, body = Kind.THREW, b"the result is longer than %d bytes" % RESULT_BYTES
    frame = memoryview(RESULT.pack(kind, microseconds, len(body), len(output)) + body + output)
    while frame:
        frame = frame[os.write(GUEST_SOCKET, frame) :]


class _Reader:
    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether everything that has arrived was read."""
        return not self._buffer

    def exactly(self, length: int) -> bytes:
        """Return so many bytes; none when the node has closed the socket."""
        buffer = self._buffer
        while len(buffer) < length:
            chunk = os.read(GUEST_SOCKET, _CHUNK)
            if not chunk:
                return b""
            buffer += chunk
        data = bytes(buffer[:length])
        del buffer[:length]
        return data

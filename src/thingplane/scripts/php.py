"""Scripts in PHP: the interpreter of the system, with a guest written in PHP (``guest.php``)."""

import os
from pathlib import Path

from thingplane.scripts.frames import GUEST_SOCKET
from thingplane.scripts.limits import (
    BUFFERS_BYTES,
    CONSOLE_CHARACTERS,
    CPU_S,
    MEMORY_BYTES,
    RESULT_BYTES,
)
from thingplane.scripts.sandbox import syscall_filter

GUEST = Path(__file__).with_name("guest.php")
PACKAGE = "php-cli"
"""Debian package of the interpreter; it brings the extensions FFI and pcntl."""


def run_php(interpreter: str) -> None:
    """Turn this process into the PHP interpreter that runs the guest; its socket is the only open file.

    Raises:
        OSError: there is no such interpreter.
        SandboxError: this machine cannot lock scripts up.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(GUEST_SOCKET):
        os.dup2(nothing, descriptor)
    os.set_inheritable(GUEST_SOCKET, True)
    options = {
        "extension": "ffi",
        "ffi.enable": "1",
        "memory_limit": str(MEMORY_BYTES),
        "pcre.jit": "0",  # compiles, and guests may not make memory executable
        "opcache.enable_cli": "0",
        "display_errors": "0",
        "log_errors": "0",
        "date.timezone": "Asia/Shanghai",
    }
    settings = [f"-d{name}={value}" for name, value in options.items()]
    address_space = MEMORY_BYTES + BUFFERS_BYTES
    limits = [int(CPU_S), address_space, RESULT_BYTES, CONSOLE_CHARACTERS]
    command = [interpreter, "-n", *settings, str(GUEST), syscall_filter().hex(), *(str(limit) for limit in limits)]
    os.execve(interpreter, command, {})  # noqa: S606 - no shell

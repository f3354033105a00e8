"""A worker: forks guests for the node, one at a time, and kills them when told to (``python -m``, its stdin a socket).

It never reads a script or a message: those go between node and guest, so there is nothing in the memory that guests
inherit. It ends, with its guest, when the node does.
"""

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
from typing import NoReturn

from thingplane.scripts import guest
from thingplane.scripts.frames import GUEST_SOCKET, KILL, NO_INTERPRETER, NO_SANDBOX, PHP, STATUS
from thingplane.scripts.php import run_php
from thingplane.scripts.python import MODULES
from thingplane.scripts.sandbox import SandboxError, end_with_parent

_MAX_DESCRIPTORS = 256


def main(php: str) -> None:
    """Serve until the node closes the socket.

    Args:
        php: path of the PHP interpreter; empty if there is none.
    """
    control = socket.socket(fileno=0)
    for module in MODULES:
        importlib.import_module(module)
    # Otherwise every guest would copy most of the memory when it counts references.
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        try:
            request, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        except ConnectionError:
            return
        if not request:
            return
        if not descriptors:
            continue  # the guest to kill has ended by itself
        pid = os.fork()
        if pid == 0:
            _become_guest(request, descriptors[0], php)
        os.close(descriptors[0])
        status = _wait(pid, control)
        with contextlib.suppress(BrokenPipeError):  # the node has ended; there is nothing more to receive
            control.sendall(STATUS.pack(status))


def _wait(pid: int, control: socket.socket) -> int:
    """Wait for the end of a guest and return its exit status, or the negative number of a signal."""
    end = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([end, control.fileno()], [], [])
        if end not in ready:
            # Either the request to kill, or the end of the node.
            assert control.recv(1) in {KILL, b""}  # noqa: S101 - the node sends nothing else while there is a guest
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(end)


def _become_guest(language: bytes, descriptor: int, php: str) -> NoReturn:
    status = 1
    try:
        end_with_parent()
        os.dup2(descriptor, GUEST_SOCKET)
        os.closerange(GUEST_SOCKET + 1, _MAX_DESCRIPTORS)
        os.closerange(0, GUEST_SOCKET)
        if language == PHP:
            run_php(php)
        else:
            guest.serve(language)
        status = 0
    except SandboxError:
        status = NO_SANDBOX
    except FileNotFoundError:
        status = NO_INTERPRETER
    finally:
        # Nothing of what the worker would do at its end.
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1])

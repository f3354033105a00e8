"""Accepting connections: plain MQTT, TLS and WebSocket on one port, told apart by their first byte.

The byte is peeked at before the loop takes the socket over, so that TLS starts on an untouched stream.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from functools import partial

import structlog

from thingplane.gateway.connection import Hub
from thingplane.gateway.deadlines import Deadline
from thingplane.gateway.streams import TLS_BYTE, TlsEntrance, protocol_for

_log = structlog.get_logger(__name__)

_BACKLOG = 4096
_ACCEPTS = 256
"""Connections accepted at once before other work gets its turn."""
_SHUTDOWN_TIMEOUT = 5.0
"""Seconds a TLS peer may take to say goodbye."""
_PAUSE = 1.0
"""Seconds without accepting after the process ran out of file descriptors."""


class Listener:
    """One listening port."""

    def __init__(self, hub: Hub, ssl_context: ssl.SSLContext | None) -> None:
        self._hub = hub
        self._ssl = ssl_context
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._silent: dict[socket.socket, Deadline] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused: set[asyncio.TimerHandle] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen.

        Args:
            host: name or address.
            port: 0 = any free one.

        Returns:
            The port.

        Raises:
            OSError: the address can't be used; the text names it.
        """
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except socket.gaierror as error:
            raise OSError(f"can't listen on {host}: {error.strerror}") from None
        family, _, _, _, address = found[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Linux passes it on to accepted sockets.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError as error:
            listening.close()
            raise OSError(error.errno, f"can't listen on {host}:{port}: {error.strerror}") from None
        self._sockets.append(listening)
        self._loop.add_reader(listening.fileno(), self._accept, listening)
        bound: int = listening.getsockname()[1]
        return bound

    def stop(self) -> None:
        """Stop listening and drop what has not shown yet what it is."""
        for handle in self._paused:
            handle.cancel()
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
            listening.close()
        self._sockets.clear()
        for silent in list(self._silent):
            self._drop(silent, "shutdown")
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Return when everything begun has ended; after ``stop``."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(listening, error)
                return
            accepted.setblocking(False)
            if not self._sniff(accepted, address[0]):
                deadline = self._hub.deadlines.add(self._hub.clock.monotonic(), partial(self._drop, accepted, "silent"))
                self._silent[accepted] = deadline
                self._loop.add_reader(accepted.fileno(), self._ready, accepted, address[0])

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Stop accepting for a moment: without free descriptors the port would stay readable and burn the CPU."""
        _log.error("connections can't be accepted", error=str(error))
        self._loop.remove_reader(listening.fileno())

        def resume() -> None:
            self._paused.discard(handle)
            self._loop.add_reader(listening.fileno(), self._accept, listening)

        handle = self._loop.call_later(_PAUSE, resume)
        self._paused.add(handle)

    def _ready(self, accepted: socket.socket, ip: str) -> None:
        self._loop.remove_reader(accepted.fileno())
        self._silent.pop(accepted).cancel()
        if not self._sniff(accepted, ip):
            accepted.close()

    def _drop(self, silent: socket.socket, reason: str) -> None:
        self._hub.counters.rejected[reason] += 1
        self._loop.remove_reader(silent.fileno())
        del self._silent[silent]
        silent.close()

    def _sniff(self, accepted: socket.socket, ip: str) -> bool:
        """Look at the first byte and act on it; False when there is none yet."""
        try:
            first = accepted.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            first = b""
        if not first:
            self._hub.counters.rejected["closed"] += 1
            accepted.close()
        elif first[0] == TLS_BYTE and self._ssl is not None:
            self._begin(self._secure(accepted, ip, self._ssl))
        elif (make := protocol_for(first[0], self._hub, ip, secure=False)) is not None:
            self._begin(self._plain(accepted, make))
        else:
            self._hub.counters.rejected["protocol"] += 1
            accepted.close()
        return True

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _plain(self, accepted: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        try:
            await self._loop.connect_accepted_socket(make, accepted)
        except OSError:
            self._hub.counters.rejected["closed"] += 1
            accepted.close()

    async def _secure(self, accepted: socket.socket, ip: str, context: ssl.SSLContext) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: TlsEntrance(self._hub, ip),
                accepted,
                ssl=context,
                ssl_handshake_timeout=self._hub.settings.connect_timeout,
                ssl_shutdown_timeout=_SHUTDOWN_TIMEOUT,
            )
        except OSError as error:  # TLS failures and time-outs are kinds of it
            self._hub.counters.rejected["tls"] += 1
            _log.debug("TLS handshake failed", ip=ip, error=repr(error))

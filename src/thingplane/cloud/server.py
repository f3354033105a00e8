"""HTTP listeners: uvicorn's protocol (httptools) on the running loop, without its process management."""

import asyncio
import logging
import ssl
from typing import Any, Final

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from thingplane.cloud.http import RECEIVING, AsgiApp

KEEP_ALIVE_S: Final = 75
MAX_HEAD_BYTES: Final = 1_200_000
"""Most bytes of request line and headers together; lists in a query string are long."""
_LONGEST_PARSED_URL: Final = 0xFFFF
"""Bytes of a URL that httptools takes apart."""
WRITE_BUFFER_BYTES: Final = 16 * 1024
"""Bytes waiting for one connection beyond which no more of an answer is made."""
HEAD_TIMEOUT_S: Final = 30
"""Seconds a client may take from the first byte of a request to the end of its headers."""
STALL_TIMEOUT_S: Final = 120
"""Seconds in which a client has to read some of its answer: at least 16 kB, if there is more to come."""
LINGER_S: Final = 5
"""Seconds that a client which was answered before its request was complete gets to send the rest of it."""
MAX_PIPELINED: Final = 10
"""Requests that may wait for the answer to the one before them on the same connection."""
MAX_CONNECTIONS: Final = 10_000

_log = structlog.get_logger(__name__)


class _Protocol(HttpToolsProtocol):
    """Bounds what uvicorn does not: connections, pipelined requests, heads in size and time, answers in time."""

    _in_head = True
    _head_bytes = 0
    _head_deadline: asyncio.TimerHandle | None = None
    _stall_deadline: asyncio.TimerHandle | None = None
    _linger_deadline: asyncio.TimerHandle | None = None

    def __init__(self, config: Config, state: ServerState, max_connections: int) -> None:
        super().__init__(config, state, {})
        self._max_connections = max_connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._max_connections:
            _log.warning("too many HTTP connections, a new one was closed", connections=self._max_connections)
            transport.abort()
            return
        # TLS would take half a megabyte before it holds up a download whose client is slow.
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._head_deadline = self.loop.call_later(HEAD_TIMEOUT_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        self._forget_head()
        self._forget_rest()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_deadline = self.loop.call_later(STALL_TIMEOUT_S, self._stalled)

    def resume_writing(self) -> None:
        if self._stall_deadline is not None:
            self._stall_deadline.cancel()
            self._stall_deadline = None
        super().resume_writing()

    def _stalled(self) -> None:
        _log.info("an HTTP client does not read, connection closed", peer=self.client and self.client[0])
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Almost every head is complete in the packet it begins in, and costs neither a timer nor a count.
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            RECEIVING.add(len(data))
            if self._head_bytes > MAX_HEAD_BYTES or RECEIVING.is_full:
                self.send_400_response("Request head too large.")
            elif self._head_deadline is None:
                self._head_deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Whoever sends the rest a byte at a time would keep the connection for ever.
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self._forget_rest()
            self._linger_deadline = self.loop.call_later(LINGER_S, self.transport.close)

    def on_message_complete(self) -> None:
        self._forget_rest()
        super().on_message_complete()

    def _forget_rest(self) -> None:
        if self._linger_deadline is not None:
            self._linger_deadline.cancel()
            self._linger_deadline = None

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._forget_deadline()
        self._forget_head()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests at once")  # httptools makes it a 400
        path, _, query = self.url.partition(b"?")
        if len(self.url) <= _LONGEST_PARSED_URL:
            super().on_headers_complete()
        else:
            # The official SDKs put almost everything into the query: a text or an array of full size of a device, too.
            self.url = path
            super().on_headers_complete()
            self.scope["query_string"] = query

    def _forget_head(self) -> None:
        if self._head_bytes:
            RECEIVING.add(-self._head_bytes)
            self._head_bytes = 0

    def _forget_deadline(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None


class ApiServer:
    """Serves one ASGI application on any number of ports."""

    def __init__(
        self,
        app: AsgiApp,
        *,
        keep_alive_s: int = KEEP_ALIVE_S,
        backlog: int = 1024,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        """Prepare a server.

        Args:
            app: the application.
            keep_alive_s: seconds until an idle connection is closed.
            backlog: connections that wait to be accepted.
            max_connections: on all ports together; further ones are closed.
        """
        self._backlog = backlog
        self._max_connections = max_connections
        application: Any = app
        self._config = Config(
            application,
            lifespan="off",
            ws="none",
            interface="asgi3",
            access_log=False,
            log_config=None,
            timeout_keep_alive=keep_alive_s,
        )
        self._config.load()
        # Scanners would fill the log with what is not HTTP.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._state = ServerState()
        self._servers: list[asyncio.Server] = []

    async def start(self, host: str, port: int, context: ssl.SSLContext | None = None) -> int:
        """Listen on an address.

        Args:
            host: address, or name that resolves to one.
            port: 0 for any free one.
            context: for TLS.

        Returns:
            The port.

        Raises:
            OSError: the address cannot be used; the text names it.
        """
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                lambda: _Protocol(self._config, self._state, self._max_connections),
                host,
                port,
                ssl=context,
                backlog=self._backlog,
                ssl_handshake_timeout=HEAD_TIMEOUT_S if context else None,
            )
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Stop listening, let calls that were accepted finish, and close all connections.

        Args:
            timeout_s: seconds after which calls that still run are cancelled.
        """
        for server in self._servers:
            server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            _, unfinished = await asyncio.wait(self._state.tasks, timeout=timeout_s)
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished)
        for connection in list(self._state.connections):
            if connection.transport is not None:
                connection.transport.close()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

"""HTTP listeners: uvicorn's protocol (httptools) on the running loop, without its process management."""

import asyncio
import logging
import ssl
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from thingplane.cloud.http import AsgiApp

KEEP_ALIVE_S: Final = 75
MAX_HEAD_BYTES: Final = 1_200_000
"""Most bytes of request line and headers together; lists in a query string are long."""
_LONGEST_PARSED_URL: Final = 0xFFFF
"""Bytes of a URL that httptools takes apart."""
WRITE_BUFFER_BYTES: Final = 16 * 1024
"""Bytes waiting for one connection beyond which no more of an answer is made."""
HEAD_TIMEOUT_S: Final = 30
"""Seconds a client may take from the first byte of a request to the end of its headers."""


class _Protocol(HttpToolsProtocol):
    """Bounds what uvicorn does not: the size of a request's head and the time that it may take."""

    _in_head = True
    _head_bytes = 0
    _head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # TLS would take half a megabyte before it holds up a download whose client is slow.
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._head_deadline = self.loop.call_later(HEAD_TIMEOUT_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Almost every head is complete in the packet it begins in, and costs neither a timer nor a count.
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response("Request head too large.")
            elif self._head_deadline is None:
                self._head_deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._forget_deadline()
        path, _, query = self.url.partition(b"?")
        if len(self.url) <= _LONGEST_PARSED_URL:
            super().on_headers_complete()
        else:
            # The official SDKs put almost everything into the query: a text or an array of full size of a device, too.
            self.url = path
            super().on_headers_complete()
            self.scope["query_string"] = query

    def _forget_deadline(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None


class ApiServer:
    """Serves one ASGI application on any number of ports."""

    def __init__(self, app: AsgiApp, *, keep_alive_s: int = KEEP_ALIVE_S, backlog: int = 1024) -> None:
        """Prepare a server.

        Args:
            app: the application.
            keep_alive_s: seconds until an idle connection is closed.
            backlog: connections that wait to be accepted.
        """
        self._backlog = backlog
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
                lambda: _Protocol(self._config, self._state, {}), host, port, ssl=context, backlog=self._backlog
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

"""Listening for consumers: AMQP 1.0 and STOMP over TLS, and, if wanted, without."""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from thingplane import amqp, stomp
from thingplane.clock import Clock
from thingplane.consumers.amqp_connection import AmqpConnection
from thingplane.consumers.hub import Groups, Hub
from thingplane.consumers.stomp_connection import StompConnection

MAX_CONNECTIONS: Final = 10_000
_BACKLOG: Final = 1024
_TICK_S: Final = 1.0
_HANDSHAKE_S: Final = 15.0
"""Seconds for the TLS handshake (guide: a client has to be authenticated within 15 seconds)."""
_SHUTDOWN_S: Final = 0.3
"""Seconds in which the peer may say goodbye, too, before the TCP connection is closed."""
_GOODBYE_S: Final = 1.0
"""Seconds that clients get to take leave when the server stops."""


class ConsumerPorts(NamedTuple):
    """Ports of the listeners; None for those that are not there."""

    amqp: int | None
    stomp: int | None
    amqp_plain: int | None
    stomp_plain: int | None


class Consumers:
    """The listeners for clients of consumer groups, and their connections."""

    def __init__(
        self,
        groups: Groups,
        clock: Clock,
        *,
        max_connections: int = MAX_CONNECTIONS,
        amqp_capabilities: amqp.Capabilities | None = None,
        stomp_capabilities: stomp.Capabilities | None = None,
    ) -> None:
        """Prepare.

        Args:
            groups: where clients sign in and join.
            clock: what the time is.
            max_connections: at a time, signed in or not; further ones are closed.
            amqp_capabilities: limits of AMQP connections, None = usual ones.
            stomp_capabilities: limits of STOMP connections, None = usual ones.
        """
        self.hub = Hub(groups, clock, max_connections)
        self._amqp = partial(AmqpConnection, self.hub, amqp_capabilities or amqp.Capabilities())
        self._stomp = partial(StompConnection, self.hub, stomp_capabilities or stomp.Capabilities())
        self._servers: list[asyncio.Server] = []
        self._timer: asyncio.TimerHandle | None = None

    async def start(
        self,
        host: str,
        ssl_context: ssl.SSLContext,
        *,
        amqp_port: int,
        stomp_port: int,
        amqp_plain_port: int = -1,
        stomp_plain_port: int = -1,
    ) -> ConsumerPorts:
        """Listen. A port of 0 is any free one, of -1 none.

        Raises:
            OSError: an address can't be used; nothing is listening then.
        """
        try:
            ports = ConsumerPorts(
                await self._listen(self._amqp, host, amqp_port, ssl_context),
                await self._listen(self._stomp, host, stomp_port, ssl_context),
                await self._listen(self._amqp, host, amqp_plain_port, None),
                await self._listen(self._stomp, host, stomp_plain_port, None),
            )
        except OSError:
            self._stop_listening()
            raise
        self._tick()
        return ports

    async def _listen(
        self, make: Callable[[], asyncio.Protocol], host: str, port: int, context: ssl.SSLContext | None
    ) -> int | None:
        if port < 0:
            return None
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                make,
                host,
                port,
                ssl=context,
                backlog=_BACKLOG,
                reuse_address=True,
                ssl_handshake_timeout=_HANDSHAKE_S if context else None,
                ssl_shutdown_timeout=_SHUTDOWN_S if context else None,
            )
        except OSError as error:
            raise OSError(error.errno, f"can't listen on {host}:{port}: {error.strerror or error}") from None
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop accepting and take leave of all clients; what they did not settle stays in the log."""
        self._stop_listening()
        await self.hub.close(_GOODBYE_S)
        if self._timer is not None:
            self._timer.cancel()

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)
        self.hub.tick()

    def reading(self) -> dict[str, float]:
        """Return counters and gauges by name, for metrics; ``consumers.metrics.HELP`` says what they mean."""
        return {**self.hub.amqp.reading(), **self.hub.stomp.reading()}

"""What lies between a socket and a connection: telling protocols apart by their first byte, and WebSocket."""

import asyncio
from typing import cast

import structlog

from thingplane.gateway.connection import Connection
from thingplane.gateway.hub import Hub
from thingplane.gateway.portions import Portioned
from thingplane.gateway.tls import TlsStream
from thingplane.gateway.transport import Peer, Transport, Upper
from thingplane.gateway.websocket import WebSocketServer, binary_frame

_log = structlog.get_logger(__name__)

CONNECT_BYTE = 0x10
"""First byte of an MQTT CONNECT packet."""
TLS_BYTE = 0x16
"""First byte of a TLS ClientHello."""
GET_BYTE = 0x47
"""``G`` of ``GET``, the first byte of a WebSocket handshake."""


def upper_for(first: int, hub: Hub, peer: Peer) -> Upper | None:
    """Return what takes a stream that begins with this byte; None for unknown ones."""
    if first == CONNECT_BYTE:
        return Connection(hub, peer)
    if first == GET_BYTE:
        return WebSocketStream(Connection(hub, peer))
    return None


class Entrance(asyncio.Protocol):
    """A new connection until its first byte tells what it carries."""

    __slots__ = ("_hub", "_transport")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._hub.is_full:
            self.reject("full")
            return
        if not self._hub.make_room():
            self.reject("crowded")
            return
        self._hub.enter(self)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        self._hub.entered(self)
        peer = transport.get_extra_info("peername")
        ip = peer[0] if peer else ""
        upper: Upper | None
        hub = self._hub
        tls = hub.tls_for(data) if data[0] == TLS_BYTE else None
        if tls is not None:
            upper = TlsStream(hub, tls, ip, lambda first, peer: upper_for(first, hub, peer))
        else:
            upper = upper_for(data[0], hub, Peer(ip))
        if upper is None:
            self.reject("protocol")
            return
        self._transport = None
        transport.set_protocol(upper)
        upper.attach(transport)
        upper.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        self._hub.entered(self)
        self._transport = None

    def reject(self, reason: str) -> None:
        """Drop the connection."""
        if reason == "full":
            _log.warning("too many connections, a new one was closed", connections=self._hub.settings.connections)
        elif reason == "crowded":
            limit = self._hub.settings.newcomers
            _log.warning("too many connections that are not let in yet, one was closed", newcomers=limit)
        self._hub.counters.rejected[reason] += 1
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


class WebSocketStream(Portioned):
    """Carries a connection over WebSocket: protocol towards the socket, transport towards the connection."""

    __slots__ = ("_connection", "_server")

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._server = WebSocketServer()

    # Towards the socket

    def attach(self, transport: Transport) -> None:
        self._transport = transport
        self._connection.attach(self)

    def handle(self, data: bytes) -> None:
        payload = self._server.receive_data(data)
        self._flush()
        if payload:
            self._connection.data_received(payload)
        if self._server.closing and self._transport is not None:
            self._transport.close()

    def lost_connection(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    @property
    def is_over(self) -> bool:
        return self._connection.is_over

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def _flush(self) -> None:
        data = self._server.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)
            # Answers to pings are no output of the connection.
            self._connection.check_buffer()

    # Towards the connection

    def write(self, data: bytes) -> None:
        if self._transport is not None and self._server.is_open and not self._server.closing:
            self._transport.write(binary_frame(data))

    def close(self) -> None:
        self._server.close()
        self._flush()
        if self._transport is not None:
            self._transport.close()
        self.give_up()

    def abort(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self.give_up()

    def get_write_buffer_size(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        self.hold()

    def resume_reading(self) -> None:
        self.release()

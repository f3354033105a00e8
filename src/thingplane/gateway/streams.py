"""What lies between a socket and a connection: TLS whose content is not known yet, and WebSocket."""

import asyncio
from collections.abc import Callable
from typing import cast

from thingplane.gateway.connection import Connection, Hub
from thingplane.gateway.deadlines import Deadline
from thingplane.gateway.websocket import WebSocketServer, binary_frame

CONNECT_BYTE = 0x10
"""First byte of an MQTT CONNECT packet."""
TLS_BYTE = 0x16
"""First byte of a TLS ClientHello."""
GET_BYTE = 0x47
"""``G`` of ``GET``, the first byte of a WebSocket handshake."""


def protocol_for(first: int, hub: Hub, ip: str, *, secure: bool) -> Callable[[], asyncio.Protocol] | None:
    """Return what makes the protocol of a stream that begins with this byte; None for unknown ones."""
    if first == CONNECT_BYTE:
        return lambda: Connection(hub, ip, secure=secure)
    if first == GET_BYTE:
        return lambda: WebSocketStream(Connection(hub, ip, secure=secure))
    return None


class TlsEntrance(asyncio.Protocol):
    """A TLS connection until its first byte tells what it carries."""

    __slots__ = ("_deadline", "_hub", "_ip", "_transport")

    def __init__(self, hub: Hub, ip: str) -> None:
        self._hub = hub
        self._ip = ip
        self._transport: asyncio.Transport | None = None
        self._deadline: Deadline | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = self._hub.deadlines.add(self._hub.clock.monotonic(), self._expire)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        self._settle()
        make = protocol_for(data[0], self._hub, self._ip, secure=True)
        if make is None:
            self._hub.counters.rejected["protocol"] += 1
            transport.abort()
            return
        protocol = make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        self._settle()

    def _settle(self) -> None:
        self._transport = None
        if self._deadline is not None:
            self._deadline.cancel()

    def _expire(self) -> None:
        if self._transport is not None:
            self._hub.counters.rejected["silent"] += 1
            self._transport.abort()


class WebSocketStream(asyncio.Protocol):
    """Carries a connection over WebSocket: protocol towards the socket, transport towards the connection."""

    __slots__ = ("_connection", "_server", "_transport")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._server = WebSocketServer()
        self._transport: asyncio.Transport | None = None

    # Towards the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connection.attach(self)

    def data_received(self, data: bytes) -> None:
        payload = self._server.receive_data(data)
        self._flush()
        if payload:
            self._connection.data_received(payload)
        if self._server.closing and self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def _flush(self) -> None:
        data = self._server.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    # Towards the connection

    def write(self, data: bytes) -> None:
        if self._transport is not None and self._server.is_open and not self._server.closing:
            self._transport.write(binary_frame(data))

    def close(self) -> None:
        self._server.close()
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def get_write_buffer_size(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

"""A transport whose peer does not read, and connections on top of it: what piles up can be counted."""

import asyncio
from typing import Any

from tests.gateway.client import connect_packet
from tests.gateway.support import World
from tests.gateway.test_websocket import HANDSHAKE, frame
from tests.mqtt.wire import write_packets
from thingplane.gateway.connection import Connection
from thingplane.gateway.portions import Portioned
from thingplane.gateway.streams import WebSocketStream
from thingplane.gateway.transport import Peer
from thingplane.mqtt.packets import Packet


class SilentTransport:
    """Takes what is written and never gets rid of it, as a socket with a closed window does."""

    def __init__(self, protocol: Portioned) -> None:
        self.protocol = protocol
        self.written = bytearray()
        self.high = 65_536
        self.is_aborted = False
        self.closings = 0
        self.is_paused = False
        self.pauses = 0
        self._is_full = False
        self._is_lost = False

    def write(self, data: bytes) -> None:
        assert not self.is_aborted
        self.written += data
        if len(self.written) > self.high and not self._is_full:
            self._is_full = True
            self.protocol.pause_writing()

    def drain(self) -> bytes:
        """Let the peer read everything."""
        data = bytes(self.written)
        self.written.clear()
        if self._is_full:
            self._is_full = False
            self.protocol.resume_writing()
        return data

    def close(self) -> None:
        self.closings += 1
        if not self.written:
            asyncio.get_running_loop().call_soon(self.lose)

    def abort(self) -> None:
        self.is_aborted = True
        asyncio.get_running_loop().call_soon(self.lose)

    def lose(self) -> None:
        """Tell the connection that it is lost, once."""
        if not self._is_lost:
            self._is_lost = True
            self.protocol.connection_lost(None)

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:  # noqa: ARG002
        self.high = high or self.high

    def pause_reading(self) -> None:
        self.is_paused = True
        self.pauses += 1

    def resume_reading(self) -> None:
        self.is_paused = False


def deaf_device(
    world: World, *, version: int = 4, websocket: bool = False, device: str = "sensor-01", **fields: Any
) -> tuple[SilentTransport, Connection]:
    """Return a device that is connected and reads nothing any more."""
    connection = Connection(world.gateway._hub, Peer("192.0.2.1"))
    protocol: Portioned = WebSocketStream(connection) if websocket else connection
    transport = SilentTransport(protocol)
    protocol.attach(transport)
    data = packets(connect_packet(device, version=version, **fields), version=version)
    protocol.data_received(HANDSHAKE + frame(data) if websocket else data)
    assert connection.identity, "the device was not let in"
    transport.drain()
    return transport, connection


def packets(*items: Packet, version: int = 4) -> bytes:
    return write_packets(items, version)

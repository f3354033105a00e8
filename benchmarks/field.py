"""What an attack has: a node, and devices to speak as."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from benchmarks.node import Node
from thingplane.simulator import wire
from thingplane.simulator.wire import Identity

PATIENCE_S: Final = 60.0


class Field(NamedTuple):
    """Where it happens."""

    node: Node
    identities: Sequence[Identity]

    def address(self, endpoint: str) -> tuple[str, int]:
        """Return host and port of an endpoint of ``ready.json``."""
        parts = urlsplit(self.node.ready.endpoints[endpoint])
        return parts.hostname or "", parts.port or 0

    async def open(self, endpoint: str = "mqtt", *, window: int = 0) -> "Stream":
        """Open a connection, with a receive buffer of so many bytes, if that matters."""
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        if window:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        await asyncio.get_running_loop().sock_connect(made, self.address(endpoint))
        return Stream(*await asyncio.open_connection(sock=made, limit=4096))

    async def device(self, identity: Identity, *, keepalive: int = 1200, window: int = 0) -> "Stream":
        """Return the connection of a device that was let in."""
        stream = await self.open(window=window)
        stream.writer.write(wire.connect(identity, secure=False, keepalive=keepalive))
        if await stream.reader.readexactly(4) != b"\x20\x02\x00\x00":
            raise ConnectionRefusedError
        return stream


class Stream(NamedTuple):
    """A connection of an attacker."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ended(self) -> bool:
        """Read until the node closes the connection; False if that takes too long."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await self.reader.read(4096):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def close(self) -> None:
        """Drop it."""
        self.writer.transport.abort()


def client_hello(host: str) -> bytes:
    """Return the first flight of a TLS handshake."""
    context = ssl.create_default_context()
    outgoing = ssl.MemoryBIO()
    handshake = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    try:
        handshake.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a server")

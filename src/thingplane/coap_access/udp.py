"""UDP without DTLS."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any, cast

from thingplane.coap_access.metrics import Counters
from thingplane.coap_access.resources import Resources
from thingplane.coap_access.server import CoapServer

Address = tuple[str, int]


class DatagramListener(asyncio.DatagramProtocol, ABC):
    """A listener of this room."""

    @abstractmethod
    async def close(self, seconds: float) -> None:
        """Answer what has come, as long as that takes so many seconds at most, and close."""


class UdpListener(DatagramListener):
    """CoAP as it is; payloads are encrypted by the symmetric mode."""

    def __init__(self, resources: Resources, counters: Counters) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self.server = CoapServer(resources, counters, self._send, _host, secure=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.server.receive(data, addr[:2])

    def _send(self, data: bytes, peer: Hashable) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, cast("Address", peer))

    async def close(self, seconds: float) -> None:
        await self.server.stop(seconds)
        if self._transport is not None:
            self._transport.close()


def _host(peer: Hashable) -> str:
    return cast("Address", peer)[0]

"""A device packet by packet, for what the official SDK does not do: chosen packets, chosen moments."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from tests.mqtt.wire import read_packets, write_packets
from thingplane.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Pong,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
)
from thingplane.simulator.wire import Identity

P = TypeVar("P")
PATIENCE_S = 20


def connect_packet(identity: Identity, **fields: Any) -> Connect:
    """Return the CONNECT packet that the vendor's guide describes: a signature with the device's secret."""
    content = f"clientIdraw1deviceName{identity.device_name}productKey{identity.product_key}"
    defaults: dict[str, Any] = {
        "client_id": "raw1|securemode=3,signmethod=hmacsha256|",
        "keepalive": 300,
        "username": f"{identity.device_name}&{identity.product_key}",
        "password": hmac.digest(identity.device_secret.encode(), content.encode(), "sha256").hex().encode(),
    }
    return Connect(**{**defaults, **fields})


class RawDevice:
    """One connection. Whatever is waited for has to come in time; the end of the connection is EOFError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int) -> None:
        self._reader = reader
        self._writer = writer
        self._version = version
        self._rest = b""
        self._packets: list[Packet] = []

    def send(self, *packets: Packet) -> None:
        self._writer.write(write_packets(packets, self._version))

    async def receive(self) -> Packet:
        """Return the next packet."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._packets:
                try:
                    data = await self._reader.read(65_536)
                except ConnectionError:
                    data = b""
                if not data:
                    raise EOFError
                self._packets, self._rest = read_packets(self._rest + data, self._version)
        return self._packets.pop(0)

    async def expect(self, kind: type[P]) -> P:
        packet = await self.receive()
        assert isinstance(packet, kind), packet
        return packet

    async def subscribe(self, topic_filter: str) -> list[int]:
        self.send(Subscribe(1, [Subscription(topic_filter, 1)]))
        return (await self.expect(Suback)).codes

    async def messages(self, wanted: int) -> list[Publish]:
        """Acknowledge and return messages until so many have come, and whatever comes before the answer to a ping."""
        found: list[Publish] = []
        pinged = False
        while True:
            if len(found) >= wanted and not pinged:
                self.send(Ping())
                pinged = True
            try:
                packet = await self.receive()
            except TimeoutError:
                raise AssertionError(f"only {len(found)} of {wanted} messages have come") from None
            if isinstance(packet, Pong):
                return found
            assert isinstance(packet, Publish), packet
            found.append(packet)
            if packet.qos:
                self.send(Puback(packet.packet_id))

    async def leave(self) -> None:
        """Say goodbye and wait until the server has closed the connection."""
        self.send(Disconnect())
        async with asyncio.timeout(PATIENCE_S):
            await self._reader.read()
        self.close()

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connected(
    address: tuple[str, int], identity: Identity, *, version: int = 4, **fields: Any
) -> AsyncIterator[tuple[RawDevice, Connack]]:
    """Open a connection for a block and say CONNECT; gives the device and the answer."""
    device = RawDevice(*await asyncio.open_connection(*address), version)
    try:
        device.send(connect_packet(identity, version=version, **fields))
        yield device, await device.expect(Connack)
    finally:
        device.close()

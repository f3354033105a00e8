"""A device on a real socket, packet by packet."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any, Protocol, Self, TypeVar

from tests.gateway.support import PRODUCT_KEY, SECRET, password
from tests.mqtt.wire import read_packets, write_packets
from thingplane.gateway.service import Ports
from thingplane.mqtt import Properties
from thingplane.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
)

P = TypeVar("P")


class Reachable(Protocol):
    """A gateway that a test has started."""

    ports: Ports
    closings: list[Callable[[], None]]


def connect_packet(device: str = "sensor-01", *, extra: str = "", **fields: Any) -> Connect:
    defaults: dict[str, Any] = {
        "client_id": f"sn0001|securemode=3,signmethod=hmacsha256,{extra}|",
        "keepalive": 60,
        "username": f"{device}&{PRODUCT_KEY}",
        "password": password(device, secret=SECRET).encode(),
    }
    return Connect(**{**defaults, **fields})


class Client:
    """One connection; everything that is awaited has to come within five seconds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int) -> None:
        self._reader = reader
        self._writer = writer
        self._version = version
        self._rest = b""
        self._packets: list[Packet] = []

    @classmethod
    async def dial(cls, port: int) -> Self:
        """Connect to a gateway in another process; the caller closes."""
        return cls(*await asyncio.open_connection("127.0.0.1", port), 4)

    @classmethod
    async def open(
        cls, world: Reachable, *, version: int = 4, secure: ssl.SSLContext | None = None, port: int | None = None
    ) -> Self:
        where = world.ports.mqtt if port is None else port
        name = None if secure is None else "localhost"
        client = cls(*await asyncio.open_connection("127.0.0.1", where, ssl=secure, server_hostname=name), version)
        world.closings.append(client.abort)
        return client

    @classmethod
    async def connected(cls, world: Reachable, device: str = "sensor-01", *, version: int = 4, **fields: Any) -> Self:
        client = await cls.open(world, version=version)
        connack = await client.connect(device, **fields)
        assert connack.code == 0, connack
        return client

    async def connect(self, device: str = "sensor-01", **fields: Any) -> Connack:
        self.send(connect_packet(device, version=self._version, **fields))
        return await self.expect(Connack)

    def send(self, *packets: Packet) -> None:
        self._writer.write(write_packets(packets, self._version))

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def receive(self) -> Packet:
        """Return the next packet."""
        async with asyncio.timeout(5):
            while not self._packets:
                data = await self._reader.read(65_536)
                if not data:
                    raise EOFError
                self._packets, self._rest = read_packets(self._rest + data, self._version)
        return self._packets.pop(0)

    def buffered(self) -> bytes:
        """Return what has come and was not read as packets."""
        return bytes(self._reader._buffer) + self._rest  # type: ignore[attr-defined]

    async def expect(self, kind: type[P]) -> P:
        packet = await self.receive()
        assert isinstance(packet, kind), packet
        return packet

    async def closed(self) -> list[Packet]:
        """Return what still comes before the server closes the connection."""
        packets: list[Packet] = []
        try:
            while True:
                packets.append(await self.receive())
        except (EOFError, ConnectionError):
            return packets

    async def subscribe(self, *filters: str, packet_id: int = 7) -> list[int]:
        self.send(Subscribe(packet_id, [Subscription(item, 1) for item in filters]))
        return (await self.expect(Suback)).codes

    async def unsubscribe(self, *filters: str) -> list[int]:
        self.send(Unsubscribe(8, list(filters)))
        return (await self.expect(Unsuback)).codes

    async def publish(self, topic: str, payload: bytes, packet_id: int = 9) -> tuple[Puback, list[Publish]]:
        """Publish with QoS 1; returns the acknowledgement and what came before the answer to a ping."""
        self.send(Publish(topic, payload, 1, packet_id=packet_id))
        ack = await self.expect(Puback)
        assert ack.packet_id == packet_id
        return ack, [item for item in await self.drain() if isinstance(item, Publish)]

    async def drain(self) -> list[Packet]:
        """Return what the server has sent up to now, going by the answer to an undefined message."""
        self.send(Publish("/nowhere", b"", 1, packet_id=0x7FFF))
        packets: list[Packet] = []
        while True:
            packet = await self.receive()
            if isinstance(packet, Puback) and packet.packet_id == 0x7FFF:
                return packets
            packets.append(packet)

    async def disconnect(self, properties: Properties | None = None) -> None:
        self.send(Disconnect(properties=properties))
        assert await self.closed() == []
        self.close()

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def finish(self) -> None:
        """Send nothing more."""
        self._writer.write_eof()

    async def ended(self) -> None:
        """Return when the server has closed, whatever it sent before."""
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                await self._reader.read()

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()

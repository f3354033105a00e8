"""An MQTT client on a real socket that does nothing behind the test's back.

It reads only while it waits for something, acknowledging what comes by, so a test knows what has happened: `settle`
returns when everything the server had sent before is read and acknowledged.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TypeVar

from tests.mqtt.wire import read_packets, write_packets
from thingplane.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Pong,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)
from thingplane.mqtt.properties import Properties

P = TypeVar("P", bound=Packet)
PATIENCE = 20.0  # s before a missing answer fails the test


class Client:
    """One connection. `messages` collects what was published to it; `acknowledging` may be switched off."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int) -> None:
        self.version = version
        self.messages: list[Publish] = []
        self.acknowledging = True
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._waiting: list[Packet] = []
        self._next_id = 0
        self._unreleased: set[int] = set()

    async def send(self, *packets: Packet) -> None:
        self._writer.write(write_packets(packets, self.version))
        await self._writer.drain()

    async def next(self) -> Packet | None:
        """Return the next packet, None at the end of the stream."""
        while not self._waiting:
            data = await asyncio.wait_for(self._reader.read(65_536), PATIENCE)
            if not data:
                return None
            self._waiting, self._rest = read_packets(self._rest + data, self.version)
        return self._waiting.pop(0)

    async def until(self, kind: type[P]) -> P:
        """Return the next packet of a kind; messages before it are collected and acknowledged."""
        while True:
            packet = await self.next()
            if isinstance(packet, kind):
                return packet
            assert packet is not None, "the server closed the connection"
            await self._take(packet)

    async def _take(self, packet: Packet) -> None:
        if isinstance(packet, Publish):
            if packet.packet_id not in self._unreleased:
                self.messages.append(packet)
            if not self.acknowledging:
                return
            if packet.qos == 1:
                await self.send(Puback(packet.packet_id))
            elif packet.qos == 2:
                self._unreleased.add(packet.packet_id)
                await self.send(Pubrec(packet.packet_id))
        else:
            assert isinstance(packet, Pubrel), packet
            self._unreleased.discard(packet.packet_id)
            await self.send(Pubcomp(packet.packet_id))

    async def settle(self) -> list[Publish]:
        """Take everything the server has sent so far; returns and forgets the messages."""
        for _ in range(2):  # the second round takes what answers the acknowledgements of the first
            await self.send(Ping())
            await self.until(Pong)
        messages, self.messages = self.messages, []
        return messages

    async def end(self) -> int | None:
        """Wait until the server closes the connection; returns the reason of its DISCONNECT, if there was one."""
        reason = None
        while (packet := await self.next()) is not None:
            if isinstance(packet, Disconnect):
                reason = packet.reason
        return reason

    def packet_id(self) -> int:
        self._next_id += 1
        return self._next_id

    async def connect(
        self,
        client_id: str,
        *,
        clean_start: bool = True,
        keepalive: int = 0,
        will: Will | None = None,
        properties: Properties | None = None,
    ) -> Connack:
        await self.send(Connect(client_id, self.version, clean_start, keepalive, will=will, properties=properties))
        return await self.until(Connack)

    async def subscribe(
        self, *topic_filters: str, qos: int = 2, identifier: int = 0, **options: bool | int
    ) -> list[int]:
        items = [Subscription(item, qos, identifier=identifier, **options) for item in topic_filters]  # type: ignore[arg-type]
        properties = Properties(subscription_identifiers=[identifier]) if identifier else None
        await self.send(Subscribe(self.packet_id(), items, properties))
        return (await self.until(Suback)).codes

    async def unsubscribe(self, *topic_filters: str) -> list[int]:
        await self.send(Unsubscribe(self.packet_id(), list(topic_filters)))
        return (await self.until(Unsuback)).codes

    async def publish(
        self,
        topic: str,
        payload: bytes = b"x",
        qos: int = 1,
        *,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> None:
        """Publish and wait until it has been handled."""
        packet_id = self.packet_id() if qos else 0
        await self.send(Publish(topic, payload, qos, retain, packet_id=packet_id, properties=properties))
        if qos == 1:
            await self.until(Puback)
        elif qos == 2:
            await self.until(Pubrec)
            await self.send(Pubrel(packet_id))
            await self.until(Pubcomp)
        else:
            await self.send(Ping())
            await self.until(Pong)

    async def disconnect(self, reason: int = 0, properties: Properties | None = None) -> None:
        """Say good-bye and wait until the server has closed the connection."""
        await self.send(Disconnect(reason, properties))
        await self.end()

    async def lose(self) -> None:
        """Vanish without a word."""
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def dial(port: int, version: int) -> AsyncIterator[Client]:
    """Open a connection without CONNECT."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer, version)
    try:
        yield client
    finally:
        await client.lose()

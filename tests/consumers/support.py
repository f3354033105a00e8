"""Clients on real sockets that speak AMQP and STOMP frame by frame."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.amqp.wire import (
    Sent,
    attach,
    begin,
    closing,
    flow,
    opening,
    read_output,
    sasl_init,
)
from tests.common.clock import FakeClock
from tests.consumers.groups import PASSWORD, USER, FakeGroups
from thingplane.amqp.numbers import AMQP_HEADER, SASL_HEADER
from thingplane.consumers.service import ConsumerPorts, Consumers
from thingplane.stomp.frames import Frame, FrameReader

PATIENCE_S = 10


@dataclass
class Listening:
    """Listeners, and the world around them."""

    consumers: Consumers
    groups: FakeGroups
    clock: FakeClock
    ports: ConsumerPorts
    ca: Path
    peers: list["Peer"] = field(default_factory=list)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.consumers.hub.tick()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something has happened."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.002)


@dataclass
class Peer:
    """A socket to a listener."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int | None, ca: Path | None = None) -> "Peer":
        context = None if ca is None else ssl.create_default_context(cafile=str(ca))
        return cls(*await asyncio.open_connection("localhost" if ca else "127.0.0.1", port, ssl=context))

    def write(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def is_gone(self) -> bool:
        """Wait for the end of the connection."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.reader.read(65_536):
                pass
        return True


@dataclass
class AmqpPeer(Peer):
    """A client that speaks AMQP."""

    async def receive(self) -> Sent:
        """Return the next frame or header."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readexactly(8)
            if head[:4] == b"AMQP":
                return read_output(head)[0]
            return read_output(head + await self.reader.readexactly(int.from_bytes(head[:4], "big") - 8))[0]

    async def receive_until(self, name: str) -> Sent:
        while (sent := await self.receive()).name != name:
            pass
        return sent

    async def sign_in(self, user: str = USER, password: str = PASSWORD) -> int:
        """Return the outcome."""
        self.write(SASL_HEADER, sasl_init(f"\0{user}\0{password}".encode()))
        outcome: int = (await self.receive_until("sasl_outcome")).fields[0]
        return outcome

    async def attach(self, credit: int = 100, window: int = 2048, **options: object) -> Sent:
        """Sign in, open everything and return the answer to the attach."""
        assert await self.sign_in() == 0
        self.write(AMQP_HEADER, opening(), begin(window=window), attach(**options), flow(credit, window=window))  # type: ignore[arg-type]
        return await self.receive_until("attach")

    def close_properly(self) -> None:
        self.write(closing())


@dataclass
class StompPeer(Peer):
    """A client that speaks STOMP 1.2."""

    frames: FrameReader = field(default_factory=lambda: FrameReader(65_536, 1_000_000))

    async def receive(self) -> Frame:
        async with asyncio.timeout(PATIENCE_S):
            while (frame := self.frames.next_frame()) is None:
                data = await self.reader.read(65_536)
                assert data, "the connection is gone"
                self.frames.receive(data)
        if frame.command == "CONNECTED":
            self.frames.version = "1.2"
        return frame

    async def connect(self, user: str = USER, password: str = PASSWORD) -> Frame:
        head = f"CONNECT\naccept-version:1.2\nhost:h\nheart-beat:0,300\nlogin:{user}\npasscode:{password}\n\n\0"
        self.write(head.encode())
        return await self.receive()

    def subscribe(self, mode: str = "auto", receipt: str = "s") -> None:
        self.write(f"SUBSCRIBE\nid:1\ndestination:/topic/#\nack:{mode}\nreceipt:{receipt}\n\n\0".encode())


async def amqp_peer(listening: Listening, *, tls: bool = False) -> AmqpPeer:
    peer = await AmqpPeer.open(
        listening.ports.amqp if tls else listening.ports.amqp_plain, listening.ca if tls else None
    )
    listening.peers.append(peer)
    assert isinstance(peer, AmqpPeer)
    return peer


async def stomp_peer(listening: Listening, *, tls: bool = False) -> StompPeer:
    peer = await StompPeer.open(
        listening.ports.stomp if tls else listening.ports.stomp_plain, listening.ca if tls else None
    )
    listening.peers.append(peer)
    assert isinstance(peer, StompPeer)
    return peer

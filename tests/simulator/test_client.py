"""A simulated device against a platform that is a script of bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from tests.mqtt.wire import read_packets, write_packets
from thingplane.mqtt.packets import Connack, Connect, Packet, Puback, Publish
from thingplane.simulator.client import RefusedError, SimulatedDevice
from thingplane.simulator.wire import Identity

IDENTITY = Identity("a1b2c3d4e5f", "thermostat-1", "secret")
PREFIX = "/sys/a1b2c3d4e5f/thermostat-1/"


class Platform:
    """The other end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._packets: list[Packet] = []
        self._rest = b""

    async def receive(self) -> Packet:
        async with asyncio.timeout(10):
            while not self._packets:
                data = await self._reader.read(65_536)
                assert data, "the device has closed"
                self._packets, self._rest = read_packets(self._rest + data, 4)
        return self._packets.pop(0)

    async def message(self) -> tuple[str, object]:
        packet = await self.receive()
        assert isinstance(packet, Publish)
        return packet.topic, msgspec.json.decode(packet.payload)

    def send(self, *packets: Packet) -> None:
        self.writer.write(write_packets(packets, 4))


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, "asyncio.Queue[Platform]"]]:
    """Listen; connections arrive in the queue."""
    arrived: asyncio.Queue[Platform] = asyncio.Queue()
    server = await asyncio.start_server(lambda *streams: arrived.put_nowait(Platform(*streams)), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], arrived
    finally:
        server.close()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[SimulatedDevice, Platform]]:
    async with listening() as (port, arrived):
        connecting = asyncio.create_task(SimulatedDevice.connect(IDENTITY, "127.0.0.1", port))
        platform = await arrived.get()
        assert isinstance(await platform.receive(), Connect)
        platform.send(Connack())
        yield await connecting, platform
        platform.writer.close()


async def test_refusal_says_why() -> None:
    async with listening() as (port, arrived):
        connecting = asyncio.create_task(SimulatedDevice.connect(IDENTITY, "127.0.0.1", port))
        platform = await arrived.get()
        platform.send(Connack(code=4))
        with pytest.raises(RefusedError, match="CONNACK 4: signature or device"):
            await connecting
        platform.writer.close()


async def test_closed_connection_before_an_answer_is_a_refusal() -> None:
    async with listening() as (port, arrived):
        connecting = asyncio.create_task(SimulatedDevice.connect(IDENTITY, "127.0.0.1", port))
        (await arrived.get()).writer.close()
        with pytest.raises(RefusedError, match="closed"):
            await connecting


async def test_acknowledgements_and_rejections_are_counted() -> None:
    async with connected() as (device, platform):
        device.post({"Temperature": 20.5})
        packet = await platform.receive()
        assert isinstance(packet, Publish)
        assert (packet.topic, packet.qos) == (PREFIX + "thing/event/property/post", 1)
        assert msgspec.json.decode(packet.payload)["params"] == {"Temperature": 20.5}
        topic = packet.topic + "_reply"
        replies = [b'{"code":200,"data":{}}', b'{"code":200,"data":{"Temperature":"6307"}}', b'{"code":460,"data":{}}']
        platform.send(Puback(packet.packet_id or 0), *(Publish(topic, reply, 0) for reply in replies))
        platform.send(Publish(PREFIX + "thing/service/property/set", b'{"id":"1","params":{}}', 0))
        await platform.message()  # whatever came before is handled now
        assert (device.acknowledged, device.rejected) == (1, 2)


async def test_settings_are_applied_answered_and_posted_back() -> None:
    async with connected() as (device, platform):
        topic = PREFIX + "thing/service/property/set"
        platform.send(Publish(topic, b'{"id":"9","params":{"Target":21}}', 1, packet_id=3))
        assert await platform.receive() == Puback(3)
        assert await platform.message() == (topic + "_reply", {"id": "9", "code": 200, "data": {}})
        posted, body = await platform.message()
        assert posted == PREFIX + "thing/event/property/post"
        assert isinstance(body, dict)
        assert body["params"] == device.values == {"Target": 21}


@pytest.mark.parametrize(
    ("topic", "answer"),
    [
        ("thing/service/Reset", "thing/service/Reset_reply"),
        ("rrpc/request/77", "rrpc/response/77"),
    ],
)
async def test_services_are_answered_on_the_topic_they_came_by(topic: str, answer: str) -> None:
    async with connected() as (_, platform):
        request = b'{"id":"5","version":"1.0","method":"thing.service.Reset","params":{}}'
        platform.send(Publish(PREFIX + topic, request, 0))
        assert await platform.message() == (PREFIX + answer, {"id": "5", "code": 200, "data": {}})


async def test_bytes_of_an_rrpc_are_sent_back() -> None:
    async with connected() as (_, platform):
        platform.send(Publish(PREFIX + "rrpc/request/77", b"\x00ping", 0))
        packet = await platform.receive()
        assert isinstance(packet, Publish)
        assert (packet.topic, packet.payload) == (PREFIX + "rrpc/response/77", b"\x00ping")

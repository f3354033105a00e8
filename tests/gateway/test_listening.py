"""One port for MQTT, TLS and WebSocket, and what happens to everything else."""

import asyncio
import random
import socket
import ssl
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.gateway.client import Client, connect_packet
from tests.gateway.conftest import StartWorld
from tests.gateway.support import PRODUCT_KEY, World, until
from tests.mqtt.wire import read_packets, write_packets
from thingplane.mqtt.packets import Connack, Packet, Publish
from thingplane.tls import Certificates, server_context

POST = f"/sys/{PRODUCT_KEY}/sensor-01/thing/event/property/post"


@pytest.fixture
async def secure_world(start: StartWorld, certificates: Certificates) -> World:
    return await start(ssl_context=server_context(certificates.certificate, certificates.key))


async def exchange(socket_: ClientConnection, *packets: Packet, size: int) -> list[Packet]:
    """Send packets in pieces of a size, and return what comes for each of them."""
    data = write_packets(packets, 4)
    for start in range(0, len(data), size):
        await socket_.send(data[start : start + size])
    received = b""
    answers: list[Packet] = []
    while len(answers) < len(packets):
        frame = await asyncio.wait_for(socket_.recv(), 5)
        assert isinstance(frame, bytes)
        more, received = read_packets(received + frame, 4)
        answers += more
    return answers


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("port", ["mqtt", "websocket"])
async def test_mqtt_and_websocket_share_each_port_plain_and_over_tls(
    secure_world: World, trusting: ssl.SSLContext, secure: bool, port: str
) -> None:
    number = getattr(secure_world.ports, port)
    client = await Client.open(secure_world, secure=trusting if secure else None, port=number)
    assert (await client.connect()).code == 0
    _, [reply] = await client.publish(POST, b'{"id":"1","params":{}}')
    assert reply.topic == POST + "_reply"
    await client.disconnect()

    scheme = "wss" if secure else "ws"
    options: dict[str, Any] = {"ssl": trusting} if secure else {}
    protocols = [Subprotocol("mqttv3.1"), Subprotocol("mqtt")]
    async with connect(f"{scheme}://localhost:{number}/mqtt", subprotocols=protocols, **options) as websocket:
        assert websocket.subprotocol == "mqtt"
        [connack] = await exchange(websocket, connect_packet(), size=7)
        assert isinstance(connack, Connack)
        assert connack.code == 0
        post = Publish(POST, b'{"id":"1","params":{"t":"' + b"x" * 70_000 + b'"}}', 1, packet_id=3)
        assert len(await exchange(websocket, post, size=30_000)) >= 1
    assert len(secure_world.seen) == 2


async def test_any_path_will_do(world: World) -> None:
    async with connect(f"ws://127.0.0.1:{world.ports.websocket}/", subprotocols=[Subprotocol("mqtt")]) as websocket:
        assert len(await exchange(websocket, connect_packet(), size=1000)) == 1


async def test_a_websocket_is_closed_with_the_connection(world: World) -> None:
    async with connect(f"ws://127.0.0.1:{world.ports.websocket}/mqtt") as websocket:
        await exchange(websocket, connect_packet(), size=1000)
        await Client.connected(world)  # takes over
        await asyncio.wait_for(websocket.wait_closed(), 5)
        assert websocket.close_code == 1000


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\x16\x03\x01",
        b"SSH-2.0-x\r\n",
        b"\x20\x02\x00\x00",
        b"\x10\xff\xff\xff\xff\x01",
        b"\x10\xff\xff\xff\x7f",
        b"\x10\x0c\x00\x04MQTT\x09\x02\x00\x3c\x00\x00",
        b"\x10\x02\x00\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * 20_000,
    ],
)
@pytest.mark.parametrize("port", ["mqtt", "websocket"])
async def test_strangers_are_turned_away(world: World, data: bytes, port: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", getattr(world.ports, port))
    writer.write(data)
    try:
        async with asyncio.timeout(5):
            await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert (await Client.connected(world)) is not None


async def test_noise_after_the_connect_ends_the_connection_and_nothing_else(world: World) -> None:
    noise = random.Random(1)
    for _ in range(30):
        client = await Client.connected(world, version=noise.choice([3, 4, 5]))
        client.write(noise.randbytes(noise.randrange(1, 400)))
        client.finish()
        await client.ended()
    assert (await Client.connected(world)) is not None


async def test_who_says_nothing_is_dropped(start: StartWorld, certificates: Certificates) -> None:
    world = await start(ssl_context=server_context(certificates.certificate, certificates.key), connect_timeout=5)
    silent = await asyncio.open_connection("127.0.0.1", world.ports.mqtt)
    started = await asyncio.open_connection("127.0.0.1", world.ports.mqtt)
    started[1].write(b"\x10")
    upgrading = await asyncio.open_connection("127.0.0.1", world.ports.mqtt)
    upgrading[1].write(b"GET ")
    context = ssl.create_default_context(cafile=str(certificates.ca))
    secured = await asyncio.open_connection("127.0.0.1", world.ports.mqtt, ssl=context, server_hostname="localhost")
    connected = await Client.connected(world)
    hub = world.gateway._hub
    await until(lambda: (len(hub._entering), len(hub.open)) == (2, 3))
    world.pass_time(7)
    for reader, writer in (silent, started, upgrading, secured):
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
    assert await connected.drain() == []
    assert world.gateway.reading()["mqtt_rejected_total:silent"] == 2


async def test_a_taken_port_is_a_clear_error(start: StartWorld) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{number}"):
            await start(ports=(0, number))


async def test_stopping_with_silent_connections(start: StartWorld) -> None:
    world = await start()
    _, silent = await asyncio.open_connection("127.0.0.1", world.ports.mqtt)
    await until(lambda: bool(world.gateway._hub._entering))
    await world.gateway.stop()
    silent.close()

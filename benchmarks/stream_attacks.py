"""Attacks over TCP."""

import asyncio
import base64
import time
from typing import Final

from benchmarks.calls import caller
from benchmarks.field import Field, Stream, client_hello
from thingplane.simulator import wire
from thingplane.simulator.wire import Identity

SECONDS: Final = 8.0
_SILENT_KEEPALIVE_S: Final = 30
_UNACKNOWLEDGED_S: Final = 31


async def takeovers(field: Field) -> str:
    """Let one identity take over from itself, from many places."""
    until = time.perf_counter() + SECONDS
    packet = wire.connect(field.identities[0], secure=False)
    connects = 0

    async def fight() -> None:
        nonlocal connects
        while time.perf_counter() < until:
            stream = await field.open()
            stream.writer.write(packet)
            connects += 1
            try:
                async with asyncio.timeout(max(until - time.perf_counter(), 0.01)):
                    while await stream.reader.read(100):
                        pass
            except (TimeoutError, ConnectionError):
                pass
            stream.close()

    await asyncio.gather(*(fight() for _ in range(50)))
    return f"{connects} connects in {SECONDS:g} s"


async def storm(field: Field) -> str:
    """Connect a thousand times a second, every other time with a wrong password, and leave after a second."""
    start = time.perf_counter()
    count = int(SECONDS * 1000)
    answers = {"in": 0, "refused": 0}

    async def visit(number: int) -> None:
        await asyncio.sleep(max(0.0, start + number / 1000 - time.perf_counter()))
        identity = field.identities[number % len(field.identities)]
        if number % 2:
            identity = identity._replace(device_secret="0" * 32)
        stream = await field.open()
        stream.writer.write(wire.connect(identity, secure=False))
        answer = await stream.reader.readexactly(4)
        answers["refused" if answer[3] else "in"] += 1
        await asyncio.sleep(1)
        stream.close()

    await asyncio.gather(*(visit(number) for number in range(count)))
    return f"{answers} in {time.perf_counter() - start:.1f} s"


async def slow_connects(field: Field) -> str:
    """Send half a CONNECT, many times."""
    streams = await _many(field, 5_000, "mqtt", wire.connect(field.identities[0], secure=False)[:-1])
    return await _until_closed(streams)


async def slow_handshakes(field: Field) -> str:
    """Begin TLS, many times."""
    streams = await _many(field, 3_000, "mqtt_tls", client_hello("localhost"))
    return await _until_closed(streams)


async def silence(field: Field) -> str:
    """Connect with the shortest keep alive, and say nothing any more, as half-open connections do."""
    streams = []
    for start in range(0, 2_000, 100):
        some = field.identities[start : start + 100]
        streams += await asyncio.gather(*(field.device(item, keepalive=_SILENT_KEEPALIVE_S) for item in some))
    return await _until_closed(streams)


async def deafness(field: Field) -> str:
    """Ping without end, which has to be answered, and read nothing."""
    packets = b"\xc0\x00" * 8_000
    closed = 0

    async def ask(identity: Identity) -> None:
        nonlocal closed
        stream = await field.device(identity, window=4096)
        stream.writer.transport.pause_reading()  # type: ignore[attr-defined]
        try:
            async with asyncio.timeout(5 * SECONDS):
                while not stream.writer.transport.is_closing():
                    stream.writer.write(packets)
                    await stream.writer.drain()
                    await asyncio.sleep(0.001)
        except TimeoutError:
            stream.close()
            return
        except ConnectionError:
            pass
        closed += 1

    await asyncio.gather(*(ask(identity) for identity in field.identities[:6]))
    return f"{closed} closed"


async def unacknowledged(field: Field) -> str:
    """Publish with QoS 1 to devices that acknowledge nothing: more than may wait, and once more later."""
    identities = field.identities[:8]
    streams = []
    for identity in identities:
        stream = await field.device(identity)
        topic = f"/{identity.product_key}/{identity.device_name}/user/get".encode()
        body = b"\x00\x01" + len(topic).to_bytes(2, "big") + topic + b"\x01"
        stream.writer.write(b"\x82" + bytes([len(body)]) + body)
        await stream.reader.readexactly(5)
        streams.append(stream)
    ending = [asyncio.ensure_future(stream.ended()) for stream in streams]
    content = base64.b64encode(bytes(60_000)).decode()
    async with caller(field.node) as cloud:

        async def publish(rounds: int) -> None:
            for _ in range(rounds):
                for item in identities:
                    topic = f"/{item.product_key}/{item.device_name}/user/get"
                    await cloud.call(
                        "Pub", ProductKey=item.product_key, TopicFullName=topic, MessageContent=content, Qos="1"
                    )

        await publish(20_000_000 // 60_000)
        await asyncio.sleep(_UNACKNOWLEDGED_S)
        await publish(1)
    ends = await asyncio.gather(*ending)
    return f"{sum(ends)} closed"


async def oversize(field: Field) -> str:
    """Announce packets of 256 MB, before and after the CONNECT, and send some that are only a little too large."""
    streams = await _many(field, 500, "mqtt", b"\x10\xff\xff\xff\x7f" + b"x" * 1000)
    for identity in field.identities[:500]:
        stream = await field.device(identity)
        topic = f"/{identity.product_key}/{identity.device_name}/user/update".encode()
        is_slight = len(streams) % 5 == 0
        stream.writer.write(wire.publish(topic, bytes(262_145), 1) if is_slight else b"\x30\xff\xff\xff\x7f")
        streams.append(stream)
    return await _until_closed(streams)


async def slow_bodies(field: Field) -> str:
    """Send most of a long request, and the rest a byte at a time."""
    form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000\r\n"
    head = b"POST / HTTP/1.1\r\nHost: x\r\n" + form + b"\r\n"
    streams = await _many(field, 2_000, "api", head + b"x" * 100_000)

    async def drip(stream: Stream) -> None:
        while not stream.writer.transport.is_closing():
            stream.writer.write(b"x")
            await asyncio.sleep(5)

    drips = [asyncio.ensure_future(drip(stream)) for stream in streams]
    told = await _until_closed(streams)
    for item in drips:
        item.cancel()
    return told


async def _many(field: Field, count: int, endpoint: str, data: bytes) -> list[Stream]:
    streams = []
    for start in range(0, count, 100):
        some = await asyncio.gather(*(field.open(endpoint) for _ in range(min(100, count - start))))
        for stream in some:
            stream.writer.write(data)
        streams += some
    return streams


async def _until_closed(streams: list[Stream]) -> str:
    start = time.perf_counter()
    ends = await asyncio.gather(*(stream.ended() for stream in streams))
    seconds = time.perf_counter() - start
    for stream in streams:
        stream.close()
    return f"{sum(ends)} of {len(streams)} closed by the node, the last after {seconds:.0f} s"

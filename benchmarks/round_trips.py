"""RRpc: synchronous calls from back ends to devices."""

import asyncio
import base64
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.calls import Caller, caller
from benchmarks.figures import Figure, Goal, percentile
from benchmarks.node import BenchmarkError, Fleet, Node
from thingplane.simulator import wire
from thingplane.simulator.wire import Identity

RATE: Final = 200
"""Calls a second."""
CALLERS: Final = 8
DEVICES: Final = 50
WARMUP_S: Final = 1.0
MEASURE_S: Final = 8.0
_REQUEST: Final = "/rrpc/request/"
_QUESTION: Final = base64.b64encode(b"how are you?").decode()
_ANSWER: Final = b"fine"


class _Device(asyncio.Protocol):
    """Answers every question at once."""

    def __init__(self, identity: Identity) -> None:
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._identity = identity
        self._reader = wire.Reader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(wire.connect(self._identity, secure=False))

    def data_received(self, data: bytes) -> None:
        for packet in self._reader.feed(data):
            if packet.kind == wire.CONNACK:
                self.connected.set_result(None)
            elif packet.kind == wire.PUBLISH and self._transport is not None:
                topic, _, _ = wire.topic_and_payload(packet)
                if _REQUEST in topic:
                    answered = topic.replace(_REQUEST, "/rrpc/response/").encode()
                    self._transport.write(wire.publish(answered, _ANSWER, None))

    def close(self) -> None:
        """Disconnect."""
        if self._transport is not None:
            self._transport.close()


def round_trips(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure the time of RRpc calls at a fixed rate, over several connections."""
    results = []
    for _ in range(runs):
        with fleet.node() as node:
            results.append(uvloop.run(_measure(fleet, node)))
    for share, name, goal in ((0.99, "p99", Goal(10, 3, less_is_better=True)), (0.5, "p50", None)):
        yield Figure(f"RRpc at {RATE}/s, {name}", "ms", [percentile(waits, share) * 1e3 for waits in results], goal)


async def _measure(fleet: Fleet, node: Node) -> list[float]:
    address = urlsplit(node.ready.endpoints["mqtt"])
    loop = asyncio.get_running_loop()
    identities = fleet.identities[:DEVICES]
    devices = []
    for identity in identities:
        _, device = await loop.create_connection(partial(_Device, identity), address.hostname or "", address.port or 0)
        devices.append(device)
    await asyncio.gather(*(device.connected for device in devices))
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(caller(node)) for _ in range(CALLERS)]
        await asyncio.gather(*(_ask(one, identities, WARMUP_S) for one in callers))
        waits = await asyncio.gather(*(_ask(one, identities, MEASURE_S) for one in callers))
    for device in devices:
        device.close()
    return [wait for some in waits for wait in some]


async def _ask(cloud: Caller, identities: list[Identity], seconds: float) -> list[float]:
    waits = []
    start = time.perf_counter()
    count = round(seconds * RATE / CALLERS)
    for number in range(count):
        due = start + number * CALLERS / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        one = identities[number % len(identities)]
        answer = await cloud.call(
            "RRpc",
            ProductKey=one.product_key,
            DeviceName=one.device_name,
            RequestBase64Byte=_QUESTION,
            Timeout=5000,
        )
        if base64.b64decode(answer.body["PayloadBase64Byte"]) != _ANSWER:
            raise BenchmarkError(f"a wrong answer: {answer.body}")
        waits.append(answer.seconds)
    return waits

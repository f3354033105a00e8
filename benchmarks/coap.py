"""Posts over CoAP in the symmetric mode: encrypted sequence numbers and payloads, one post in flight on each device."""

import asyncio
import hmac
import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.figures import Figure, Goal
from benchmarks.node import BenchmarkError, Fleet, Node
from benchmarks.processes import cpu_seconds
from thingplane.coap import Code, Message, Number, Type
from thingplane.coap.message import decode
from thingplane.coap_access.encryption import Key
from thingplane.simulator.wire import Identity

DEVICES: Final = 64
WARMUP_S: Final = 1.0
MEASURE_S: Final = 5.0
_TOKEN, _SEQUENCE = 2088, 2089
_POST: Final = b'{"id":"%d","version":"1.0","params":{"Temperature":21.5,"Humidity":40,"Heating":1}}'


class _Result(NamedTuple):
    posts: int
    wall_s: float
    node_s: float


class _Device(asyncio.DatagramProtocol):
    """Posts as soon as the previous post is answered."""

    def __init__(self, identity: Identity) -> None:
        self.answered = 0
        self.fault = ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._identity = identity
        self._transport: asyncio.DatagramTransport | None = None
        self._key: Key | None = None
        self._number = 1
        self._options: list[tuple[int, bytes]] = []
        self._stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        product_key, name, secret = self._identity
        content = {"clientId": "bench", "deviceName": name, "productKey": product_key, "seq": "10"}
        text = "".join(key + content[key] for key in sorted(content))
        sign = hmac.digest(secret.encode(), text.encode(), "sha256").hex()
        body = json.dumps({**content, "signmethod": "hmacsha256", "sign": sign}).encode()
        self._send([(Number.URI_PATH, b"auth")], body)

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ARG002 - asyncio's signature
        message = decode(data)
        if message.code != Code.CONTENT:
            self.fault = self.fault or f"an answer with code {message.code:#x}"
        if self._key is None:
            answer = json.loads(message.payload)
            self._key = Key(self._identity.device_secret, answer["random"])
            names = ("topic", "sys", self._identity.product_key, self._identity.device_name)
            levels = (*names, "thing", "event", "property", "post")
            self._options = [(int(Number.URI_PATH), level.encode()) for level in levels]
            self._options.append((_TOKEN, answer["token"].encode()))
            self.ready.set_result(None)
            return
        self.answered += 1
        if not self._stopped:
            self.post()

    def post(self) -> None:
        """Post three properties."""
        if self._key is not None:
            self._number += 1
            sequence = (_SEQUENCE, self._key.encrypt(b"%d" % self._number))
            self._send([*self._options, sequence], self._key.encrypt(_POST % self._number))

    def stop(self) -> None:
        """Post nothing more."""
        self._stopped = True
        if self._transport is not None:
            self._transport.close()

    def _send(self, options: list[tuple[int, bytes]], payload: bytes) -> None:
        message = Message(Type.CON, Code.POST, self._number & 0xFFFF, b"b", options, payload)
        if self._transport is not None:
            self._transport.sendto(message.encode())


def coap(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure posts that are stored and answered."""
    results = []
    for _ in range(runs):
        with fleet.node() as node:
            results.append(uvloop.run(_measure(fleet, node)))
    values = [result.posts / result.node_s for result in results]
    yield Figure("CoAP posts, symmetric mode, per server CPU-second", "posts/cpu-s", values, Goal(10_000, 15_000))
    yield Figure("… per second", "posts/s", [result.posts / result.wall_s for result in results])


async def _measure(fleet: Fleet, node: Node) -> _Result:
    address = urlsplit(node.ready.endpoints["coap"])
    loop = asyncio.get_running_loop()
    devices = []
    for identity in fleet.identities[:DEVICES]:
        remote = (address.hostname or "", address.port or 0)
        _, device = await loop.create_datagram_endpoint(partial(_Device, identity), remote_addr=remote)
        devices.append(device)
        await asyncio.wait_for(device.ready, 5)
    for device in devices:
        device.post()
    await asyncio.sleep(WARMUP_S)
    start, first, cpu = time.perf_counter(), _answered(devices), cpu_seconds(node.pid)
    await asyncio.sleep(MEASURE_S)
    result = _Result(_answered(devices) - first, time.perf_counter() - start, cpu_seconds(node.pid) - cpu)
    for device in devices:
        device.stop()
    faults = [device.fault for device in devices if device.fault]
    if faults or not result.posts:
        raise BenchmarkError(faults[0] if faults else "nothing was answered")
    return result


def _answered(devices: list[_Device]) -> int:
    return sum(device.answered for device in devices)

"""Devices with a data format of their own: their posts and the replies go through a JavaScript of the product."""

import asyncio
import struct
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks.calls import Caller, caller
from benchmarks.figures import Figure, Goal
from benchmarks.node import BenchmarkError, Fleet, Node
from benchmarks.processes import children, cpu_seconds
from thingplane.cli.fleet import THERMOSTAT
from thingplane.simulator import wire
from thingplane.simulator.wire import Identity

CONNECTIONS: Final = 200
WARMUP_S: Final = 1.0
MEASURE_S: Final = 5.0

SCRIPT: Final = """
function rawDataToProtocol(bytes) {
    var view = new DataView(new Uint8Array(bytes).buffer);
    return {
        method: 'thing.event.property.post', version: '1.0', id: String(view.getUint32(0)),
        params: { Temperature: view.getInt16(4) / 10, Humidity: view.getUint8(6), Heating: view.getUint8(7) }
    };
}
function protocolToRawData(reply) {
    var id = Number(reply.id);
    return [id >>> 24, id >>> 16 & 255, id >>> 8 & 255, id & 255, reply.code == 200 ? 0 : 1];
}
"""
_POST: Final = struct.Struct(">IhBB")
_ACCEPTED: Final = b"\0"


class _Result(NamedTuple):
    posts: int
    wall_s: float
    workers_s: float
    """CPU-seconds of the processes that run scripts."""
    node_s: float
    """Those of everything."""


class Device(asyncio.Protocol):
    """Posts as soon as the previous post has its reply."""

    def __init__(self, identity: Identity) -> None:
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_closed_loop = True
        """Whether a reply makes it post again."""
        self.posted = 0
        self.answered = 0
        self.fault = ""
        """What went wrong; empty while nothing has."""
        self._identity = identity
        self._topic = f"/sys/{identity.product_key}/{identity.device_name}/thing/model/up_raw".encode()
        self._reader = wire.Reader()
        self._transport: asyncio.Transport | None = None
        self._stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(wire.connect(self._identity, secure=False))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._stopped:
            self._fail(f"a connection was lost: {exc or 'closed by the node'}")

    def data_received(self, data: bytes) -> None:
        for packet in self._reader.feed(data):
            if packet.kind == wire.CONNACK:
                if packet.body[1]:
                    self._fail(f"a device was refused with CONNACK {packet.body[1]}")
                else:
                    self.connected.set_result(None)
            elif packet.kind == wire.PUBLISH:
                self.answered += 1
                if packet.body[-5:] != self.answered.to_bytes(4, "big") + _ACCEPTED:
                    self._fail(f"a wrong reply: {packet.body!r}")
                if self.is_closed_loop and not self._stopped:
                    self.post()

    def post(self) -> None:
        """Post three properties with QoS 1."""
        self.posted += 1
        number = self.posted
        payload = _POST.pack(number, number % 400, number % 100, number % 2)
        if self._transport is not None:
            self._transport.write(wire.publish(self._topic, payload, (number - 1) % 65535 + 1))

    def stop(self) -> None:
        """Post nothing more, and disconnect."""
        self._stopped = True
        if self._transport is not None:
            self._transport.write(wire.DISCONNECT)
            self._transport.close()

    def _fail(self, fault: str) -> None:
        self.fault = self.fault or fault
        if not self.connected.done():
            self.connected.set_exception(BenchmarkError(fault))


def script_path(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure raw posts with QoS 1, one in flight on each connection; each takes two calls of the script."""
    results = []
    for _ in range(runs):
        with fleet.node() as node:
            results.append(uvloop.run(_measure(node)))
    yield Figure(
        "raw posts through JavaScript, with replies, per CPU-second of script workers",
        "posts/cpu-s",
        [result.posts / result.workers_s for result in results],
        Goal(5_000, 5_000),
    )
    yield Figure("… per CPU-second of all of the node", "posts/cpu-s", [one.posts / one.node_s for one in results])
    yield Figure("… per second", "posts/s", [one.posts / one.wall_s for one in results])


async def _measure(node: Node) -> _Result:
    async with caller(node) as cloud:
        identities = await raw_product(cloud, "bench_raw", SCRIPT, CONNECTIONS)
    address = urlsplit(node.ready.endpoints["mqtt"])
    loop = asyncio.get_running_loop()
    devices: list[Device] = []
    for identity in identities:
        _, device = await loop.create_connection(partial(Device, identity), address.hostname or "", address.port or 0)
        devices.append(device)
    await asyncio.gather(*(device.connected for device in devices))
    for device in devices:
        device.post()
    await asyncio.sleep(WARMUP_S)
    start, first, workers, everything = time.perf_counter(), _answered(devices), _workers(node), cpu_seconds(node.pid)
    await asyncio.sleep(MEASURE_S)
    wall_s, posts = time.perf_counter() - start, _answered(devices) - first
    result = _Result(posts, wall_s, _workers(node) - workers, cpu_seconds(node.pid) - everything)
    for device in devices:
        device.stop()
    faults = [device.fault for device in devices if device.fault]
    if faults:
        raise BenchmarkError(f"{len(faults)} devices failed, the first: {faults[0]}")
    if not result.workers_s or not posts:
        raise BenchmarkError("no script was run")
    return result


async def raw_product(cloud: Caller, name: str, script: str, count: int) -> list[Identity]:
    """Make a product of thermostats with a data format of their own, and return its devices."""
    product = await cloud.call(
        "CreateProduct",
        ProductName=name,
        NodeType=0,
        DataFormat=0,
        NetType="WIFI",
        AliyunCommodityCode="iothub_senior",
    )
    product_key: str = product.body["ProductKey"]
    model = msgspec.json.encode({"productKey": product_key, **THERMOSTAT}).decode()
    await cloud.call("CreateThingModel", ProductKey=product_key, ThingModelJson=model)
    await cloud.call("PublishThingModel", ProductKey=product_key)
    await cloud.call("CreateThingScript", ProductKey=product_key, ScriptContent=script, ScriptType="JavaScript")
    identities = []
    for number in range(count):
        answer = await cloud.call("RegisterDevice", ProductKey=product_key, DeviceName=f"raw{number:04d}")
        data: dict[str, Any] = answer.body["Data"]
        identities.append(Identity(product_key, data["DeviceName"], data["DeviceSecret"]))
    return identities


def _answered(devices: list[Device]) -> int:
    return sum(device.answered for device in devices)


def _workers(node: Node) -> float:
    """Return the CPU-seconds of the node's children: the processes that run scripts, which are all it starts."""
    return sum(cpu_seconds(pid) for pid in children(node.pid))

"""Posts for sub-devices over their gateways' connections, beside posts of devices on connections of their own."""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import uvloop

from benchmarks.figures import Figure, Goal
from benchmarks.node import BenchmarkError, Fleet, run_node
from benchmarks.processes import cpu_seconds
from thingplane.alink import signature
from thingplane.bus import LocalBus
from thingplane.clock import SystemClock
from thingplane.devices.service import DeviceService
from thingplane.products.service import NewProduct, ProductService
from thingplane.simulator import wire
from thingplane.simulator.load import Load, LoadDevice
from thingplane.simulator.wire import Identity
from thingplane.storage.database import Database, metadata_url
from thingplane.topology.service import TopologyService

GATEWAYS: Final = 100
SUB_DEVICES: Final = 20
"""Of each gateway."""
WARMUP_S: Final = 0.5
MEASURE_S: Final = 1.5
ROUNDS: Final = 3
"""The two kinds take turns, so that a busy moment of the machine hits both."""

Hub = tuple[Identity, list[Identity]]
"""A gateway and its sub-devices."""


class _Result(NamedTuple):
    per_cpu_s: float
    per_s: float


class _Poster(LoadDevice):
    """A device that posts for itself, or a gateway that posts for its sub-devices in turn; the effort is the same."""

    def __init__(self, hub: Hub, load: Load) -> None:
        super().__init__(hub[0], secure=False, latencies=load.latencies)
        self._hub = hub
        self.logged_in: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if not self.connected.done() or self.logged_in.done():
            super().data_received(data)
            return
        for packet in wire.Reader().feed(data):
            self.logged_in.set_result(wire.topic_and_payload(packet)[1])

    async def log_in(self) -> None:
        """Log all sub-devices in, and post for them from now on."""
        gateway, subs = self._hub
        if not subs:
            self.logged_in.set_result(b"")
            return
        topic = f"/ext/session/{gateway.product_key}/{gateway.device_name}/combine/batch_login"
        request = {"id": "1", "params": {"signMethod": "hmacSha256", "deviceList": [_signed(sub) for sub in subs]}}
        self.write(wire.publish(topic.encode(), json.dumps(request).encode(), None))
        answer = json.loads(await asyncio.wait_for(self.logged_in, 20))
        if answer["code"] != 200:
            raise BenchmarkError(f"sub-devices could not be logged in: {answer['code']}")
        self.speak_for(subs)


def gateway(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure QoS 1 property posts, one in flight on each of as many connections: direct, and through gateways."""
    direct: list[_Result] = []
    through: list[_Result] = []
    with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as name:
        folder = Path(name) / "prepared"
        shutil.copytree(fleet.folder, folder)
        subs = fleet.identities[: GATEWAYS * SUB_DEVICES]
        hubs = uvloop.run(_prepare(folder, subs))
        for number in range(runs):
            copy = Path(name) / f"run-{number}"
            shutil.copytree(folder, copy)
            # Sealing takes a quarter of the time now and then, and would hit one kind only.
            with run_node(copy, history_seal_rows=100_000_000) as node:
                port = urlsplit(node.ready.endpoints["mqtt"]).port or 0
                one, other = uvloop.run(_measure(node.pid, port, fleet.identities[-GATEWAYS:], hubs))
            direct.append(one)
            through.append(other)
    yield Figure("direct posts per server CPU-second", "posts/cpu-s", [result.per_cpu_s for result in direct])
    yield Figure(
        f"posts for {SUB_DEVICES} sub-devices of each of {GATEWAYS} gateways, per server CPU-second",
        "posts/cpu-s",
        [result.per_cpu_s for result in through],
    )
    yield Figure(
        "… ratio to direct posts within each run",
        "",
        [other.per_cpu_s / one.per_cpu_s for one, other in zip(direct, through, strict=True)],
        Goal(0.8, 0.95),
    )
    yield Figure("… per second", "posts/s", [result.per_s for result in through])
    yield Figure("… direct posts per second", "posts/s", [result.per_s for result in direct])


async def _prepare(folder: Path, subs: Sequence[Identity]) -> list[Hub]:
    """Attach devices to gateways while no node runs."""
    database, clock, bus = Database(metadata_url(folder, "")), SystemClock(), LocalBus()
    products = ProductService(database, clock, bus)
    service = DeviceService(database, clock, bus, products)
    topology = TopologyService(database, clock, bus, service)
    hubs: list[Hub] = []
    try:
        await service.start()
        of_subs = await products.find(subs[0].product_key)
        if of_subs is None:
            raise BenchmarkError("the product of the benchmark is not in the database")
        product = await products.create(of_subs.instance_id, NewProduct(name="bench_gateway", node_type=1))
        for number in range(GATEWAYS):
            own = list(subs[number * SUB_DEVICES : (number + 1) * SUB_DEVICES])
            hub = await service.register(product, f"hub-{number}")
            await topology.add(hub, await service.several(of_subs, [sub.device_name for sub in own]))
            hubs.append((Identity(hub.product_key, hub.name, hub.secret), own))
    finally:
        await service.close()
        await database.close()
    return hubs


async def _measure(pid: int, port: int, direct: Sequence[Identity], hubs: Sequence[Hub]) -> tuple[_Result, _Result]:
    alone, together = await _connect(port, [(identity, []) for identity in direct]), await _connect(port, hubs)
    rounds = [(await _rate(alone, pid), await _rate(together, pid)) for _ in range(ROUNDS)]
    for load in (alone, together):
        lost, failed = load.lost, load.failed
        load.close()
        if lost or failed:
            raise BenchmarkError(f"{lost} connections were lost and {failed} posts refused under load")
    return _mean([one for one, _ in rounds]), _mean([other for _, other in rounds])


async def _connect(port: int, hubs: Sequence[Hub]) -> Load:
    load = Load()
    for hub in hubs:
        device = _Poster(hub, load)
        await asyncio.get_running_loop().create_connection(lambda device=device: device, "127.0.0.1", port)  # type: ignore[misc]
        await device.connected
        await device.log_in()
        load.devices.append(device)
    return load


def _mean(results: Sequence[_Result]) -> _Result:
    return _Result(*(sum(values) / len(results) for values in zip(*results, strict=True)))


async def _rate(load: Load, pid: int) -> _Result:
    load.start_closed_loop(1)
    await asyncio.sleep(WARMUP_S)
    start, cpu, answered = time.perf_counter(), cpu_seconds(pid), load.answered
    await asyncio.sleep(MEASURE_S)
    wall_s, cpu_s, posts = time.perf_counter() - start, cpu_seconds(pid) - cpu, load.answered - answered
    load.stop()
    await asyncio.sleep(0.2)
    return _Result(posts / cpu_s, posts / wall_s)


def _signed(sub: Identity) -> dict[str, str]:
    fields = {
        "productKey": sub.product_key,
        "deviceName": sub.device_name,
        "clientId": f"{sub.product_key}.{sub.device_name}",
        "timestamp": "1600000000000",
    }
    sign = signature(sub.device_secret, "hmacSha256", fields) or ""
    return {**fields, "sign": sign, "cleanSession": "true"}

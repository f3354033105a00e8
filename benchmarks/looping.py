"""A script that never ends, on one product: what devices of another product notice of it."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import uvloop

from benchmarks.calls import Caller, caller
from benchmarks.figures import Figure, Goal, percentile
from benchmarks.node import BenchmarkError, Fleet, Node
from benchmarks.script_path import SCRIPT, Device, raw_product
from thingplane.simulator.wire import Identity

DEVICES: Final = 100
LOOPING: Final = 8
INTERVAL_S: Final = 0.2
"""Between two posts of a device: 500 posts a second that have to be answered, 40 that cannot be."""
WARMUP_S: Final = 2.0
MEASURE_S: Final = 8.0

ENDLESS: Final = "function rawDataToProtocol(bytes) { while (true) {} }"


class _Paced(Device):
    """Posts at a rate of its own, whatever is answered, and takes the time until the reply."""

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity)
        self.is_closed_loop = False
        self.waits: list[float] = []
        self._since: dict[int, float] = {}

    def data_received(self, data: bytes) -> None:
        before = self.answered
        super().data_received(data)
        now = time.perf_counter()
        for number in range(before + 1, self.answered + 1):
            self.waits.append(now - self._since.pop(number))

    async def run(self, seconds: float) -> None:
        """Post for so long."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self.post()
            self._since[self.posted] = time.perf_counter()
            await asyncio.sleep(INTERVAL_S)


def looping(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Compare replies to one product's raw posts without and with another product's endless script."""
    pairs = []
    for _ in range(runs):
        with fleet.node() as node:
            pairs.append(uvloop.run(_measure(node)))
    yield Figure("raw posts at 500/s, reply p99", "ms", [quiet * 1e3 for quiet, _ in pairs])
    yield Figure(
        "… beside a product whose script never ends", "of undisturbed", [busy / quiet for quiet, busy in pairs],
        Goal(2.0, 1.5, less_is_better=True),
    )  # fmt: skip


async def _measure(node: Node) -> tuple[float, float]:
    """Return the p99 in seconds, undisturbed and disturbed."""
    async with caller(node) as cloud:
        calm = await _connect(node, await raw_product(cloud, "bench_calm", SCRIPT, DEVICES))
        endless = await _connect(node, await _endless(cloud))
    await _run(calm, WARMUP_S)
    quiet = await _run(calm, MEASURE_S)
    disturbance = asyncio.gather(*(device.run(WARMUP_S + MEASURE_S) for device in endless))
    await _run(calm, WARMUP_S)
    busy = await _run(calm, MEASURE_S)
    await disturbance
    if any(device.answered for device in endless):
        raise BenchmarkError("the script that never ends has ended")
    for device in (*calm, *endless):
        device.stop()
    faults = [device.fault for device in (*calm, *endless) if device.fault]
    if faults:
        raise BenchmarkError(f"{len(faults)} devices failed, the first: {faults[0]}")
    return quiet, busy


async def _endless(cloud: Caller) -> list[Identity]:
    return await raw_product(cloud, "bench_endless", ENDLESS, LOOPING)


async def _connect(node: Node, identities: Sequence[Identity]) -> list[_Paced]:
    address = urlsplit(node.ready.endpoints["mqtt"])
    loop = asyncio.get_running_loop()
    devices = []
    for identity in identities:
        _, device = await loop.create_connection(partial(_Paced, identity), address.hostname or "", address.port or 0)
        devices.append(device)
    await asyncio.gather(*(device.connected for device in devices))
    return devices


async def _run(devices: Sequence[_Paced], seconds: float) -> float:
    """Let devices post for so long, begun one after the other; return the p99 of their replies in seconds."""

    async def begin(number: int, device: _Paced) -> None:
        await asyncio.sleep(INTERVAL_S * number / len(devices))
        await device.run(seconds)

    for device in devices:
        device.waits.clear()
    await asyncio.gather(*(begin(number, device) for number, device in enumerate(devices)))
    return percentile([wait for device in devices for wait in device.waits], 0.99)

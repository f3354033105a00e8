"""The cloud API: signed calls of QueryDeviceDetail over two connections that stay open."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import uvloop

from benchmarks.figures import Figure, Goal, percentile
from benchmarks.node import BenchmarkError, Fleet, Node
from benchmarks.processes import cpu_seconds
from thingplane.cli.target import target
from thingplane.clock import SystemClock
from thingplane.cloud.client import Signer
from thingplane.simulator.wire import Identity

CONNECTIONS: Final = 2
CALLS: Final = 15_000
DEVICES: Final = 500
"""Devices the calls ask for. The warm-up has asked for all of them, so they are in the node's memory."""
_COLD_CALLS: Final = 3_000


class _Result(NamedTuple):
    per_cpu_s: float
    latencies_s: Sequence[float]


def api(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure signed calls for devices in memory, and for such that have to be read from the database."""
    warm, cold = [], []
    for _ in range(runs):
        with fleet.node() as node:
            one, other = _measure(fleet, node)
            warm.append(one)
            cold.append(other)
    goal = Goal(4_000, 10_000)
    yield Figure(
        "signed QueryDeviceDetail per server CPU-second", "calls/cpu-s", [result.per_cpu_s for result in warm], goal
    )
    p50, p99 = ([percentile(result.latencies_s, share) * 1000 for result in warm] for share in (0.5, 0.99))
    yield Figure(f"… at {CONNECTIONS} connections, p99", "ms", p99, Goal(5, 2, less_is_better=True))
    yield Figure("… p50", "ms", p50)
    yield Figure(
        "… for devices that are not in memory, per CPU-second", "calls/cpu-s", [result.per_cpu_s for result in cold]
    )


def _measure(fleet: Fleet, node: Node) -> tuple[_Result, _Result]:
    endpoint = urlsplit(node.ready.endpoints["api"])
    _, key, secret = target(node.folder, None, None, None)
    signer = Signer(key, secret, host=endpoint.netloc, clock=SystemClock())
    known, unknown = fleet.identities[:DEVICES], fleet.identities[DEVICES : DEVICES + _COLD_CALLS]
    # Signed beforehand, so that the client does not compete for the CPU more than it has to.
    warm_up, warm, cold = (
        [_request(signer, identity) for identity in identities]
        for identities in (known, random.Random(1).choices(known, k=CALLS), unknown)
    )

    async def timed(requests: Sequence[bytes]) -> _Result:
        cpu = cpu_seconds(node.pid)
        latencies = await _share(requests, endpoint.hostname or "", endpoint.port or 0)
        return _Result(len(requests) / (cpu_seconds(node.pid) - cpu), latencies)

    async def call_all() -> tuple[_Result, _Result]:
        await timed(warm_up)
        return await timed(warm), await timed(cold)

    return uvloop.run(call_all())


def _request(signer: Signer, identity: Identity) -> bytes:
    names = {"ProductKey": identity.product_key, "DeviceName": identity.device_name}
    request = signer.sign("QueryDeviceDetail", names)
    headers = {**request.headers, "content-length": str(len(request.body))}
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + request.body


async def _share(requests: Sequence[bytes], host: str, port: int) -> list[float]:
    shares = [requests[number::CONNECTIONS] for number in range(CONNECTIONS)]
    latencies = await asyncio.gather(*(_call(share, host, port) for share in shares))
    return [latency for share in latencies for latency in share]


async def _call(requests: Sequence[bytes], host: str, port: int) -> list[float]:
    """Send one request after the other on one connection; return the seconds until each answer was complete."""
    reader, writer = await asyncio.open_connection(host, port)
    latencies = []
    for request in requests:
        start = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        latencies.append(time.perf_counter() - start)
        if b'"Success":true' not in body:
            raise BenchmarkError(f"QueryDeviceDetail failed: {body[:200]!r}")
    writer.close()
    await writer.wait_closed()
    return latencies

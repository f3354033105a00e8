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

CONNECTIONS: Final = 2
CALLS: Final = 15_000
_WARMUP: Final = 1_000


class _Result(NamedTuple):
    per_cpu_s: float
    latencies_s: Sequence[float]


def api(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure signed calls for random devices."""
    results = []
    for _ in range(runs):
        with fleet.node() as node:
            results.append(_measure(fleet, node))
    per_cpu_s = [result.per_cpu_s for result in results]
    yield Figure("signed QueryDeviceDetail per server CPU-second", "calls/cpu-s", per_cpu_s, Goal(4_000, 10_000))
    p50, p99 = ([percentile(result.latencies_s, share) * 1000 for result in results] for share in (0.5, 0.99))
    yield Figure(f"… at {CONNECTIONS} connections, p99", "ms", p99, Goal(5, 2, less_is_better=True))
    yield Figure("… p50", "ms", p50)


def _measure(fleet: Fleet, node: Node) -> _Result:
    endpoint = urlsplit(node.ready.endpoints["api"])
    requests = _sign(fleet, node, endpoint.netloc)
    host, port = endpoint.hostname or "", endpoint.port or 0

    async def call_all() -> _Result:
        await _share(requests[:_WARMUP], host, port)
        cpu = cpu_seconds(node.pid)
        latencies = await _share(requests[_WARMUP:], host, port)
        return _Result(CALLS / (cpu_seconds(node.pid) - cpu), latencies)

    return uvloop.run(call_all())


def _sign(fleet: Fleet, node: Node, host: str) -> list[bytes]:
    """Return signed requests, made beforehand so that the client does not compete for the CPU more than it has to."""
    _, key, secret = target(node.folder, None, None, None)
    signer = Signer(key, secret, host=host, clock=SystemClock())
    chosen = random.Random(1)
    requests = []
    for _ in range(_WARMUP + CALLS):
        identity = chosen.choice(fleet.identities)
        names = {"ProductKey": identity.product_key, "DeviceName": identity.device_name}
        request = signer.sign("QueryDeviceDetail", names)
        headers = {**request.headers, "content-length": str(len(request.body))}
        lines = [
            f"{request.method} {request.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        requests.append("\r\n".join([*lines, "", ""]).encode() + request.body)
    return requests


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

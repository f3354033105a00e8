"""Connections: what it costs to let a device in, and how much memory it takes while it is idle."""

import asyncio
import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import uvloop

from benchmarks.figures import Figure, Goal
from benchmarks.node import Fleet, Node
from benchmarks.processes import cpu_seconds, memory
from thingplane.simulator.load import Load

TLS_CONNECTIONS: Final = 10_000
_SETTLE_S: Final = 1.0
"""Time for the database to learn who is online."""


class _Result(NamedTuple):
    first_per_cpu_s: float
    again_per_cpu_s: float
    bytes_each: float


def connections(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure connecting and holding connections, plain and over TLS."""
    plain = [_measure(fleet, len(fleet.identities), tls=False) for _ in range(runs)]
    again = [result.again_per_cpu_s for result in plain]
    first = [result.first_per_cpu_s for result in plain]
    yield Figure("connect + authenticate, per server CPU-second", "connects/cpu-s", again, Goal(8_000, 20_000))
    yield Figure("… for the first time since the node started", "connects/cpu-s", first)
    sizes = [result.bytes_each / 1000 for result in plain]
    yield Figure("memory of an idle connection, plain", "kB", sizes, Goal(10, 3, less_is_better=True))
    secure = [_measure(fleet, TLS_CONNECTIONS, tls=True) for _ in range(runs)]
    sizes = [result.bytes_each / 1000 for result in secure]
    yield Figure("memory of an idle connection, TLS", "kB", sizes, Goal(40, 28, less_is_better=True))
    again = [result.again_per_cpu_s for result in secure]
    yield Figure("connect + authenticate over TLS, per server CPU-second", "connects/cpu-s", again)


def _measure(fleet: Fleet, count: int, *, tls: bool) -> _Result:
    with fleet.node() as node:
        return uvloop.run(_connect_twice(fleet, node, count, tls=tls))


async def _connect_twice(fleet: Fleet, node: Node, count: int, *, tls: bool) -> _Result:
    address = urlsplit(node.ready.endpoints["mqtt_tls" if tls else "mqtt"])
    context = ssl.create_default_context(cafile=node.ready.ca_certificate) if tls else None

    async def connect(load: Load) -> float:
        cpu = cpu_seconds(node.pid)
        await load.connect(fleet.identities[:count], address.hostname or "", address.port or 0, context)
        await asyncio.sleep(_SETTLE_S)
        return count / (cpu_seconds(node.pid) - cpu)

    # One connection and its end beforehand, so that what the node allocates only once does not count.
    load = Load()
    await load.connect(fleet.identities[:1], address.hostname or "", address.port or 0, context)
    load.close()
    await asyncio.sleep(_SETTLE_S)
    before = memory(node.pid)
    load = Load()
    first = await connect(load)
    bytes_each = (memory(node.pid) - before) / count
    load.close()
    await asyncio.sleep(2 * _SETTLE_S)
    load = Load()
    again = await connect(load)
    load.close()
    return _Result(first, again, bytes_each)

"""A reconnect storm: all devices lose their connections and come back at the same moment."""

import asyncio
import ssl
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import uvloop

from benchmarks.figures import Figure, Goal
from benchmarks.node import BenchmarkError, Fleet, Node
from thingplane.simulator.load import Load

AT_ONCE: Final = 1_000
"""Connections that are being opened at any time: more would wait in the kernel's queue of the listener anyway."""
_PATIENCE_S: Final = 60


def storm(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure the time until every device is connected again and has a post of its own answered."""
    for name, tls in (("plain", False), ("TLS", True)):
        seconds = []
        for _ in range(runs):
            with fleet.node() as node:
                seconds.append(uvloop.run(_measure(fleet, node, tls=tls)))
        title = f"{len(fleet.identities):,} devices back after a storm, {name}"
        yield Figure(title, "s", seconds, Goal(15, 8, less_is_better=True))


async def _measure(fleet: Fleet, node: Node, *, tls: bool) -> float:
    address = urlsplit(node.ready.endpoints["mqtt_tls" if tls else "mqtt"])
    context = ssl.create_default_context(cafile=node.ready.ca_certificate) if tls else None

    async def everybody() -> Load:
        load = Load()
        await load.connect(fleet.identities, address.hostname or "", address.port or 0, context, at_once=AT_ONCE)
        return load

    before = await everybody()
    # Nobody says goodbye in a storm, and the node may still believe in the old connections when the new ones come.
    before.close()
    start = time.perf_counter()
    load = await everybody()
    now = time.perf_counter()
    for device in load.devices:
        device.post(now)
    async with asyncio.timeout(_PATIENCE_S):
        while load.answered < len(load.devices):
            if load.lost or load.failed:
                raise BenchmarkError(f"{load.lost} connections were lost and {load.failed} posts refused")
            await asyncio.sleep(0.01)
    seconds = time.perf_counter() - start
    load.close()
    return seconds

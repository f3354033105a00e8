"""History: the last 100 points of a property, with little and with much stored."""

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.figures import Figure, Goal, percentile
from benchmarks.node import Fleet
from thingplane.clock import SystemClock
from thingplane.storage.timeseries import Kind
from thingplane.storage.timeseries.embedded.store import EmbeddedTimeSeries

DEVICES: Final = 100
PROPERTIES: Final = 10
"""Points of one message. A point is a row of the sealed files."""
SIZES: Final = (100_000, 10_000_000)
LAST: Final = 100
QUERIES: Final = 1_000
_BATCH: Final = 500
_DAYS: Final = 20
_DAY_MS: Final = 86_400_000


def history(fleet: Fleet, runs: int) -> Iterator[Figure]:  # noqa: ARG001 - every benchmark gets the fleet
    """Measure queries for random devices on a store in this process, without the API in front of it."""
    p50: dict[int, list[float]] = {}
    p99: dict[int, list[float]] = {}
    for points in SIZES:
        with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as folder:
            latencies = uvloop.run(_measure(Path(folder), points, runs))
        p50[points], p99[points] = ([percentile(run, share) * 1000 for run in latencies] for share in (0.5, 0.99))
        goal = Goal(10, 2, less_is_better=True)
        yield Figure(f"last {LAST} points of a property, {points:.0e} stored, p99", "ms", p99[points], goal)
        yield Figure("… p50", "ms", p50[points])
    growth = [much / little for little, much in zip(*p99.values(), strict=True)]
    yield Figure("… growth from one to the other", "times", growth, Goal(3, 1, less_is_better=True))


async def _measure(folder: Path, points: int, runs: int) -> list[list[float]]:
    clock = SystemClock()
    store = EmbeddedTimeSeries(folder, clock)
    await store.open()
    try:
        now = clock.now_ms()
        messages = points // PROPERTIES
        sealed = messages * 9 // 10
        await _fill(store, range(sealed), messages, now)
        await store.seal()
        await _fill(store, range(sealed, messages), messages, now)
        return [await _query(store, now, seed) for seed in range(runs)]
    finally:
        await store.close()


async def _fill(store: EmbeddedTimeSeries, numbers: range, messages: int, now: int) -> None:
    """Store some of all messages, which come from the devices in turn, evenly over the last days."""
    names = [f"property{number}" for number in range(PROPERTIES)]
    first = now - _DAYS * _DAY_MS
    for number in numbers:
        received = first + number * _DAYS * _DAY_MS // messages
        values = ",".join([f'"{name}":{number % 997}' for name in names])
        store.append(1 + number % DEVICES, Kind.PROPERTY, received, f"{{{values}}}".encode())
        if number % _BATCH == _BATCH - 1:
            store.commit(_durable)
            await asyncio.sleep(0)
    store.commit(_durable)


def _durable(error: BaseException | None) -> None:
    if error is not None:
        raise error


async def _query(store: EmbeddedTimeSeries, now: int, seed: int) -> list[float]:
    """Return the seconds of each query."""
    chosen = random.Random(seed)
    latencies = []
    for _ in range(QUERIES):
        device, name = chosen.randint(1, DEVICES), f"property{chosen.randrange(PROPERTIES)}"
        start = time.perf_counter()
        found = await store.query(device, Kind.PROPERTY, [name], 0, now, LAST, ascending=False)
        latencies.append(time.perf_counter() - start)
        if len(found) < LAST:
            raise RuntimeError("the store has lost points")
    return latencies

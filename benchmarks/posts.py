"""Property posts: what they cost, alone and beside mosquitto, and how long their replies take."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import uvloop

from benchmarks import peer
from benchmarks.disk import sync_times_s
from benchmarks.figures import Figure, Goal, percentile
from benchmarks.node import BenchmarkError, Fleet
from benchmarks.processes import cpu_seconds
from thingplane.simulator.load import Load

CONNECTIONS: Final = 500
WARMUP_S: Final = 1.0
MEASURE_S: Final = 5.0
RATE: Final = 5000
_CYCLE_TIMEOUT_S: Final = 60


class _Result(NamedTuple):
    posts: int
    wall_s: float
    cpu_s: float
    latencies_s: list[float]

    @property
    def per_cpu_s(self) -> float:
        return self.posts / self.cpu_s


def posts(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure the full path of QoS 1 property posts with one in flight on each connection.

    The node is measured over a whole cycle of its history, from the end of one sealing to the end of the next, because
    sealing costs as much as a quarter of the rest and takes place once in 250,000 messages only.
    """
    program = peer.command()
    ours: list[_Result] = []
    theirs: list[_Result] = []
    for _ in range(runs):
        ours.append(_on_node(fleet, None))
        if program is not None:
            theirs.append(_on_peer(fleet, program))
    yield Figure(
        "property posts, full path, QoS 1, per server CPU-second",
        "posts/cpu-s",
        [result.per_cpu_s for result in ours],
        Goal(25_000, 45_000),
    )
    yield Figure("… of one load generator per second", "posts/s", [result.posts / result.wall_s for result in ours])
    if program is None:
        print(peer.HINT, file=sys.stderr)
        return
    yield Figure("PUBACKs of mosquitto per server CPU-second", "posts/cpu-s", [result.per_cpu_s for result in theirs])
    yield Figure(
        "… ratio within each pair of runs",
        "",
        [our.per_cpu_s / their.per_cpu_s for our, their in zip(ours, theirs, strict=True)],
        Goal(0.30, 0.50),
    )


def latency(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure the time from when a post is due to its complete answer, at a steady rate."""
    results, syncs = [], []
    for _ in range(runs):
        syncs.append(percentile(sync_times_s(), 0.99) * 1000)
        results.append(_on_node(fleet, RATE))
    p50, p99, p999 = (
        [percentile(result.latencies_s, share) * 1000 for result in results] for share in (0.5, 0.99, 0.999)
    )
    yield Figure(f"reply at {RATE} posts/s, p99", "ms", p99, Goal(20, 5, less_is_better=True))
    yield Figure("… p50", "ms", p50)
    yield Figure("… p99.9", "ms", p999)
    yield Figure("… fdatasync of the same disk just before, p99", "ms", syncs)


def _on_node(fleet: Fleet, rate: float | None) -> _Result:
    with fleet.node() as node:
        port = urlsplit(node.ready.endpoints["mqtt"]).port or 0
        folder = None if rate else node.folder / "history"
        return uvloop.run(_measure(fleet, node.pid, port, rate, folder))


def _on_peer(fleet: Fleet, program: str) -> _Result:
    with peer.run_peer(program) as server:
        return uvloop.run(_measure(fleet, server.pid, server.port, None, None, expect_reply=False))


async def _measure(
    fleet: Fleet, pid: int, port: int, rate: float | None, history: Path | None, *, expect_reply: bool = True
) -> _Result:
    """Load a server; for a cycle of the history if it has one, else for a fixed time."""
    load = Load()
    await load.connect(fleet.identities[:CONNECTIONS], "127.0.0.1", port, expect_reply=expect_reply)
    pace = asyncio.create_task(load.run_paced(rate, WARMUP_S + MEASURE_S)) if rate else None
    if pace is None:
        load.start_closed_loop(1)
    await (_sealed(history, 1) if history else asyncio.sleep(WARMUP_S))
    start, cpu, answered, first = time.perf_counter(), cpu_seconds(pid), load.answered, len(load.latencies)
    await (_sealed(history, 2) if history else asyncio.sleep(MEASURE_S))
    wall_s, cpu_s = time.perf_counter() - start, cpu_seconds(pid) - cpu
    result = _Result(load.answered - answered, wall_s, cpu_s, list(load.latencies[first:]))
    load.stop()
    if pace is not None:
        await pace
    await asyncio.sleep(0.2)
    lost, failed = load.lost, load.failed
    load.close()
    if lost or failed:
        raise BenchmarkError(f"{lost} connections were lost and {failed} posts refused under load")
    return result


async def _sealed(history: Path, count: int) -> None:
    """Return when so many files of the history are sealed."""
    deadline = time.perf_counter() + _CYCLE_TIMEOUT_S
    while len(list(history.glob("day-*.sqlite3"))) < count:  # noqa: ASYNC240 - a folder with ten names
        if time.perf_counter() > deadline:
            raise BenchmarkError(f"the history was not sealed within {_CYCLE_TIMEOUT_S} seconds")
        await asyncio.sleep(0.02)

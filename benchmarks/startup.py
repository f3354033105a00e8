"""Starting a node: how long it takes, and how much memory it has with nothing to do."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, Goal
from benchmarks.node import Fleet, run_node
from benchmarks.processes import cpu_seconds, memory

_SETTLE_S = 1.0


def startup(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure starts on a data directory that exists, and on an empty one."""
    later, cpu, rss, pss = [], [], [], []
    for _ in range(runs):
        with fleet.node() as node:
            later.append(node.start_s)
            cpu.append(cpu_seconds(node.pid))
            time.sleep(_SETTLE_S)
            rss.append(memory(node.pid, "Rss") / 1e6)
            pss.append(memory(node.pid) / 1e6)
    yield Figure("`thingplane serve` until ready", "s", later, Goal(2, 1, less_is_better=True))
    yield Figure("… CPU time, which a busy machine does not stretch", "cpu-s", cpu)
    yield Figure("… for the first time, with schema and certificates", "s", [_first() for _ in range(runs)])
    yield Figure("idle memory of the process tree, RSS", "MB", rss, Goal(120, 70, less_is_better=True))
    yield Figure("… PSS", "MB", pss)


def _first() -> float:
    with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as name, run_node(Path(name)) as node:
        return node.start_s

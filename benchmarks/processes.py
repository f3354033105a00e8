"""CPU time and memory of a process and its descendants, read from /proc (Linux)."""

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants that run."""
    yield pid
    for child in children(pid):
        yield from tree(child)


def children(pid: int) -> Iterator[int]:
    """Yield the processes that a process started itself and that run."""
    for task in _list(Path(f"/proc/{pid}/task")):
        yield from map(int, _read(task / "children").split())


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process tree in seconds, those of its ended children included.

    It comes in ticks of 10 ms: measure over several seconds.
    """
    total = 0
    for process in tree(pid):
        fields = _read(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def memory(pid: int, kind: str = "Pss") -> int:
    """Return the bytes a process tree has in memory: ``Pss`` counts shared pages once, ``Rss`` in every process."""
    total = 0
    for process in tree(pid):
        for line in _read(Path(f"/proc/{process}/smaps_rollup")).splitlines():
            if line.startswith(f"{kind}:"):
                total += int(line.split()[1]) * 1024
    return total


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # ended meanwhile: its parent has its time


def _list(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except FileNotFoundError:
        return []

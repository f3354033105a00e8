"""Attacks on a node: how much memory they take, and whether another device notices them."""

import asyncio
import collections
import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import uvloop

from benchmarks import datagram_attacks, stream_attacks
from benchmarks.bystander import Bystander, Experience
from benchmarks.field import Field
from benchmarks.figures import Figure, percentile
from benchmarks.node import BenchmarkError, Fleet, Node, run_node
from benchmarks.processes import cpu_seconds, memory

_LOOK_S: Final = 0.2
"""Between two looks at the memory."""
_CALM_S: Final = 1.0
_MEGABYTE: Final = 1_000_000

ATTACKS: Final[dict[str, Callable[[Field], Awaitable[str]]]] = {
    "one identity, 50 connections that take over from each other": stream_attacks.takeovers,
    "1,000 connects a second, every other one with a wrong password": stream_attacks.storm,
    "5,000 halves of a CONNECT": stream_attacks.slow_connects,
    "3,000 halves of a TLS handshake": stream_attacks.slow_handshakes,
    "2,000 devices that say nothing any more": stream_attacks.silence,
    "6 devices that ask and do not read": stream_attacks.deafness,
    "8 devices that do not acknowledge, 20 MB for each": stream_attacks.unacknowledged,
    "1,000 packets that are too large": stream_attacks.oversize,
    "2,000 slow HTTP bodies of 100 kB": stream_attacks.slow_bodies,
    "CoAP: strangers' requests, blocks and noise": datagram_attacks.coap_flood,
    "DTLS: hellos, and 2,000 handshakes of strangers": datagram_attacks.dtls_flood,
}


class _Result(NamedTuple):
    before: int
    peak: int
    after: int
    cpu_s: float
    told: str
    experience: Experience
    lines: dict[str, int]


def attacks(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure what attacks cost, each on a node of its own."""
    for name, attack in ATTACKS.items():
        results = [_measure(fleet, attack) for _ in range(runs)]
        for result in results:
            experience = result.experience
            print(
                f"{name}: {result.told}; log: {result.lines}; bystander: {experience.answered} of {experience.posted}"
            )
            if experience.lost or experience.answered < experience.posted:
                raise BenchmarkError(f"{name}: the bystander was not served: {experience[:3]}")
        yield Figure(f"{name}: more memory", "MB", [(one.peak - one.before) / _MEGABYTE for one in results])
        yield Figure("… that is left", "MB", [(one.after - one.before) / _MEGABYTE for one in results])
        yield Figure("… CPU of the node", "s", [one.cpu_s for one in results])
        waits = [one.experience.waits for one in results]
        yield Figure("… a bystander's answers, p99", "ms", [percentile(some, 0.99) * 1000 for some in waits])
        yield Figure("… the slowest", "ms", [max(some) * 1000 for some in waits])


def _measure(fleet: Fleet, attack: Callable[[Field], Awaitable[str]]) -> _Result:
    with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as name:
        folder = Path(name) / "data"
        shutil.copytree(fleet.folder, folder)
        with (Path(name) / "log").open("w+b") as log:
            with run_node(folder, log=log, log_format="json") as node:
                result = _under(fleet, node, attack)
            log.seek(0)
            return result._replace(lines=_lines(log.read()))


def _under(fleet: Fleet, node: Node, attack: Callable[[Field], Awaitable[str]]) -> _Result:
    address = urlsplit(node.ready.endpoints["mqtt"])
    with Bystander(fleet.identities[0], address.hostname or "", address.port or 0) as bystander:
        result = uvloop.run(_watched(Field(node, fleet.identities[1:]), attack))
        return result._replace(experience=bystander.leave())


async def _watched(field: Field, attack: Callable[[Field], Awaitable[str]]) -> _Result:
    pid = field.node.pid
    await asyncio.sleep(_CALM_S)
    before = peak = memory(pid, "Rss")
    cpu = cpu_seconds(pid)
    work = asyncio.ensure_future(attack(field))
    while not work.done():
        await asyncio.wait([work], timeout=_LOOK_S)
        peak = max(peak, memory(pid, "Rss"))
    told = await work
    spent = cpu_seconds(pid) - cpu
    await asyncio.sleep(2 * _CALM_S)
    return _Result(before, peak, memory(pid, "Rss"), spent, told, Experience(0, 0, lost=False, waits=[]), {})


def _lines(log: bytes) -> dict[str, int]:
    """Return how often each kind of line is in a log, and how often a device is named in it."""
    counts: collections.Counter[str] = collections.Counter()
    for line in log.splitlines():
        if line.startswith(b"{"):
            entry = json.loads(line)
            named = ", with its device" if entry.get("device") else ""
            counts[f"{entry.get('event')} {entry.get('reason', '')}{named}"] += 1
    return dict(counts)

"""A device that goes on posting whatever happens to its node, from a process of its own."""

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, NamedTuple, Self

import uvloop

from thingplane.simulator.load import Load
from thingplane.simulator.wire import Identity

INTERVAL_S: Final = 0.05
_PATIENCE_S: Final = 20.0
_SPAWN: Final = multiprocessing.get_context("spawn")


class Experience(NamedTuple):
    """What the device has seen."""

    posted: int
    answered: int
    lost: bool
    """Whether its connection has ended."""
    waits: list[float]
    """Seconds from each post to its answer."""


class Bystander:
    """Posts from when the context is entered until ``leave``."""

    def __init__(self, identity: Identity, host: str, port: int) -> None:
        self._here, there = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_run, args=(there, identity, host, port), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._here.recv()
        return self

    def leave(self) -> Experience:
        """Stop posting, wait for the answers, and tell."""
        self._here.send(None)
        told: Experience = self._here.recv()
        return told

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()


def _run(pipe: Connection, identity: Identity, host: str, port: int) -> None:
    uvloop.run(_post(pipe, identity, host, port))


async def _post(pipe: Connection, identity: Identity, host: str, port: int) -> None:
    load = Load()
    await load.connect([identity], host, port)
    [device] = load.devices
    pipe.send(None)
    posted = 0
    while not pipe.poll() and not device.lost:
        device.post(time.perf_counter())
        posted += 1
        await asyncio.sleep(INTERVAL_S)
    until = time.perf_counter() + _PATIENCE_S
    while device.answered < posted and not device.lost and time.perf_counter() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    pipe.send(Experience(posted, device.answered - device.failed, device.lost, list(load.latencies)))

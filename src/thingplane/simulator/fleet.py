"""Many simulated devices that post at a common rate."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from thingplane.simulator.client import RefusedError, SimulatedDevice, Values
from thingplane.simulator.walk import Walk
from thingplane.simulator.wire import Identity

PING_INTERVAL_S = 600


class Counts(NamedTuple):
    """What a fleet has done so far."""

    connected: int
    posted: int
    acknowledged: int
    rejected: int
    settings: int
    last: Values


class Fleet:
    """Devices of one product. ``run`` posts in turn, so that the whole fleet reaches ``rate`` posts a second."""

    def __init__(
        self, identities: Sequence[Identity], tsl: Mapping[str, Any], rate: float, seed: int | None = None
    ) -> None:
        self._identities = identities
        self._rate = rate
        self._tsl = tsl
        self._random = Random(seed)  # noqa: S311 - values of simulated sensors
        self._devices: list[tuple[SimulatedDevice, Walk]] = []
        self._posted = self._settings = 0
        self._last: Values = {}
        self._lost = asyncio.Event()

    async def connect(self, host: str, port: int, context: ssl.SSLContext | None, *, at_once: int = 50) -> None:
        """Connect all devices, some at a time.

        Raises:
            RefusedError: the platform refused a device.
            OSError: nobody listens there.
        """
        for start in range(0, len(self._identities), at_once):
            batch = self._identities[start : start + at_once]
            devices = await asyncio.gather(*(self._open(identity, host, port, context) for identity in batch))
            for device in devices:
                self._devices.append((device, Walk(self._tsl, Random(self._random.random()))))  # noqa: S311

    async def _open(self, identity: Identity, host: str, port: int, context: ssl.SSLContext | None) -> SimulatedDevice:
        return await SimulatedDevice.connect(identity, host, port, context, on_lost=self._lost.set)

    async def run(self, duration: float | None, report: Callable[[Counts], None]) -> None:
        """Post until the time is over (seconds; None: until cancelled), reporting four times a second.

        Raises:
            RefusedError: a connection was lost.
        """
        loop = asyncio.get_running_loop()
        start = reported = pinged = loop.time()
        turn = 0
        while duration is None or loop.time() - start < duration:
            now = loop.time()
            due = int((now - start) * self._rate) + 1 - self._posted
            for _ in range(due):
                device, walk = self._devices[turn % len(self._devices)]
                self._settings += bool(device.values)
                walk.set(device.values)
                device.values = {}
                self._last = walk.step()
                device.post(self._last)
                self._posted += 1
                turn += 1
            if now - reported >= 0.25:
                report(self.counts())
                reported = now
            if now - pinged >= PING_INTERVAL_S:
                for device, _ in self._devices:
                    device.ping()
                pinged = now
            if self._lost.is_set():
                raise RefusedError("a connection was lost")
            await asyncio.sleep(min(0.25, 1 / self._rate))
        report(self.counts())

    def counts(self) -> Counts:
        """Return what happened so far."""
        return Counts(
            connected=len(self._devices),
            posted=self._posted,
            acknowledged=sum(device.acknowledged for device, _ in self._devices),
            rejected=sum(device.rejected for device, _ in self._devices),
            settings=self._settings,
            last=self._last,
        )

    def close(self) -> None:
        """Disconnect all devices."""
        for device, _ in self._devices:
            device.close()

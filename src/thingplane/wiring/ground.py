"""What every part of a platform stands on."""

from collections.abc import Awaitable, Callable

from thingplane.bus import LocalBus
from thingplane.clock import Clock
from thingplane.cloud import Services
from thingplane.observability.metrics import Metrics
from thingplane.settings import Settings
from thingplane.storage.database import Database

Step = Callable[[], Awaitable[None]]


class Ground:
    """Settings, time, metadata, events and metrics; the services by their type; and what starts and stops with them."""

    def __init__(self, settings: Settings, clock: Clock, database: Database) -> None:
        self.settings = settings
        self.clock = clock
        self.database = database
        self.bus = LocalBus()
        self.services = Services()
        self.metrics = Metrics()
        self._steps: list[tuple[Step | None, Step | None]] = []

    def run(self, start: Step, close: Step) -> None:
        """Start and close something with the platform: started in this order, closed in the reverse one."""
        self._steps.append((start, close))

    def at_start(self, start: Step) -> None:
        """Start something that needs no closing, in its turn."""
        self._steps.append((start, None))

    def at_close(self, close: Step) -> None:
        """Close something that needs no start, in its turn."""
        self._steps.append((None, close))

    async def start(self) -> None:
        """Start everything."""
        for start, _ in self._steps:
            if start is not None:
                await start()

    async def stop(self) -> None:
        """Close everything."""
        for _, close in reversed(self._steps):
            if close is not None:
                await close()

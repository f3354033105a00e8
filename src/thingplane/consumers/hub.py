"""What consumers' connections share."""

import asyncio
from collections.abc import Coroutine
from typing import Protocol

import structlog

from thingplane.clock import Clock
from thingplane.consumers.metrics import Counters
from thingplane.subscriptions.service import Consumer, Login, Membership

_log = structlog.get_logger(__name__)


class Groups(Protocol):
    """What connections need of the subscription service."""

    async def sign_in(self, user_name: str, password: str) -> Login:
        """Check what a client signs in with. Raises SignInRefused."""

    def join(self, login: Login, consumer: Consumer, address: str) -> Membership:
        """Let a client take part. Raises SignInRefused, GroupFull or TooManyConnects."""

    async def acknowledged(self) -> None:
        """Return when what was accepted so far is durable. Raises whatever made that fail."""


class Connection(Protocol):
    """A consumer's connection as the hub sees it."""

    def tick(self) -> None:
        """Let time pass."""

    def shut_down(self) -> None:
        """Close, telling the client that the server goes."""

    def abort(self) -> None:
        """Drop the transport."""


class Hub:
    """Connections that are open, and what they need."""

    def __init__(self, groups: Groups, clock: Clock, max_connections: int) -> None:
        """Begin without connections.

        Args:
            groups: where clients sign in and join.
            clock: what the time is.
            max_connections: at a time, signed in or not.
        """
        self._max_connections = max_connections
        self.groups = groups
        self.clock = clock
        self.amqp = Counters("amqp")
        self.stomp = Counters("stomp")
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._emptied: asyncio.Event | None = None

    @property
    def has_room(self) -> bool:
        """Whether one more connection may be open."""
        return len(self._open) < self._max_connections

    def begin(self, connection: Connection) -> None:
        """Take note of a new connection."""
        self._open.add(connection)

    def end(self, connection: Connection) -> None:
        """Take note that a connection is gone."""
        self._open.discard(connection)
        if not self._open and self._emptied is not None:
            self._emptied.set()

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Run what a connection can't wait for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a consumer's request failed", error=repr(error))

    def tick(self) -> None:
        """Let time pass: about once a second."""
        for connection in list(self._open):
            try:
                connection.tick()
            except Exception:  # noqa: BLE001 - logged with its traceback
                # The heartbeats of all others must not depend on it.
                _log.exception("a consumer's connection failed and is dropped")
                connection.abort()

    async def close(self, patience: float) -> None:
        """Close all connections; those that are left after some seconds are dropped."""
        for connection in list(self._open):
            connection.shut_down()
        self._emptied = asyncio.Event()
        try:
            async with asyncio.timeout(patience):
                while self._open:
                    await self._emptied.wait()
        except TimeoutError:
            for connection in list(self._open):
                connection.abort()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

"""The worker of a running rule or route table.

It takes what is due to it, in memory as far as there is room, else from the log.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import structlog

from thingplane.clock import Clock
from thingplane.forwarding.message import Forwarded
from thingplane.forwarding.service import Forwarder
from thingplane.rules.destinations.protocol import DestinationError, Record
from thingplane.rules.runtime.budget import Budget
from thingplane.rules.runtime.delivery import WRITES, Deliverer, Delivery, Sleep
from thingplane.rules.runtime.metrics import Counters
from thingplane.rules.runtime.plan import Target, Work
from thingplane.rules.sql import EvaluationError
from thingplane.rules.sql.errors import PayloadError

WINDOW: Final = 1000
"""Messages of a worker that are being delivered at the same time."""
CHUNK: Final = 256
"""Messages read from the log at a time."""
LOG_EVERY_S: Final = 60.0
"""Seconds between log lines about messages that a rule's SQL could not work with."""
AGAIN_AFTER_S: Final = 1.0

W = TypeVar("W", bound=Work)

_log = structlog.get_logger(__name__)


class Worker(Generic[W]):
    """Does one work. A message is acknowledged when every target is done with it."""

    def __init__(  # noqa: PLR0917 - wired in one place
        self,
        subscriber: int,
        work: W,
        forwarder: Forwarder,
        budget: Budget,
        clock: Clock,
        sleep: Sleep,
        counters: Counters,
        *,
        window: int | None = None,
        writes: int = WRITES,
    ) -> None:
        """Prepare.

        Args:
            subscriber: what the work is to the forwarder.
            work: what to do with messages.
            forwarder: the log.
            budget: what all workers of this kind may hold in memory.
            clock: limits log lines.
            sleep: waits for seconds.
            counters: what to count.
            window: most messages that are being delivered at the same time; None: ``WINDOW``.
            writes: most sends at the same time.
        """
        self.subscriber = subscriber
        self.work = work
        self._forwarder = forwarder
        self._budget = budget
        self._clock = clock
        self._sleep = sleep
        self._counters = counters
        self._deliverer = Deliverer(counters, sleep, self._finished, writes=writes)
        self._window = WINDOW if window is None else window
        self._end_listening: Callable[[], None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._committing: asyncio.Task[None] | None = None
        self._taken = -1
        self._announced = -1
        self._in_flight = self._size = 0
        self._room = asyncio.Event()
        self._handed: list[tuple[Delivery, Target]] = []
        self._acknowledged: list[int] = []
        self._logged_at = float("-inf")

    def start(self) -> None:
        """Take what waits in the log, and what arrives from now on."""
        self._end_listening = self._forwarder.listen(self.subscriber, self._arrived)
        self._read_on()

    async def stop(self, seconds: float) -> None:
        """Take no more, and give what is being sent so long to end; the rest waits in the log."""
        if self._end_listening is not None:
            self._end_listening()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._deliverer.stop(seconds)
        while self._committing is not None:
            await asyncio.wait([self._committing])
        self._budget.give_back(self._size)
        self._in_flight = self._size = 0
        self._acknowledge()

    # Taking messages.

    def _arrived(self, messages: Sequence[Forwarded]) -> None:
        self._announced = messages[-1].position
        if self._reading is not None:
            return  # it will find them
        if messages[0].position <= self._taken:
            # Read from the log between their commit and this call.
            messages = [message for message in messages if message.position > self._taken]
            if not messages:
                return
        if self._has_room(len(messages)) and self.work.is_ready(messages):
            self._take(messages)
        else:
            self._read_on()

    def _has_room(self, count: int) -> bool:
        return self._in_flight + count <= self._window and (not self._in_flight or self._budget.has_room)

    def _read_on(self) -> None:
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        """Take messages from the log until there are no more."""
        while True:
            while not self._has_room(1):
                self._room.clear()
                await self._room.wait()
            announced = self._announced
            try:
                messages = await self._forwarder.read(self.subscriber, self._taken, CHUNK)
                await self.work.prepare(messages)
            except Exception as error:  # noqa: BLE001 - whatever failed, what is in the log must not be left there
                _log.warning("messages cannot be read, trying again", **self.work.label, error=repr(error))
                await self._sleep(AGAIN_AFTER_S)
                continue
            if messages:
                self._take(messages)
            else:
                # What was announced before is gone; what was announced while this was reading is not.
                self._taken = max(self._taken, announced)
                if self._announced <= self._taken:
                    # Before anything can arrive: from here on messages come by themselves.
                    self._reading = None
                    return
            await asyncio.sleep(0)

    def _take(self, messages: Sequence[Forwarded]) -> None:
        """Do the work on messages."""
        self._taken = messages[-1].position
        work = self.work
        run = work.run
        counters = self._counters
        counters.evaluated += len(messages)
        done: list[int] = []
        for message in messages:
            try:
                result = run(message)
            except (EvaluationError, PayloadError, RecursionError) as error:
                self._failed(message, str(error))
                result = None
            except Exception:  # noqa: BLE001 - see below
                # One message that nobody thought of must not stop the work on all others.
                _log.exception("a rule failed unexpectedly", **work.label, message_id=message.message_id)
                counters.failed += 1
                result = None
            if result is None:
                done.append(message.position)
            else:
                counters.matched += 1
                self._deliver(work, *result)
        if done:
            self._forwarder.acknowledge(self.subscriber, done)
        if self._handed and self._committing is None:
            self._committing = asyncio.get_running_loop().create_task(self._commit())

    def _failed(self, message: Forwarded, reason: str) -> None:
        self._counters.failed += 1
        now = self._clock.monotonic()
        if now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            _log.info(
                "a rule cannot work with a message",
                **self.work.label,
                message_id=message.message_id,
                topic=message.topic,
                reason=reason,
            )

    # Delivering results.

    def _deliver(self, work: Work, record: Record, targets: Sequence[Target]) -> None:
        delivery = Delivery(work, record, len(targets))
        self._in_flight += 1
        size = _size(delivery)
        self._size += size
        self._budget.take(size)
        for target in targets:
            if target.direct is None:
                self._deliverer.start(delivery, target)
                continue
            try:
                target.direct.hand_over(record)
            except DestinationError:
                self._deliverer.start(delivery, target)
            else:
                self._handed.append((delivery, target))

    async def _commit(self) -> None:
        """Settle what was handed over once it is durable."""
        try:
            while self._handed:
                handed, self._handed = self._handed, []
                try:
                    await self._forwarder.durable()
                except Exception as error:  # noqa: BLE001 - whatever failed, it is tried again
                    _log.warning("results could not be written", **self.work.label, error=repr(error))
                    for delivery, target in handed:
                        self._deliverer.start(delivery, target)
                else:
                    for delivery, target in handed:
                        self._deliverer.settle(delivery, target, None)
        finally:
            self._committing = None

    def _finished(self, delivery: Delivery) -> None:
        """Take note that nothing more will be done with a message."""
        self._in_flight -= 1
        size = _size(delivery)
        self._size -= size
        self._budget.give_back(size)
        if not self._acknowledged:
            asyncio.get_running_loop().call_soon(self._acknowledge)
        self._acknowledged.append(delivery.record.message.position)
        if self._in_flight <= self._window // 2:
            self._room.set()

    def _acknowledge(self) -> None:
        positions, self._acknowledged = self._acknowledged, []
        if positions:
            self._forwarder.acknowledge(self.subscriber, positions)


def _size(delivery: Delivery) -> int:
    """Return about how many bytes of memory a result takes."""
    record = delivery.record
    return 1000 + len(record.payload) + len(record.message.body)

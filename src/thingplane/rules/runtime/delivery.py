"""What becomes of one result: to all targets at once, tries, and the error action in the end."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import structlog

from thingplane.rules.destinations.protocol import DestinationError, Prompt, Record
from thingplane.rules.runtime.metrics import Counters
from thingplane.rules.runtime.plan import Target, Work

Sleep = Callable[[float], Awaitable[None]]

RETRY_DELAYS_S: Final = (1.0, 3.0, 10.0)
"""Seconds before the second, third and fourth try (vendor help: data forwarding)."""
SEND_TIMEOUT_S: Final = 30.0
WRITES: Final = 40
"""Sends of one rule at the same time (vendor help: limits)."""

_log = structlog.get_logger(__name__)


class Delivery:
    """A result and the number of targets that have not had it yet."""

    __slots__ = ("failures", "record", "remaining", "work")

    def __init__(self, work: Work, record: Record, targets: int) -> None:
        self.work = work
        self.record = record
        self.remaining = targets
        self.failures: list[tuple[Target, str]] = []


class Deliverer:
    """Delivers the results of one worker. A result that is tried again does not hold up the others."""

    def __init__(
        self,
        counters: Counters,
        sleep: Sleep,
        done: Callable[[Delivery], None],
        *,
        writes: int = WRITES,
        delays_s: Sequence[float] = RETRY_DELAYS_S,
    ) -> None:
        """Prepare.

        Args:
            counters: what to count.
            sleep: waits for seconds.
            done: called once for every result when nothing more will be done with it.
            writes: most sends at the same time.
            delays_s: before the further tries.
        """
        self._counters = counters
        self._sleep = sleep
        self._done = done
        self._delays_s = delays_s
        self._writes = asyncio.Semaphore(writes)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pausing: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def start(self, delivery: Delivery, target: Target) -> None:
        """Let a target have a result, at once if that takes no waiting."""
        if target.prompt is not None and self._offer(target.prompt, delivery.record):
            self.settle(delivery, target, None)
        else:
            self._spawn(self._try(delivery, target))

    def settle(self, delivery: Delivery, target: Target, failure: str | None) -> None:
        """Take note of how it ended with a target."""
        target.failing = failure is not None
        if failure is None:
            self._counters.delivered += 1
        else:
            self._counters.dropped += 1
            delivery.failures.append((target, failure))
        delivery.remaining -= 1
        if delivery.remaining:
            return
        if delivery.failures:
            self._spawn(self._report(delivery))
        else:
            self._done(delivery)

    async def stop(self, seconds: float) -> None:
        """Give what is being sent so long to end; what waits for another try is left alone."""
        self._is_stopping = True
        for task in self._pausing:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    def _offer(prompt: Prompt, record: Record) -> bool:
        try:
            return prompt.offer(record)
        except Exception as error:  # noqa: BLE001 - the way with tries deals with whatever it was
            _log.debug("a record could not be delivered at once", error=repr(error))
            return False

    async def _try(self, delivery: Delivery, target: Target) -> None:
        failure: DestinationError | None = None
        for delay in (0.0, *self._delays_s):
            if delay:
                self._counters.retries += 1
                await self._pause(delay)
            async with self._writes:
                failure = await _send(target, delivery.record)
            if failure is None or failure.permanent:
                break
            target.failing = True
        if failure is not None:
            _log.warning(
                "a message could not be delivered",
                **delivery.work.label,
                **target.label,
                message_id=delivery.record.message.message_id,
                reason=str(failure),
            )
        self.settle(delivery, target, None if failure is None else str(failure))

    async def _pause(self, seconds: float) -> None:
        task = asyncio.current_task()
        if self._is_stopping or task is None:
            raise asyncio.CancelledError
        self._pausing.add(task)
        try:
            await self._sleep(seconds)
        finally:
            self._pausing.discard(task)

    async def _report(self, delivery: Delivery) -> None:
        """Send what failed to the error action, once."""
        target = delivery.work.error_action
        if target is not None:
            failure = await _send(target, error_record(delivery))
            target.failing = failure is not None
            if failure is None:
                self._counters.error_records += 1
            else:
                _log.warning(
                    "a rule's error action failed",
                    **delivery.work.label,
                    **target.label,
                    message_id=delivery.record.message.message_id,
                    reason=str(failure),
                )
        self._done(delivery)


async def _send(target: Target, record: Record) -> DestinationError | None:
    try:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await target.destination.send(record)
    except DestinationError as error:
        return error
    except TimeoutError:
        return DestinationError(f"no answer within {SEND_TIMEOUT_S:g} s")
    except Exception as error:  # noqa: BLE001 - see below
        # A driver may raise what its documentation does not say; the other messages must not suffer for it.
        _log.exception("a destination failed unexpectedly", **target.label)
        return DestinationError(type(error).__name__)
    return None


def error_record(delivery: Delivery) -> Record:
    """Return the record that tells of a failure (vendor help: error actions)."""
    record = delivery.record
    message = record.message
    content = {
        "ruleName": record.rule,
        "topic": message.topic,
        "productKey": message.product_key,
        "deviceName": message.device_name,
        "messageId": str(message.message_id),
        "base64OriginalPayload": base64.b64encode(message.body).decode(),
        "failures": [
            {
                "actionType": target.type,
                "actionRegion": target.destination.region,
                "actionResource": target.destination.resource,
                "errorMessage": reason,
            }
            for target, reason in delivery.failures
        ],
    }
    return Record(msgspec.json.encode(content), content, message, record.rule)

"""All worker processes of a node, and who gets one when.

Every product has a lane: its calls run in the order in which they came, on one worker at a time. Workers are given to
lanes in turns, a batch of calls each. A lane whose script had to be stopped, or took long, is slow for a while: all
slow lanes together leave at least one worker to the others, and give way after a call while others wait, so that a
script that loops delays no other product's messages.
"""

import asyncio
import os
from collections import deque
from typing import Final, NamedTuple

import structlog

from thingplane.scripts.language import Function, Language
from thingplane.scripts.outcome import NO_PHP, Fault, Outcome
from thingplane.scripts.process import Call, Script, Worker

MAX_BATCH: Final = 64
MAX_WAITING: Final = 2000
"""Calls of one product that may wait; more are refused."""
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
MAX_WAITING_SLOW: Final = 20
"""The same, once as many calls in a row as ``STRIKES`` had to be stopped; what waits beyond that is refused, too."""
STRIKES: Final = 5
SLOW_FOR_S: Final = 30.0

_log = structlog.get_logger(__name__)


class _Waiting(NamedTuple):
    script: Script
    call: Call
    done: asyncio.Future[Outcome]


class _Lane:
    """The calls of one product."""

    __slots__ = ("bytes", "calls", "running", "slow_until", "strikes")

    def __init__(self) -> None:
        self.calls: deque[_Waiting] = deque()
        self.bytes = 0
        self.running = False
        self.slow_until = 0.0
        """Time of the loop until which the lane counts as slow."""
        self.strikes = 0
        """Calls that had to be stopped, without one in between that had not."""

    def add(self, waiting: _Waiting) -> bool:
        """Queue a call, or refuse it because too many wait."""
        most = MAX_WAITING if self.strikes < STRIKES else MAX_WAITING_SLOW
        if len(self.calls) >= most or self.bytes > MAX_WAITING_BYTES:
            return False
        self.calls.append(waiting)
        self.bytes += len(waiting.call.arguments)
        return True

    def take(self) -> list[_Waiting]:
        """Remove the next calls of one script."""
        script = self.calls[0].script
        batch: list[_Waiting] = []
        while self.calls and len(batch) < MAX_BATCH and self.calls[0].script == script:
            waiting = self.calls.popleft()
            self.bytes -= len(waiting.call.arguments)
            if not waiting.done.done():
                batch.append(waiting)
        return batch

    def put_back(self, batch: list[_Waiting]) -> None:
        """Return calls that were not made to where they were."""
        self.calls.extendleft(reversed(batch))
        self.bytes += sum(len(waiting.call.arguments) for waiting in batch)

    def judge(self, outcome: Outcome, now: float) -> None:
        """Take note of the end of a call."""
        if outcome.stopped or outcome.long:
            self.slow_until = now + SLOW_FOR_S
        if not outcome.stopped:
            self.strikes = 0
            return
        self.strikes += 1
        while self.strikes >= STRIKES and len(self.calls) > MAX_WAITING_SLOW:
            refused = self.calls.pop()
            self.bytes -= len(refused.call.arguments)
            _settle(refused, THROTTLED)


class ScriptPool:
    """Runs scripts. Nothing is started before the first call."""

    def __init__(self, processes: int = 0, php: str = "") -> None:
        """Take the number of worker processes, each of which has at most one child.

        Args:
            processes: at least 2, so that one product cannot occupy all; 0: one per CPU.
            php: path of the PHP interpreter; empty if there is none.
        """
        self._idle = [Worker(php) for _ in range(max(2, processes or os.cpu_count() or 2))]
        """The one that was used last is the last."""
        self._slow_allowed = len(self._idle) - 1
        self._slow_running = 0
        self._php = php
        self._workers = tuple(self._idle)
        self._lanes: dict[int, _Lane] = {}
        self._ready: deque[int] = deque()
        """Keys of lanes with calls and without a worker, the one that waits longest first."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def run(self, key: int, script: Script, function: Function, arguments: bytes) -> Outcome:
        """Call a function of a script.

        Calls with the same key are made in order. Never raises for anything a script does.

        Args:
            key: whose call it is: the product.
            script: what to run.
            function: what to call.
            arguments: JSON text of an array.
        """
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        waiting = _Waiting(script, Call(function, arguments), asyncio.get_running_loop().create_future())
        if not lane.add(waiting):
            return THROTTLED
        if not lane.running and len(lane.calls) == 1:
            self._ready.append(key)
            # Not at once: the other messages of this turn of the loop join the batch.
            asyncio.get_running_loop().call_soon(self._dispatch)
        return await waiting.done

    def missing(self, language: Language) -> str | None:
        """Return what is missing for scripts in this language, in words; None when nothing is."""
        return NO_PHP if language is Language.PHP and not self._php else None

    def forget(self, key: int) -> None:
        """Drop what is known about a lane without calls: its product is gone."""
        lane = self._lanes.get(key)
        if lane is not None and not lane.running and not lane.calls:
            del self._lanes[key]

    async def close(self) -> None:
        """End all processes; calls that wait are cancelled."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for lane in self._lanes.values():
            for waiting in lane.calls:
                waiting.done.cancel()
        self._lanes.clear()
        self._ready.clear()
        for worker in self._workers:
            await worker.close()

    def _dispatch(self) -> None:
        """Give workers to lanes."""
        if self._closed:
            return
        now = asyncio.get_running_loop().time()
        for _ in range(len(self._ready)):
            if not self._idle:
                return
            key = self._ready.popleft()
            lane = self._lanes[key]
            slow = lane.slow_until > now
            if slow and self._slow_running >= self._slow_allowed:
                self._ready.append(key)
                continue
            batch = lane.take()
            if not batch:  # nobody waits for them any more
                self._settle_lane(key, lane)
                continue
            lane.running = True
            self._slow_running += slow
            worker = self._choose(key, batch[0].script)
            task = asyncio.get_running_loop().create_task(self._serve(key, lane, batch, worker, slow=slow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _choose(self, key: int, script: Script) -> Worker:
        """Take the idle worker whose guest has the script already, else one without a guest, else the idlest."""
        idle = self._idle
        index = next((i for i, worker in enumerate(idle) if worker.serves(key, script)), None)
        if index is None:
            index = next((i for i, worker in enumerate(idle) if worker.script is None), 0)
        return idle.pop(index)

    async def _serve(self, key: int, lane: _Lane, batch: list[_Waiting], worker: Worker, *, slow: bool) -> None:
        loop = asyncio.get_running_loop()
        ended = 0

        def on_outcome(outcome: Outcome) -> bool:
            nonlocal ended
            lane.judge(outcome, loop.time())
            _settle(batch[ended], outcome)
            ended += 1
            return outcome.long and bool(self._ready)

        try:
            death = await worker.run(batch[0].script, [waiting.call for waiting in batch], on_outcome, key)
            if death is not None:
                on_outcome(death)
            lane.put_back(batch[ended:])
        except OSError as error:
            _log.exception("no process for data-parsing scripts can be started")
            for waiting in batch[ended:]:
                _settle(waiting, Outcome(fault=Fault.THREW, reason=f"no process can be started: {error.strerror}"))
        except asyncio.CancelledError:
            for waiting in batch[ended:]:
                waiting.done.cancel()
            raise
        finally:
            lane.running = False
            self._slow_running -= slow
            self._idle.append(worker)
            self._settle_lane(key, lane)
            self._dispatch()

    def _settle_lane(self, key: int, lane: _Lane) -> None:
        if lane.calls:
            self._ready.append(key)
        elif lane.slow_until <= asyncio.get_running_loop().time():
            self._lanes.pop(key, None)


THROTTLED: Final = Outcome(fault=Fault.THROTTLED, reason="too many messages of the product wait for its script")


def _settle(waiting: _Waiting, outcome: Outcome) -> None:
    if not waiting.done.done():  # whoever waited may be gone
        waiting.done.set_result(outcome)

"""Turns, order, and bounds of what waits."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from tests.scripts.support import children_of, script
from thingplane.scripts import limits
from thingplane.scripts import pool as pools
from thingplane.scripts.language import Function, Language
from thingplane.scripts.outcome import Fault, Outcome
from thingplane.scripts.pool import ScriptPool
from thingplane.scripts.process import Script

ECHO = script(Language.PYTHON, "return bytes[0]")
LOOP = script(Language.JAVASCRIPT, "for (;;) {}")
CRASH_ON_ZERO = script(Language.PYTHON, "import ctypes; return bytes[0] or ctypes.string_at(0)")


@pytest.fixture
async def pool() -> AsyncIterator[ScriptPool]:
    pool = ScriptPool(2)
    yield pool
    await pool.close()


async def run(pool: ScriptPool, key: int, script: Script, number: int = 1) -> Outcome:
    return await pool.run(key, script, Function.DECODE, b"[[%d]]" % number)


async def test_calls_of_a_product_end_in_the_order_in_which_they_came(pool: ScriptPool) -> None:
    ended: list[int] = []

    async def one(number: int) -> None:
        outcome = await run(pool, 1, ECHO, number)
        assert outcome.result == b"%d" % number
        ended.append(number)

    await asyncio.gather(*(one(number) for number in range(200)))
    assert ended == list(range(200))


async def test_looping_scripts_do_not_delay_other_products(pool: ScriptPool) -> None:
    # From their first loop on, both are known to be slow, and share one of the two workers.
    await asyncio.gather(run(pool, 1, LOOP), run(pool, 2, LOOP))
    loops = [asyncio.create_task(run(pool, key, LOOP)) for key in (1, 1, 2, 2)]
    for _ in range(20):
        assert (await run(pool, 3, ECHO)).result == b"1"
    assert not any(loop.done() for loop in loops[2:])
    for loop in loops:
        loop.cancel()


async def test_scripts_that_take_long_do_not_delay_other_products(
    pool: ScriptPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Waiting costs no CPU time, so nothing stops these; two of them would keep both workers.
    monkeypatch.setattr(limits, "LONG_S", 0.02)
    wait = script(Language.PYTHON, "import threading; threading.Semaphore(0).acquire(timeout=0.05); return 1")
    waits = [asyncio.create_task(run(pool, key, wait)) for key in (1, 2) for _ in range(60)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for _ in range(3):
        assert (await run(pool, 3, ECHO)).result == b"1"
    assert sum(task.done() for task in waits) < 30
    for task in waits:
        task.cancel()


async def test_a_crash_loses_its_own_message_only(pool: ScriptPool) -> None:
    outcomes = await asyncio.gather(*(run(pool, 1, CRASH_ON_ZERO, number) for number in (1, 2, 0, 3, 0, 4)))
    assert [outcome.result for outcome in outcomes] == [b"1", b"2", b"", b"3", b"", b"4"]
    assert all("SIGSEGV" in outcomes[index].reason for index in (2, 4))


async def test_a_script_that_changes_is_used_from_the_next_call_on(pool: ScriptPool) -> None:
    other = script(Language.PYTHON, "return 'other'")
    outcomes = await asyncio.gather(run(pool, 1, ECHO), run(pool, 1, other), run(pool, 1, ECHO))
    assert [outcome.result for outcome in outcomes] == [b"1", b'"other"', b"1"]


async def test_there_are_as_many_workers_as_said_however_many_products(pool: ScriptPool) -> None:
    await asyncio.gather(*(run(pool, key, ECHO) for key in range(50)))
    workers = {worker.pid for worker in pool._workers}
    assert len(workers) == 2
    children = [children_of(pid) for pid in workers if pid is not None]
    assert all(len(guests) <= 1 for guests in children)
    assert pool._lanes == {}


async def test_a_worker_that_was_killed_is_replaced(pool: ScriptPool) -> None:
    await run(pool, 1, ECHO)
    for worker in pool._workers:
        if worker.pid is not None:
            os.kill(worker.pid, signal.SIGKILL)
    outcomes = [await run(pool, 1, ECHO) for _ in range(5)]
    assert [outcome.result for outcome in outcomes] == [b"1"] * 5


def test_a_node_that_is_killed_leaves_no_process() -> None:
    code = (
        "import asyncio; from tests.scripts.test_pool import LOOP, ScriptPool, children_of, run\n"
        "async def main():\n"
        "    pool = ScriptPool(2)\n"
        "    task = asyncio.create_task(run(pool, 1, LOOP))\n"
        "    while not (worker := next((w for w in pool._workers if w.script), None)): await asyncio.sleep(0)\n"
        "    while not (guests := children_of(worker.pid)): await asyncio.sleep(0)\n"
        "    print(worker.pid, *guests, flush=True)\n"
        "    await task\n"
        "asyncio.run(main())"
    )
    node = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert node.stdout is not None
    pids = [int(pid) for pid in node.stdout.readline().split()]
    descriptors = [os.pidfd_open(pid) for pid in pids]
    node.kill()
    node.wait()
    node.stdout.close()
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 10)[0], "still running"
        os.close(descriptor)
    assert len(pids) == 2


async def test_more_than_may_wait_is_refused(pool: ScriptPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MAX_WAITING", 10)
    outcomes = await asyncio.gather(*(run(pool, 1, ECHO) for _ in range(30)))
    assert [outcome.fault for outcome in outcomes] == [None] * 10 + [Fault.THROTTLED] * 20
    assert (await run(pool, 2, ECHO)).fault is None


async def test_a_script_that_always_fails_to_end_is_not_left_with_a_long_queue(
    pool: ScriptPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "STRIKES", 1)
    monkeypatch.setattr(pools, "MAX_WAITING_SLOW", 1)
    outcomes = await asyncio.gather(*(run(pool, 1, CRASH_ON_ZERO, 0) for _ in range(100)))
    faults = [outcome.fault for outcome in outcomes]
    assert faults.count(Fault.THROTTLED) == 100 - pools.MAX_BATCH - 1 or faults.count(Fault.THROTTLED) > 30


async def test_calls_that_nobody_waits_for_are_not_made(pool: ScriptPool) -> None:
    tasks = [asyncio.create_task(run(pool, 1, ECHO)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (await run(pool, 1, ECHO)).result == b"1"


async def test_closing_cancels_what_waits_and_leaves_no_process() -> None:
    pool = ScriptPool(2)
    tasks = [asyncio.create_task(run(pool, key, LOOP)) for key in range(5)]
    while not any(worker.script for worker in pool._workers):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    pids = [worker.pid for worker in pool._workers if worker.pid is not None]
    await pool.close()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

"""The queue of jobs."""

import asyncio

import pytest

from thingplane.storage import job_queue
from thingplane.storage.job_queue import JobQueue


async def test_jobs_run_one_after_the_other_in_their_order() -> None:
    running = 0
    ran: list[int] = []

    async def run(job: int) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        running -= 1
        ran.append(job)

    queue = JobQueue("test", run)
    queue.put(9)  # before the start: what the start is told to do is all there is
    queue.start([3, 1])
    queue.put(2)
    await queue.done()
    await queue.close()
    assert ran == [3, 1, 2]


async def test_closing_lets_the_running_job_end_and_leaves_the_others() -> None:
    ran: list[int] = []
    begun = asyncio.Event()
    goes_on = asyncio.Event()

    async def run(job: int) -> None:
        begun.set()
        await goes_on.wait()
        ran.append(job)

    queue = JobQueue("test", run)
    queue.start([1, 2])
    await begun.wait()
    closing = asyncio.create_task(queue.close())
    await asyncio.sleep(0)
    goes_on.set()
    await closing
    assert ran == [1]


async def test_a_failing_job_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "RETRY_DELAY", 0.001)
    ran: list[int] = []

    async def run(job: int) -> None:
        ran.append(job)
        if len(ran) < 3:
            raise OSError("not yet")

    queue = JobQueue("test", run)
    queue.start([7, 8])
    await queue.done()
    await queue.close()
    assert ran == [7, 7, 7, 8]


async def test_a_failing_job_goes_behind_the_others_where_their_order_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_queue, "RETRY_DELAY", 0.001)
    ran: list[int] = []

    async def run(job: int) -> None:
        ran.append(job)
        if job == 7 and ran.count(7) < 3:
            raise OSError("not yet")

    queue = JobQueue("test", run, in_order=False)
    queue.start([7, 8, 9])
    await queue.done()
    await queue.close()
    assert ran == [7, 8, 9, 7, 7]


async def test_closing_does_not_wait_for_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "RETRY_DELAY", 3600)
    failed = asyncio.Event()

    async def run(_job: int) -> None:
        failed.set()
        raise OSError("never")

    queue = JobQueue("test", run)
    queue.start([1])
    await failed.wait()
    await asyncio.wait_for(queue.close(), 5)


async def test_a_queue_that_was_not_started_is_closed_at_once() -> None:
    async def run(_job: int) -> None:
        raise AssertionError

    await JobQueue("test", run).close()

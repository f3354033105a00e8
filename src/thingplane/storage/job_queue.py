"""A queue of jobs that are kept in the database: what is not done when the node stops is done after its start."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final

import structlog

RETRY_DELAY: Final = 1.0
"""Seconds until a job that failed unexpectedly is tried again."""

_log = structlog.get_logger(__name__)


class JobQueue:
    """Runs jobs one after the other, in the order in which they came.

    A job is a number to the queue; whoever wrote it down knows the rest. Running one a second time after it was done
    must change nothing.
    """

    def __init__(self, name: str, run: Callable[[int], Awaitable[None]], *, in_order: bool = True) -> None:
        """Start empty; nothing runs before ``start``.

        Args:
            name: for logs.
            run: does a job; it is called again later when it raises.
            in_order: whether those behind a job that fails wait for it; otherwise it goes behind them.
        """
        self._in_order = in_order
        self._name = name
        self._run = run
        self._jobs: asyncio.Queue[int | None] = asyncio.Queue()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, unfinished: Iterable[int]) -> None:
        """Run what an earlier process left unfinished, and what comes from now on."""
        # What came before the start is unfinished, too.
        self._jobs = asyncio.Queue()
        for job in unfinished:
            self._jobs.put_nowait(job)
        self._closing.clear()
        self._task = asyncio.get_running_loop().create_task(self._work(), name=self._name)

    @property
    def closing(self) -> bool:
        """Whether a long job should return now; it is run again after the next start."""
        return self._closing.is_set()

    def put(self, job: int) -> None:
        """Run a job that is durably written down."""
        self._jobs.put_nowait(job)

    async def done(self) -> None:
        """Return when every job is done."""
        await self._jobs.join()

    async def close(self) -> None:
        """Let the job that is running end, and leave the others to the next start."""
        if self._task is not None:
            self._closing.set()
            self._jobs.put_nowait(None)
            await self._task
            self._task = None

    async def _work(self) -> None:
        while (job := await self._jobs.get()) is not None and not self._closing.is_set():
            await self._do(job)
            self._jobs.task_done()

    async def _do(self, job: int) -> None:
        while not self._closing.is_set():
            try:
                await self._run(job)
            except Exception:  # noqa: BLE001 (logged, and tried again)
                # The job is in the database, which may be away for a while.
                _log.exception("a job failed, trying again", queue=self._name, job=job)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), RETRY_DELAY)
                if not self._in_order and not self._jobs.empty():
                    self._jobs.put_nowait(job)
                    return
            else:
                return

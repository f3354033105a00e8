"""Writing tasks: their rows, the counts of their batches, and what follows for batch and package, all at once."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.ota.job import RUNNING, Job
from thingplane.ota.notices import Notice
from thingplane.ota.package import Verification
from thingplane.ota.rows import to_job
from thingplane.ota.tables import ota_job_counts, ota_jobs, ota_packages, ota_tasks
from thingplane.ota.task import BLOCKED, UNFINISHED, State, Task

COUNTS: Final = tuple(ota_job_counts.c[state.name.lower()] for state in State)
"""The columns of the counts, in the order of the states."""
UNFINISHED_COUNT: Final = sum((COUNTS[state] for state in UNFINISHED[1:]), start=COUNTS[UNFINISHED[0]])
_ALL_COUNT: Final = sum(COUNTS[1:], start=COUNTS[0])

_CHANGED: Final = ("state", "source", "progress", "reason", "retries", "retry_at", "deadline", "modified_at")
_SAVE: Final = (
    update(ota_tasks)
    .where(ota_tasks.c.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGED})
)


class Written(msgspec.Struct):
    """What a transaction has done."""

    ended: list[Task] = []
    """Tasks that succeeded, failed or were cancelled."""
    jobs: list[Job] = []
    """Jobs whose status is another one."""
    notices: list[Notice] = []
    """What subscribers have to be told after its commit."""


Note: TypeAlias = Callable[[AsyncConnection, Written], Awaitable[None]]
"""Writes down inside the transaction what subscribers have to be told (``Outbox.note``)."""


class Ledger:
    """Collects the changes of one transaction."""

    def __init__(self, now: int) -> None:
        """Start empty.

        Args:
            now: time of the transaction in epoch milliseconds.
        """
        self.now = now
        self._changed: dict[int, Task] = {}
        self._created: list[dict[str, Any]] = []
        self._deltas: Counter[tuple[int, State]] = Counter()
        self._touched: set[int] = set()
        self._ended: dict[int, Task] = {}

    def changed(self, task: Task, before: State) -> None:
        """Note that a task that exists is not what it was."""
        self._changed[task.id] = task
        if task.state is before:
            return
        self.moved(task.job_id, before, -1)
        self.moved(task.job_id, task.state, 1)
        if not task.unfinished:
            self._ended[task.id] = task
        else:
            self._ended.pop(task.id, None)

    def created(self, task: Task, package_id: int) -> None:
        """Note a new task; its ``id`` is not looked at."""
        values = {name: getattr(task, name) for name in Task.__struct_fields__ if name != "id"}
        values |= {"state": int(task.state), "package_id": package_id, "created_at": self.now}
        self._created.append(values)
        self.moved(task.job_id, task.state, 1)

    def moved(self, job_id: int, state: State, count: int) -> None:
        """Note that so many tasks more (or less) of a job are in a state."""
        self._deltas[job_id, state] += count
        self._touched.add(job_id)

    def touch(self, job_id: int) -> None:
        """Have it looked at whether a job is over, though none of its tasks has changed."""
        self._touched.add(job_id)

    async def write(self, connection: AsyncConnection, note: Note) -> Written:
        """Write everything inside the transaction, what is to be told of it included."""
        # New tasks come last: those that yield to them must be over.
        if self._changed:
            await connection.execute(_SAVE, [_parameters(task) for _, task in sorted(self._changed.items())])
        if self._created:
            # In one order, as two transactions may make tasks of the same devices.
            self._created.sort(key=_of_device)
            await connection.execute(insert(ota_tasks), self._created)
        await self.count(connection)
        ended = list(self._ended.values())
        jobs = await self._settle(connection, ended)
        written = Written(ended, jobs)
        await note(connection, written)
        return written

    async def count(self, connection: AsyncConnection) -> None:
        """Change the counts only."""
        by_job: dict[int, dict[Any, Any]] = {}
        for (job_id, state), delta in self._deltas.items():
            if delta:
                by_job.setdefault(job_id, {})[COUNTS[state]] = COUNTS[state] + delta
        # Always in the same order, so that transactions wait for each other in a row.
        for job_id, values in sorted(by_job.items()):
            await connection.execute(update(ota_job_counts).where(ota_job_counts.c.job_id == job_id).values(values))

    async def _settle(self, connection: AsyncConnection, ended: Sequence[Task]) -> list[Job]:
        await _verify(connection, {task.job_id for task in ended if task.state is State.SUCCEEDED}, self.now)
        if not self._touched:
            return []
        over = select(ota_job_counts.c.job_id, COUNTS[State.CANCELED], _ALL_COUNT.label("total"))
        over = over.join(ota_jobs, ota_jobs.c.id == ota_job_counts.c.job_id)
        over = over.where(
            ota_jobs.c.id.in_(sorted(self._touched)),
            ota_jobs.c.status.in_(RUNNING),
            ota_jobs.c.kind != "DYNAMIC",
            ota_jobs.c.building.is_(False),
            UNFINISHED_COUNT == 0,
        )
        finished: list[Job] = []
        for row in (await connection.execute(over.order_by(ota_jobs.c.id))).all():
            canceled = row.total > 0 and row.canceled == row.total
            values = {"status": "CANCELED" if canceled else "COMPLETED", "ended_at": self.now, "modified_at": self.now}
            changed = update(ota_jobs).where(ota_jobs.c.id == row.job_id).values(values).returning(*ota_jobs.c)
            finished.append(to_job((await connection.execute(changed)).one()))
        for job in finished:
            if job.kind == "VERIFY" and not await _is_verified_otherwise(connection, job):
                left = Verification.UNVERIFIED if job.status == "CANCELED" else Verification.FAILED
                await _set_verification(connection, [job.package_id], left, self.now)
        return finished


async def _verify(connection: AsyncConnection, job_ids: Iterable[int], now: int) -> None:
    """Packages are verified as soon as one device of their verification has succeeded."""
    if not job_ids:
        return
    query = select(ota_jobs.c.package_id).where(ota_jobs.c.id.in_(sorted(job_ids)), ota_jobs.c.kind == "VERIFY")
    await _set_verification(connection, (await connection.execute(query)).scalars().all(), Verification.VERIFIED, now)


async def _set_verification(
    connection: AsyncConnection, package_ids: Sequence[int], status: Verification, now: int
) -> None:
    if package_ids:
        being_verified = and_(ota_packages.c.id.in_(package_ids), ota_packages.c.status == Verification.VERIFYING)
        await connection.execute(update(ota_packages).where(being_verified).values(status=int(status), modified_at=now))


async def _is_verified_otherwise(connection: AsyncConnection, job: Job) -> bool:
    """Tell whether another verification of the same package runs: one that was started again beside a new one."""
    others = select(ota_jobs.c.id).where(
        ota_jobs.c.package_id == job.package_id,
        ota_jobs.c.kind == "VERIFY",
        ota_jobs.c.status.in_(RUNNING),
        ota_jobs.c.id != job.id,
    )
    return (await connection.execute(others.limit(1))).first() is not None


def _of_device(values: dict[str, Any]) -> tuple[int, str]:
    return values["device_id"], values["module"]


def _parameters(task: Task) -> dict[str, Any]:
    values: dict[str, Any] = {f"new_{name}": getattr(task, name) for name in _CHANGED}
    return {**values, "key": task.id, "new_state": int(task.state)}


def is_worth_telling(task: Task) -> bool:
    """Tell whether the end of a task is forwarded (rules reference, 3.9): not if it never began for another one."""
    return task.state in {State.SUCCEEDED, State.FAILED} and task.reason != BLOCKED

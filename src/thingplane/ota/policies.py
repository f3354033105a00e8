"""Dynamic batches: they go on to make tasks for devices that report a matching version."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.ota import task as tasks
from thingplane.ota.ledger import Ledger
from thingplane.ota.rows import Batch, Batches
from thingplane.ota.tables import ota_jobs, ota_tasks
from thingplane.ota.task import State, Task
from thingplane.storage.database import Database

if TYPE_CHECKING:
    from thingplane.ota.reports import Report, VersionChange

_LIVING: Final = (ota_jobs.c.kind == "DYNAMIC", ota_jobs.c.status == "IN_PROGRESS")


class Policies:
    """The running dynamic batches, in memory by product and module."""

    def __init__(self, database: Database, batches: Batches) -> None:
        """Start empty; ``load`` fills it."""
        self._database = database
        self._batches = batches
        self._by_module: dict[tuple[int, str], list[Batch]] = {}

    async def load(self) -> None:
        """Read what runs; again after every change."""
        async with self._database.read() as connection:
            query = select(ota_jobs.c.id).where(*_LIVING).order_by(ota_jobs.c.id.desc())
            ids = (await connection.execute(query)).scalars().all()
            batches = await self._batches.get(connection, ids)
        by_module: dict[tuple[int, str], list[Batch]] = {}
        for job_id in ids:
            if job_id in batches:
                job = batches[job_id].job
                by_module.setdefault((job.product_id, job.module), []).append(batches[job_id])
        self._by_module = by_module

    async def apply(
        self,
        connection: AsyncConnection,
        reports: "Sequence[Report]",
        changes: "Sequence[VersionChange]",
        unfinished: Mapping[int, list[Task]],
        ledger: Ledger,
    ) -> None:
        """Make tasks for devices whose version matches: of the newest batch that wants them.

        A device that repeats its version gets no second task of a batch; one that has come (back) to a matching version
        does.
        """
        if not self._by_module:
            return
        came = {(change.report.device_id, change.report.module) for change in changes}
        latest = {(item.device_id, item.module): item for item in reports if item.version is not None}
        matching = [(report, batch) for report in latest.values() if (batch := self._newest(report)) is not None]
        living = await self._still_living(connection, {batch.job.id for _, batch in matching})
        wanted = [
            (report, batch)
            for report, batch in matching
            if batch.job.id in living and await self._is_free(connection, report, batch, unfinished, ledger)
        ]
        had = await self._had(connection, wanted)
        for report, batch in wanted:
            new = (report.device_id, report.module) in came
            if new or (batch.job.id, report.device_id) not in had:
                state = State.CONFIRM if batch.job.strategy.need_confirm else State.QUEUED
                task = Task(
                    id=0,
                    job_id=batch.job.id,
                    device_id=report.device_id,
                    module=report.module,
                    state=state,
                    source=report.version,
                    modified_at=ledger.now,
                )
                ledger.created(task, batch.package.id)

    def _newest(self, report: "Report") -> Batch | None:
        for batch in self._by_module.get((report.product_id, report.module), ()):
            if report.version in batch.plan.sources and report.version != batch.package.version:
                return batch
        return None

    async def _is_free(
        self,
        connection: AsyncConnection,
        report: "Report",
        batch: Batch,
        unfinished: Mapping[int, list[Task]],
        ledger: Ledger,
    ) -> bool:
        """Tell whether a batch may begin with a device; tasks that have to yield to it are cancelled.

        The newest dynamic batch replaces older ones, and with OverwriteMode 2 every other, as long as they do not run.
        """
        others = [task for task in unfinished.get(report.device_id, ()) if task.unfinished]
        batches = await self._batches.get(connection, {task.job_id for task in others})
        yielding: list[tuple[Task, str]] = []
        for other in others:
            rival = batches.get(other.job_id)
            if other.job_id == batch.job.id or rival is None:
                return False
            if not in_conflict(rival, batch):
                continue
            reason = yields(other, rival, batch)
            if reason is None:
                return False
            yielding.append((other, reason))
        for other, reason in yielding:
            before = other.state
            if tasks.cancel(other, reason, ledger.now):
                ledger.changed(other, before)
        return True

    @staticmethod
    async def _still_living(connection: AsyncConnection, job_ids: Collection[int]) -> set[int]:
        """Return which of the jobs run: what is in memory may be a little old."""
        if not job_ids:
            return set()
        query = select(ota_jobs.c.id).where(ota_jobs.c.id.in_(job_ids), *_LIVING)
        return set((await connection.execute(query)).scalars())

    @staticmethod
    async def _had(connection: AsyncConnection, wanted: "Sequence[tuple[Report, Batch]]") -> set[tuple[int, int]]:
        """Return which of the pairs (job, device) have a task already, other than one that could not begin."""
        if not wanted:
            return set()
        query = select(ota_tasks.c.job_id, ota_tasks.c.device_id).where(
            ota_tasks.c.device_id.in_({report.device_id for report, _ in wanted}),
            ota_tasks.c.job_id.in_({batch.job.id for _, batch in wanted}),
            ota_tasks.c.reason != tasks.BLOCKED,
        )
        return {(row.job_id, row.device_id) for row in await connection.execute(query)}


def in_conflict(one: Batch, other: Batch) -> bool:
    """Tell whether a device cannot have unfinished tasks of both: unless both are for several modules at a time."""
    several = one.job.strategy.multi_module and other.job.strategy.multi_module
    return not (several and one.job.module != other.job.module)


def yields(task: Task, rival: Batch, batch: Batch) -> str | None:
    """Return why an unfinished task of ``rival`` gives way to a new one of ``batch``; None if it stays."""
    if task.state is State.IN_PROGRESS:
        return None
    if batch.job.strategy.overwrite_mode == 2:
        return tasks.OVERWRITTEN
    if batch.job.strategy.multi_module and batch.job.module == rival.job.module:
        # The mode replaces tasks of its own module (guide: CreateOTAStaticUpgradeJob, MultiModuleMode).
        return tasks.OVERWRITTEN
    if batch.job.kind == "DYNAMIC" and rival.job.kind == "DYNAMIC":
        return tasks.NEWER_POLICY
    return None

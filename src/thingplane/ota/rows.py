"""Rows of the tables as structs, and the look-ups that several parts share."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.ota.job import Job, Strategy
from thingplane.ota.package import Package, PackageFile
from thingplane.ota.tables import ota_jobs, ota_package_files, ota_packages, ota_tasks
from thingplane.ota.task import Plan, State, Task

MAX_OFFSET: Final = 2**53
"""Far beyond every row, and small enough for the 64-bit integers of both databases."""
_STRATEGY: Final = msgspec.json.Decoder(Strategy)

TASK_COLUMNS: Final = tuple(ota_tasks.c[name] for name in Task.__struct_fields__)


class Batch(msgspec.Struct, frozen=True):
    """A job with its package: what never changes while it has tasks (their statuses do)."""

    job: Job
    package: Package

    @property
    def plan(self) -> Plan:
        """What its tasks have to know."""
        return self.job.plan(self.package.version, self.package.src_version)


def to_task(row: Any) -> Task:
    """Return the task of a row with ``TASK_COLUMNS``."""
    return Task(
        id=row.id,
        job_id=row.job_id,
        device_id=row.device_id,
        module=row.module,
        state=State(row.state),
        source=row.source,
        progress=row.progress,
        reason=row.reason,
        retries=row.retries,
        retry_at=row.retry_at,
        deadline=row.deadline,
        modified_at=row.modified_at,
    )


def to_job(row: Any) -> Job:
    """Return the job of a row."""
    values = {name: getattr(row, name) for name in Job.__struct_fields__ if name != "strategy"}
    return Job(strategy=_STRATEGY.decode(row.strategy), **values)


async def packages_of(connection: AsyncConnection, query: Select[Any]) -> list[Package]:
    """Return the packages that a query finds, with their files, in its order."""
    rows = (await connection.execute(query)).all()
    ids = [row.id for row in rows]
    files: dict[int, list[PackageFile]] = {}
    wanted = select(ota_package_files).where(ota_package_files.c.package_id.in_(ids))
    for row in await connection.execute(wanted.order_by(ota_package_files.c.package_id, ota_package_files.c.number)):
        file = PackageFile(
            number=row.number, name=row.name, size=row.size, blob=row.blob, md5=row.md5, sha256=row.sha256
        )
        files.setdefault(row.package_id, []).append(file)
    names = [name for name in Package.__struct_fields__ if name != "files"]
    return [Package(**{name: getattr(row, name) for name in names}, files=tuple(files.get(row.id, ()))) for row in rows]


class Batches:
    """Jobs with their packages, kept in memory as long as they are used."""

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._cached: dict[int, Batch] = {}

    async def get(self, connection: AsyncConnection, job_ids: Collection[int]) -> dict[int, Batch]:
        """Return batches by the keys of their jobs; those that do not exist are absent.

        What changes of a job or package (status, times, how far it is built) is not up to date in them.
        """
        missing = sorted(set(job_ids) - self._cached.keys())
        if missing:
            if len(self._cached) + len(missing) > self._most:
                self._cached.clear()
                missing = sorted(set(job_ids))
            for batch in await self._load(connection, missing):
                self._cached[batch.job.id] = batch
        return {job_id: self._cached[job_id] for job_id in job_ids if job_id in self._cached}

    def forget(self) -> None:
        """Read everything anew: a package was deleted with its jobs."""
        self._cached.clear()

    async def _load(self, connection: AsyncConnection, job_ids: Sequence[int]) -> list[Batch]:
        rows = await connection.execute(select(ota_jobs).where(ota_jobs.c.id.in_(job_ids)))
        jobs = [to_job(row) for row in rows]
        query = select(ota_packages).where(ota_packages.c.id.in_({job.package_id for job in jobs}))
        packages = {package.id: package for package in await packages_of(connection, query)}
        return [Batch(job, packages[job.package_id]) for job in jobs]

"""Distribution tasks in the database."""

import secrets
import string
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.cloud.errors import BusinessError
from thingplane.distribution import errors
from thingplane.distribution.job import SUCCESS, UNFINISHED, Job, Kind, Result, Status, names_of, to_job
from thingplane.distribution.tables import distribution_jobs, distribution_results
from thingplane.storage.database import Database
from thingplane.storage.revisions import Revision

MAX_UNFINISHED: Final = 10
"""Tasks of the account that have not finished."""
_ALPHANUMERIC: Final = string.ascii_letters + string.digits
# Far beyond every row, and small enough for the 64-bit integers of both databases.
_MAX_OFFSET: Final = 2**53

_jobs = distribution_jobs.c


class JobStore:
    """The tasks of all instances."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._changes = Revision(database, "distribution")

    async def create(  # noqa: PLR0917 - as the caller names them
        self, kind: Kind, product_key: str, source: str, target: str, strategy: int, names: Sequence[str]
    ) -> Job:
        """Write a task down.

        Args:
            kind: what it distributes.
            product_key: the product, or that of the devices.
            source: IotInstanceId of the instance that it distributes from.
            target: IotInstanceId of the instance that it distributes to.
            strategy: as the caller has it.
            names: DeviceNames, each once.

        Raises:
            BusinessError: iot.provisioning.RunningTaskExcceedLimit, iot.provisioning.ProductIsDistributing,
                iot.provisioning.DeviceIsInAnotherTask.
        """
        values: dict[str, Any] = {
            "job_id": "".join(secrets.choice(_ALPHANUMERIC) for _ in range(24)),
            "kind": kind,
            "product_key": product_key,
            "source": source,
            "target": target,
            "strategy": strategy,
            "status": Status.INITIALIZING,
            "total": len(names),
            "names": msgspec.json.encode(names).decode(),
            "blob": None,
            "created_at": self._clock.now_ms(),
        }
        async with self._database.write() as connection:
            # Creations run one after the other: of several at once, none passes the limit.
            await self._changes.increase(connection)
            others = await self._unfinished(connection)
            if len(others) >= MAX_UNFINISHED:
                raise errors.RUNNING_TASK_EXCEED_LIMIT()
            mine = [job for job in others if job.kind == kind and job.product_key == product_key]
            if kind == "product" and any(job.target == target for job in mine):
                raise errors.PRODUCT_IS_DISTRIBUTING()
            taken = set(names).intersection(*[{name for job in mine for name in names_of(job)}])
            if taken:
                raise errors.DEVICE_IS_IN_ANOTHER_TASK(f"Another task distributes {min(taken)}.")
            added = insert(distribution_jobs).values(values).returning(_jobs.id)
            number = (await connection.execute(added)).scalar_one()
        return Job(id=number, **values)

    async def unfinished(self) -> list[Job]:
        """Return the tasks that have not finished, oldest first."""
        async with self._database.read() as connection:
            return await self._unfinished(connection)

    @staticmethod
    async def _unfinished(connection: AsyncConnection) -> list[Job]:
        query = select(distribution_jobs).where(_jobs.status.in_(UNFINISHED)).order_by(_jobs.id)
        return [to_job(row) for row in await connection.execute(query)]

    async def by_id(self, number: int) -> Job | None:
        """Return a task by its key, or None."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(distribution_jobs).where(_jobs.id == number))).first()
        return None if row is None else to_job(row)

    async def get(self, job_id: str) -> Job:
        """Return a task.

        Raises:
            BusinessError: iot.provisioning.TaskNotExist.
        """
        async with self._database.read() as connection:
            row = (await connection.execute(select(distribution_jobs).where(_jobs.job_id == job_id))).first()
        if row is None:
            raise errors.TASK_NOT_EXIST()
        return to_job(row)

    async def page(
        self,
        limit: int,
        *,
        offset: int = 0,
        before: int | None = None,
        job_id: str | None = None,
        product_key: str | None = None,
        status: int | None = None,
    ) -> tuple[list[Job], int]:
        """Return tasks, newest first, and the number of all that fit.

        Args:
            limit: tasks at most.
            offset: tasks to skip.
            before: only tasks older than the one with this key.
            job_id: only this one.
            product_key: only those of this product.
            status: only those that are this far.
        """
        wanted: list[ColumnElement[bool]] = []
        for column, value in ((_jobs.job_id, job_id), (_jobs.product_key, product_key), (_jobs.status, status)):
            if value is not None:
                wanted.append(column == value)
        query = select(distribution_jobs).where(*wanted)
        if before is not None:
            query = query.where(_jobs.id < before)
        query = query.order_by(_jobs.id.desc()).limit(limit).offset(min(offset, _MAX_OFFSET))
        async with self._database.read() as connection:
            total = await connection.scalar(select(func.count()).select_from(distribution_jobs).where(*wanted))
            rows = (await connection.execute(query)).all()
        return [to_job(row) for row in rows], int(total or 0)

    async def delete(self, connection: AsyncConnection, job: Job) -> bool:
        """Delete a task that has finished; False when it is gone already."""
        leaving = delete(distribution_jobs).where(_jobs.id == job.id, _jobs.status.not_in(UNFINISHED))
        return bool((await connection.execute(leaving)).rowcount)

    # Progress

    async def begin(self, job: Job) -> None:
        """Say that a task is running."""
        async with self._database.write() as connection:
            await connection.execute(update(distribution_jobs).where(_jobs.id == job.id).values(status=Status.RUNNING))

    async def handled(self, job: Job) -> int:
        """Return how many of its devices a task is done with."""
        count = select(func.count()).select_from(distribution_results).where(distribution_results.c.job == job.id)
        async with self._database.read() as connection:
            return (await connection.execute(count)).scalar_one()

    @staticmethod
    async def note(connection: AsyncConnection, job: Job, since: int, outcomes: Iterable[BusinessError | None]) -> None:
        """Write down what became of devices, in the transaction that did it.

        Args:
            connection: of the transaction.
            job: whose devices.
            since: position of the first one.
            outcomes: of each of them; None for one that was distributed.
        """
        rows = [
            {
                "job": job.id,
                "position": position,
                "code": SUCCESS if outcome is None else outcome.code,
                "message": "success" if outcome is None else outcome.message,
            }
            for position, outcome in enumerate(outcomes, since)
        ]
        if rows:
            await connection.execute(insert(distribution_results), rows)

    async def results(self, job: Job) -> list[Result]:
        """Return what became of a task's devices so far."""
        table = distribution_results.c
        query = select(table.position, table.code, table.message).where(table.job == job.id).order_by(table.position)
        names = names_of(job)
        async with self._database.read() as connection:
            return [
                Result(job.product_key, job.target, row.code, row.message, names[row.position])
                for row in await connection.execute(query)
            ]

    @staticmethod
    async def finish(connection: AsyncConnection, job: Job, status: Status, blob: str) -> None:
        """Say, in a transaction, that a task has finished with this result file."""
        done = update(distribution_jobs).where(_jobs.id == job.id).values(status=status, blob=blob, names=None)
        await connection.execute(done)
        await connection.execute(delete(distribution_results).where(distribution_results.c.job == job.id))

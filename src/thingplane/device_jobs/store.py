"""Jobs and their tasks in the database: made by the command line, worked through by devices."""

import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.device_jobs.tables import device_jobs, device_tasks
from thingplane.storage.database import Database
from thingplane.storage.revisions import Revision

MAX_DOCUMENT_BYTES: Final = 64 * 1024
MAX_TASKS: Final = 10_000
"""Devices of one job."""
LISTED: Final = 10
"""Tasks that a device gets listed: as many as the SDK for C takes."""

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class Status(StrEnum):
    """How far a task is."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    REMOVED = "REMOVED"


UNFINISHED: Final = (Status.QUEUED, Status.SENT, Status.IN_PROGRESS)
REPORTED: Final = (Status.IN_PROGRESS, Status.SUCCEEDED, Status.FAILED, Status.REJECTED)
"""What devices may report."""


class JobError(Exception):
    """A job that cannot be made or found; the text says why in one line."""


class Job(msgspec.Struct, frozen=True):
    """A job."""

    job_id: str
    created_at: int
    """Epoch milliseconds."""
    tasks: int
    unfinished: int


class Task(msgspec.Struct, frozen=True):
    """What one device has to do."""

    task_id: str
    device_id: int
    status: Status
    document: str
    """JSON text of an object."""
    progress: int | None = None
    """Percent."""
    details: str | None = None
    """JSON text of an object, as the device reported it."""
    changed_at: int = 0
    """Epoch milliseconds."""


class JobStore:
    """All jobs. Tasks go with their device, jobs with their product."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.changed = Revision(database, "device tasks")
        """Grows when devices have to be told something."""

    # For operators.

    async def create(self, product_id: int, device_ids: Sequence[int], document: bytes) -> str:
        """Make a job with a task for each device, and return its id.

        Raises:
            JobError: the document is no JSON object or too large, or there are no devices or too many.
        """
        if len(document) > MAX_DOCUMENT_BYTES:
            raise JobError(f"a document has at most {MAX_DOCUMENT_BYTES} bytes")
        try:
            compact = msgspec.json.encode(_decode_object(document)).decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise JobError(f"a document is a JSON object: {error}") from None
        if not 1 <= len(device_ids) <= MAX_TASKS:
            raise JobError(f"a job has 1 to {MAX_TASKS} devices")
        job_id, now = secrets.token_hex(10), self._clock.now_ms()
        values = {"job_id": job_id, "product_id": product_id, "document": compact, "created_at": now}
        try:
            async with self._database.write() as connection:
                made = await connection.execute(insert(device_jobs).values(values).returning(device_jobs.c.id))
                common = {"job": made.scalar_one(), "status": Status.QUEUED.value, "changed_at": now, "untold": True}
                rows = [{**common, "task_id": secrets.token_hex(10), "device_id": device} for device in device_ids]
                await connection.execute(insert(device_tasks), rows)
                await self.changed.increase(connection)
        except IntegrityError:
            raise JobError("one of the devices is gone") from None
        return job_id

    async def jobs(self, product_id: int) -> list[Job]:
        """Return the jobs of a product, newest first."""
        unfinished = func.count().filter(device_tasks.c.status.in_([status.value for status in UNFINISHED]))
        query = (
            select(device_jobs.c.job_id, device_jobs.c.created_at, func.count(device_tasks.c.id), unfinished)
            .outerjoin(device_tasks, device_tasks.c.job == device_jobs.c.id)
            .where(device_jobs.c.product_id == product_id)
            .group_by(device_jobs.c.id)
            .order_by(device_jobs.c.id.desc())
        )
        async with self._database.read() as connection:
            return [Job(*row) for row in await connection.execute(query)]

    async def tasks(self, job_id: str) -> list[Task]:
        """Return the tasks of a job.

        Raises:
            JobError: there is no such job.
        """
        query = _tasks().where(device_jobs.c.job_id == job_id).order_by(device_tasks.c.id)
        async with self._database.read() as connection:
            found = [_to_task(row) for row in await connection.execute(query)]
            if (
                not found
                and await connection.scalar(select(device_jobs.c.id).where(device_jobs.c.job_id == job_id)) is None
            ):
                raise JobError(f"there is no job {job_id}")
        return found

    async def end(self, job_id: str, status: Status) -> int:
        """Cancel or remove what is unfinished of a job; return how many tasks that were.

        Raises:
            JobError: there is no such job.
        """
        mine = select(device_jobs.c.id).where(device_jobs.c.job_id == job_id).scalar_subquery()
        unfinished = device_tasks.c.status.in_([item.value for item in UNFINISHED])
        change = update(device_tasks).where(device_tasks.c.job == mine, unfinished)
        await self.tasks(job_id)
        async with self._database.write() as connection:
            values = {"status": status.value, "changed_at": self._clock.now_ms(), "untold": True}
            ended = (await connection.execute(change.values(values))).rowcount
            await self.changed.increase(connection)
        return ended

    # For devices.

    async def find(self, device_id: int, task_id: str) -> Task | None:
        """Return a task of a device."""
        query = _tasks().where(device_tasks.c.device_id == device_id, device_tasks.c.task_id == task_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _to_task(row)

    async def unfinished(self, device_id: int, limit: int = LISTED) -> list[Task]:
        """Return the tasks that a device has to do, oldest first."""
        wanted = device_tasks.c.status.in_([status.value for status in UNFINISHED])
        query = _tasks().where(device_tasks.c.device_id == device_id, wanted).order_by(device_tasks.c.id).limit(limit)
        async with self._database.read() as connection:
            return [_to_task(row) for row in await connection.execute(query)]

    async def report(
        self, device_id: int, task_id: str, status: Status, progress: int | None, details: str | None
    ) -> bool:
        """Record what a device says of a task; False when it has no such task, or none that goes on."""
        going_on = device_tasks.c.status.in_([item.value for item in UNFINISHED])
        mine = (device_tasks.c.device_id == device_id, device_tasks.c.task_id == task_id, going_on)
        values: dict[str, Any] = {"status": status.value, "changed_at": self._clock.now_ms(), "untold": False}
        if progress is not None:
            values["progress"] = progress
        if details is not None:
            values["details"] = details
        async with self._database.write() as connection:
            changed = await connection.execute(update(device_tasks).where(*mine).values(values))
        return bool(changed.rowcount)

    async def untold_devices(self) -> list[int]:
        """Return the devices that have to be told something."""
        query = select(device_tasks.c.device_id).where(device_tasks.c.untold.is_(True)).distinct()
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def untold(self, device_id: int) -> list[Task]:
        """Return the tasks that a device has to be told of, oldest first."""
        query = _tasks().where(device_tasks.c.device_id == device_id, device_tasks.c.untold.is_(True))
        async with self._database.read() as connection:
            return [_to_task(row) for row in await connection.execute(query.order_by(device_tasks.c.id))]

    async def told(self, task: Task) -> None:
        """Note that a device knows of a task; one that waited is sent now."""
        status = Status.SENT if task.status is Status.QUEUED else task.status
        same = (device_tasks.c.task_id == task.task_id, device_tasks.c.status == task.status.value)
        async with self._database.write() as connection:
            await connection.execute(update(device_tasks).where(*same).values(status=status.value, untold=False))

    async def leave(self, connection: AsyncConnection, device_ids: Sequence[int], _source: int, _target: int) -> None:
        """Take the tasks of devices away, in the transaction that takes them to another instance."""
        await connection.execute(delete(device_tasks).where(device_tasks.c.device_id.in_(device_ids)))

    async def forget(self, before: int) -> None:
        """Delete jobs that were made before this time (epoch ms) and of which nothing is unfinished since then."""
        going_on = device_tasks.c.status.in_([status.value for status in UNFINISHED])
        busy = select(device_tasks.c.job).where(going_on | (device_tasks.c.changed_at >= before))
        old = (device_jobs.c.created_at < before, device_jobs.c.id.not_in(busy))
        async with self._database.write() as connection:
            await connection.execute(delete(device_jobs).where(*old))


def _tasks() -> Select[Any]:
    columns = [device_tasks.c[name] for name in Task.__struct_fields__ if name != "document"]
    return select(*columns, device_jobs.c.document).join(device_jobs, device_jobs.c.id == device_tasks.c.job)


def _to_task(row: Any) -> Task:
    return Task(**{**row._mapping, "status": Status(row.status)})  # noqa: SLF001 - the documented way to columns

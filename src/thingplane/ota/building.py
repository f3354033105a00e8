"""Making the tasks of a batch, a part at a time: a node that stops in between goes on after its start."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.devices.service import DeviceService
from thingplane.ota import task as tasks
from thingplane.ota.failures import MOST_COLLISIONS, is_collision
from thingplane.ota.job import Job
from thingplane.ota.ledger import Ledger, Written
from thingplane.ota.outbox import Outbox
from thingplane.ota.policies import in_conflict, yields
from thingplane.ota.rows import TASK_COLUMNS, Batch, Batches, to_job, to_task
from thingplane.ota.selection import AT_ONCE, Candidate, next_candidates, next_named
from thingplane.ota.tables import ota_jobs, ota_tasks
from thingplane.ota.task import LAST_UNFINISHED, State, Task
from thingplane.ota.uploads import UploadService
from thingplane.storage.database import Database

FILE: Final = "blob:"
"""Begins the targets of a batch whose devices an uploaded file lists."""


class Builder:
    """Makes the tasks of batches."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        database: Database,
        clock: Clock,
        devices: DeviceService,
        batches: Batches,
        uploads: UploadService,
        outbox: Outbox,
    ) -> None:
        """Wire.

        Args:
            database: where tasks are kept.
            clock: tells the time.
            devices: keeps devices from being deleted meanwhile.
            batches: the jobs.
            uploads: the service of uploaded lists.
            outbox: what subscribers have to be told.
        """
        self._outbox = outbox
        self._database = database
        self._clock = clock
        self._devices = devices
        self._batches = batches
        self._uploads = uploads

    async def unfinished(self) -> list[int]:
        """Return the keys of the jobs whose tasks are not all made."""
        query = select(ota_jobs.c.id).where(ota_jobs.c.building.is_(True)).order_by(ota_jobs.c.id)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def names_of(self, job_id: int) -> list[str] | None:
        """Return the names of a job's devices, each once; None when they are not named."""
        async with self._database.read() as connection:
            targets: str | None = await connection.scalar(select(ota_jobs.c.targets).where(ota_jobs.c.id == job_id))
        if targets is None:
            return None
        if targets.startswith(FILE):
            return await self._uploads.names(targets.removeprefix(FILE))
        return msgspec.json.decode(targets, type=list[str])

    async def step(self, job_id: int, names: Sequence[str] | None) -> bool:
        """Make the next tasks of a job in one transaction; return whether there is more."""
        collisions = 0
        while True:
            try:
                written, more = await self._step(job_id, names)
            except DBAPIError as error:
                collisions += 1
                if not is_collision(error) or collisions > MOST_COLLISIONS:
                    raise
            else:
                self._outbox.send(written)
                return more

    async def _step(self, job_id: int, names: Sequence[str] | None) -> tuple[Written, bool]:
        ledger = Ledger(self._clock.now_ms())
        async with self._database.write() as connection:
            # Whoever cancels the job has to wait for this part, or this part finds the job cancelled. Who takes reports
            # of devices goes on to make tasks of it.
            query = select(ota_jobs).where(ota_jobs.c.id == job_id).with_for_update(key_share=True)
            row = (await connection.execute(query)).first()
            batch = (await self._batches.get(connection, [job_id])).get(job_id)
            if row is None or batch is None:
                return Written(), False
            job = to_job(row)
            if not job.building or not job.is_running:
                await self._advance(connection, job, None, job.remaining, ledger)
                return await ledger.write(connection, self._outbox.note), False
            most = AT_ONCE if job.remaining is None else min(AT_ONCE, job.remaining)
            if names is None:
                found, after = await next_candidates(connection, batch, job.cursor, most)
            else:
                found, after = await next_named(connection, batch, names, job.cursor)
            made = await self._make(connection, batch, found, ledger)
            remaining = None if job.remaining is None else job.remaining - made
            if remaining == 0:
                after = None
            await self._advance(connection, job, after, remaining, ledger)
            written = await ledger.write(connection, self._outbox.note)
        return written, after is not None

    async def _make(self, connection: AsyncConnection, batch: Batch, found: Sequence[Candidate], ledger: Ledger) -> int:
        """Make a task for each device; one that has an unfinished task that stays gets a failed one."""
        existing: set[int] = set()
        ids = [candidate.device_id for candidate in found]
        for start in range(0, len(ids), 500):
            existing.update(await self._devices.keep(connection, ids[start : start + 500]))
        rivals = await self._rivals(connection, ids)
        batches = await self._batches.get(connection, {task.job_id for some in rivals.values() for task in some})
        for candidate in found:
            if candidate.device_id not in existing:
                continue
            others = rivals.get(candidate.device_id, [])
            if any(other.job_id == batch.job.id for other in others):
                # Made by a report of the device meanwhile (dynamic batches).
                continue
            blocked = _blocked(others, batches, batch, ledger)
            state = State.CONFIRM if batch.job.strategy.need_confirm else State.QUEUED
            task = Task(
                id=0,
                job_id=batch.job.id,
                device_id=candidate.device_id,
                module=batch.package.module,
                state=State.FAILED if blocked else state,
                source=candidate.version,
                reason=tasks.BLOCKED if blocked else "",
                modified_at=ledger.now,
            )
            ledger.created(task, batch.package.id)
        return len(found)

    async def _advance(
        self, connection: AsyncConnection, job: Job, after: int | None, remaining: int | None, ledger: Ledger
    ) -> None:
        """Note how far a job is built; ``after`` None: all of it."""
        values: dict[str, object] = {"remaining": remaining}
        if after is None:
            values["building"] = False
            ledger.touch(job.id)
        else:
            values["cursor"] = after
        await connection.execute(update(ota_jobs).where(ota_jobs.c.id == job.id).values(values))
        if after is None and job.targets is not None and job.targets.startswith(FILE):
            await self._uploads.release(connection, job.targets.removeprefix(FILE))

    @staticmethod
    async def _rivals(connection: AsyncConnection, device_ids: Sequence[int]) -> dict[int, list[Task]]:
        """Return the unfinished tasks of the devices between the first and the last of these."""
        if not device_ids:
            return {}
        query = select(*TASK_COLUMNS).where(
            ota_tasks.c.device_id.between(min(device_ids), max(device_ids)),
            ota_tasks.c.state <= int(LAST_UNFINISHED),
        )
        found: dict[int, list[Task]] = {}
        for row in await connection.execute(query.order_by(ota_tasks.c.id).with_for_update()):
            found.setdefault(row.device_id, []).append(to_task(row))
        return found


def _blocked(others: Sequence[Task], batches: dict[int, Batch], batch: Batch, ledger: Ledger) -> bool:
    """Tell whether an unfinished task of the device stays; cancel those that yield if none does."""
    yielding: list[tuple[Task, str]] = []
    for other in others:
        rival = batches.get(other.job_id)
        if rival is not None and not in_conflict(rival, batch):
            continue
        reason = None if rival is None else yields(other, rival, batch)
        if reason is None:
            return True
        yielding.append((other, reason))
    for other, reason in yielding:
        before = other.state
        if tasks.cancel(other, reason, ledger.now):
            ledger.changed(other, before)
    return False

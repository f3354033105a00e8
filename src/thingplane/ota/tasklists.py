"""Tasks, as back ends see them: lists, confirmation, cancelling, starting anew."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.devices.service import Device, devices
from thingplane.ota import errors
from thingplane.ota import task as tasks
from thingplane.ota.job import Job
from thingplane.ota.ledger import Ledger, Written
from thingplane.ota.outbox import Outbox
from thingplane.ota.package import Package, Verification
from thingplane.ota.policies import in_conflict
from thingplane.ota.reports import unfinished_of
from thingplane.ota.rows import MAX_OFFSET, TASK_COLUMNS, Batches, to_job, to_task
from thingplane.ota.tables import ota_jobs, ota_module_versions, ota_packages, ota_tasks
from thingplane.ota.task import State, Task
from thingplane.ota.uids import task_number, task_uid
from thingplane.storage.database import Database

CANCELED_AT_ONCE: Final = 2000
"""Tasks that one transaction cancels."""
PENDING: Final = (State.CONFIRM, State.QUEUED, State.NOTIFIED)


class Entry(msgspec.Struct, frozen=True):
    """A task in a list."""

    task: Task
    created_at: int
    iot_id: str
    product_key: str
    device_name: str


class TaskService:
    """The tasks of all batches."""

    def __init__(self, database: Database, clock: Clock, batches: Batches, outbox: Outbox) -> None:
        """Wire.

        Args:
            database: where tasks are kept.
            clock: tells the time.
            batches: their batches.
            outbox: what subscribers have to be told.
        """
        self._outbox = outbox
        self._database = database
        self._clock = clock
        self._batches = batches

    # Lists.

    async def of_job(self, job: Job, state: State | None, page: int, size: int) -> list[Entry]:
        """Return a page of a batch's tasks, oldest first.

        Args:
            job: whose tasks.
            state: only those in this state.
            page: number of the page, from 1.
            size: tasks on a page.
        """
        fits: list[ColumnElement[bool]] = [ota_tasks.c.job_id == job.id]
        if state is not None:
            fits.append(ota_tasks.c.state == int(state))
        # The keys first: rows that are skipped are not joined.
        keys = select(ota_tasks.c.id).where(*fits).order_by(ota_tasks.c.id)
        keys = keys.limit(size).offset(min((page - 1) * size, MAX_OFFSET))
        async with self._database.read() as connection:
            ids = (await connection.execute(keys)).scalars().all()
            return await _entries(connection, ota_tasks.c.id.in_(ids))

    async def of_job_by_name(self, job: Job, names: Sequence[str], state: State | None) -> list[Entry]:
        """Return the tasks of named devices in a batch, oldest first."""
        fits: list[ColumnElement[bool]] = [ota_tasks.c.job_id == job.id, devices.c.name.in_(names)]
        if state is not None:
            fits.append(ota_tasks.c.state == int(state))
        async with self._database.read() as connection:
            return await _entries(connection, *fits)

    async def unfinished(self, device: Device, states: Collection[State], module: str | None) -> list[Entry]:
        """Return the tasks of a device that are in one of these unfinished states, oldest first."""
        fits: list[ColumnElement[bool]] = [
            ota_tasks.c.device_id == device.id,
            ota_tasks.c.state <= int(tasks.LAST_UNFINISHED),
            ota_tasks.c.state.in_([int(state) for state in states]),
        ]
        if module is not None:
            fits.append(ota_tasks.c.module == module)
        async with self._database.read() as connection:
            return await _entries(connection, *fits)

    # Changes.

    async def confirm(self, instance_id: int, uids: Sequence[str]) -> list[Task]:
        """Let tasks begin that wait for it, all or none; return them.

        Raises:
            BusinessError: iot.ota.InvalidTaskId, iot.ota.ConfirmNotAllowedNow.
        """
        ledger = Ledger(self._clock.now_ms())
        async with self._database.write() as connection:
            found = await self._named(connection, instance_id, uids)
            rows = await connection.execute(
                select(ota_jobs.c.id, ota_jobs.c.status, ota_jobs.c.finish_at).where(
                    ota_jobs.c.id.in_({task.job_id for task in found})
                )
            )
            # A batch that was cancelled as a policy goes on with the tasks that it has.
            open_jobs = {
                row.id
                for row in rows
                if row.status != "PLANNED" and (row.finish_at is None or ledger.now < row.finish_at)
            }
            for task in found:
                before = task.state
                if task.job_id not in open_jobs or not tasks.confirm(task, ledger.now):
                    raise errors.CONFIRM_NOT_ALLOWED_NOW()
                ledger.changed(task, before)
            await ledger.write(connection, self._outbox.note)
        return found

    async def cancel_of_job(self, job: Job, states: Sequence[State], reason: str = tasks.CANCELED_BY_CALL) -> None:
        """Cancel all tasks of a batch that are in these states, some in each transaction."""
        for state in states:
            count = CANCELED_AT_ONCE
            while count == CANCELED_AT_ONCE:
                ledger = Ledger(self._clock.now_ms())
                async with self._database.write() as connection:
                    some = select(ota_tasks.c.id).where(ota_tasks.c.job_id == job.id, ota_tasks.c.state == int(state))
                    # Locked in the order in which everybody locks tasks.
                    some = some.order_by(ota_tasks.c.id).limit(CANCELED_AT_ONCE).with_for_update()
                    change = update(ota_tasks).where(ota_tasks.c.id.in_(some), ota_tasks.c.state == int(state))
                    values = {"state": int(State.CANCELED), "reason": reason, "modified_at": ledger.now}
                    change = change.values(**values, retry_at=None, deadline=None)
                    count = (await connection.execute(change)).rowcount
                    ledger.moved(job.id, state, -count)
                    ledger.moved(job.id, State.CANCELED, count)
                    written = await ledger.write(connection, self._outbox.note)
                self._outbox.send(written)

    async def cancel_of_devices(self, package: Package, device_ids: Sequence[int], job: Job | None) -> None:
        """Cancel the pending tasks of devices for a package.

        Raises:
            BusinessError: iot.firmware.IncorrectDeviceUpgradeJobStatus when all of them are running already,
                iot.firmware.DeviceUpgradeRecordNotFound when there are none.
        """
        ledger = Ledger(self._clock.now_ms())
        async with self._database.write() as connection:
            found = [
                task for task in await unfinished_of(connection, device_ids) if job is None or task.job_id == job.id
            ]
            batches = await self._batches.get(connection, {task.job_id for task in found})
            found = [task for task in found if batches[task.job_id].package.id == package.id]
            pending = [task for task in found if task.state in PENDING]
            if not pending:
                raise errors.INCORRECT_TASK_STATUS() if found else errors.DEVICE_UPGRADE_RECORD_NOT_FOUND()
            for task in pending:
                before = task.state
                tasks.cancel(task, tasks.CANCELED_BY_CALL, ledger.now)
                ledger.changed(task, before)
            written = await ledger.write(connection, self._outbox.note)
        self._outbox.send(written)

    async def begin_again(self, job: Job, uids: Sequence[str]) -> list[Task]:
        """Start failed and cancelled tasks of a batch anew; return those that were.

        Devices that have another unfinished task, or run the target version by now, are left out.

        Raises:
            BusinessError: iot.ota.JobCanceled, iot.ota.InvalidTaskId, iot.ota.UnmatchedJob, iot.ota.InvalidTaskExist,
                iot.ota.DeviceNotReUpgraded.
        """
        if job.status == "CANCELED":
            raise errors.JOB_CANCELED()
        ledger = Ledger(self._clock.now_ms())
        try:
            async with self._database.write() as connection:
                found = await self._named(connection, job.instance_id, uids)
                if any(task.job_id != job.id for task in found):
                    raise errors.UNMATCHED_JOB()
                if any(task.unfinished or task.state is State.SUCCEEDED for task in found):
                    raise errors.INVALID_TASK_EXIST()
                begun = await self._begin(connection, job, found, ledger)
                if not begun:
                    raise errors.DEVICE_NOT_REUPGRADED()
                written = await ledger.write(connection, self._outbox.note)
                # Counts, package, batch: in the order in which everybody changes them.
                if job.kind == "VERIFY":
                    await _verify_again(connection, job, ledger.now)
                await self._reopen(connection, job, ledger.now, written)
        except IntegrityError:
            # Another batch was quicker with one of the devices.
            raise errors.DEVICE_NOT_REUPGRADED() from None
        self._outbox.send(written)
        return begun

    async def _reopen(self, connection: AsyncConnection, job: Job, now: int, written: Written) -> None:
        """Let a batch run again that was completed.

        Raises:
            BusinessError: iot.ota.JobCanceled when it was cancelled meanwhile, iot.ota.DeviceNotReUpgraded after its
                planned end.
        """
        # The lock lets others make tasks of the batch.
        query = select(ota_jobs).where(ota_jobs.c.id == job.id).with_for_update(key_share=True)
        row = (await connection.execute(query)).first()
        if row is None or row.status == "CANCELED":
            raise errors.JOB_CANCELED()
        if row.finish_at is not None and row.finish_at <= now:
            raise errors.DEVICE_NOT_REUPGRADED("The planned end of the batch has come.")
        values: dict[str, Any] = {"modified_at": now}
        if row.status == "COMPLETED":
            values |= {"status": "IN_PROGRESS", "ended_at": None}
        change = update(ota_jobs).where(ota_jobs.c.id == job.id).values(values).returning(*ota_jobs.c)
        changed = to_job((await connection.execute(change)).one())
        if changed.status != row.status:
            reopened = Written(jobs=[changed])
            await self._outbox.note(connection, reopened)
            written.notices += reopened.notices

    async def _begin(self, connection: AsyncConnection, job: Job, found: Sequence[Task], ledger: Ledger) -> list[Task]:
        batch = (await self._batches.get(connection, [job.id]))[job.id]
        ids = [task.device_id for task in found]
        others: dict[int, list[Task]] = {}
        for other in await unfinished_of(connection, ids):
            others.setdefault(other.device_id, []).append(other)
        rivals = await self._batches.get(connection, {task.job_id for some in others.values() for task in some})
        versions = select(ota_module_versions.c.device_id, ota_module_versions.c.version).where(
            ota_module_versions.c.device_id.in_(ids), ota_module_versions.c.module == job.module
        )
        runs = {row.device_id: row.version for row in await connection.execute(versions)}
        begun: dict[int, Task] = {}
        for task in found:
            blocked = any(in_conflict(rivals[other.job_id], batch) for other in others.get(task.device_id, ()))
            version = runs.get(task.device_id)
            # A device of which two tasks are named gets the last one.
            if blocked or version == batch.package.version or task.device_id in begun:
                continue
            before = task.state
            if tasks.begin_again(task, batch.plan, version, ledger.now):
                ledger.changed(task, before)
                begun[task.device_id] = task
        return list(begun.values())

    async def _named(self, connection: AsyncConnection, instance_id: int, uids: Sequence[str]) -> list[Task]:
        """Return the tasks with these TaskIds, each once.

        Raises:
            BusinessError: iot.ota.InvalidTaskId when the instance has not all of them.
        """
        numbers = {uid: task_number(uid) for uid in dict.fromkeys(uids)}
        wanted = [number for number in numbers.values() if number is not None]
        query = select(*TASK_COLUMNS).where(ota_tasks.c.id.in_(wanted)).order_by(ota_tasks.c.id)
        rows = (await connection.execute(query.with_for_update())).all()
        # The latest first.
        found = {row.id: to_task(row) for row in reversed(rows)}
        batches = await self._batches.get(connection, {task.job_id for task in found.values()})
        for uid, number in numbers.items():
            task = None if number is None else found.get(number)
            batch = None if task is None else batches.get(task.job_id)
            if task is None or batch is None or batch.job.instance_id != instance_id:
                raise errors.INVALID_TASK_ID()
            if task_uid(batch.job.job_id, task.id) != uid:
                raise errors.INVALID_TASK_ID()
        return list(found.values())


async def _entries(connection: AsyncConnection, *fits: ColumnElement[bool]) -> list[Entry]:
    query = select(*TASK_COLUMNS, ota_tasks.c.created_at, devices.c.iot_id, devices.c.product_key, devices.c.name)
    query = query.join(devices, devices.c.id == ota_tasks.c.device_id).where(*fits).order_by(ota_tasks.c.id)
    return [
        Entry(to_task(row), row.created_at, row.iot_id, row.product_key, row.name)
        for row in await connection.execute(query)
    ]


async def _verify_again(connection: AsyncConnection, job: Job, now: int) -> None:
    """Note that the package of a batch is being verified once more."""
    unverified = [int(each) for each in (Verification.UNVERIFIED, Verification.FAILED)]
    again = update(ota_packages).where(ota_packages.c.id == job.package_id, ota_packages.c.status.in_(unverified))
    await connection.execute(again.values(status=int(Verification.VERIFYING), modified_at=now))


async def leave(connection: AsyncConnection, device_id: int) -> None:
    """Take a device's tasks out of the counts of their batches, in the transaction that deletes it with them."""
    # The device first, as those who take reports do it; then its tasks, so that none changes after it was counted.
    await connection.execute(select(devices.c.id).where(devices.c.id == device_id).with_for_update())
    mine = select(ota_tasks.c.job_id, ota_tasks.c.state).where(ota_tasks.c.device_id == device_id)
    rows = (await connection.execute(mine.order_by(ota_tasks.c.id).with_for_update())).all()
    if not rows:
        return
    # Gone already when their batches are looked at; the time of an end is not told for devices that are no more.
    ledger = Ledger(0)
    for row in rows:
        ledger.moved(row.job_id, State(row.state), -1)
    await ledger.count(connection)

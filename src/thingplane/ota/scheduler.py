"""Everything that happens at its time: starts and ends of batches, timeouts, retries, pushes. One node does it.

There are no timers for tasks: a tick asks the database for what is due, a bounded part of it at a time.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import Select, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices.service import DeviceConnected
from thingplane.ota import task as tasks
from thingplane.ota.job import RUNNING
from thingplane.ota.lease import LIFETIME_MS, Lease
from thingplane.ota.ledger import UNFINISHED_COUNT, Ledger, Written
from thingplane.ota.outbox import Outbox
from thingplane.ota.policies import Policies
from thingplane.ota.pushing import Pusher
from thingplane.ota.rows import TASK_COLUMNS, to_job, to_task
from thingplane.ota.tables import ota_job_counts, ota_jobs, ota_tasks
from thingplane.ota.task import LAST_UNFINISHED, UNFINISHED, State, Task
from thingplane.ota.tasklists import TaskService
from thingplane.ota.uploads import UploadService
from thingplane.storage.database import Database

TICK_S: Final = 1.0
DUE_AT_ONCE: Final = 1000
"""Tasks of one kind of work that one tick does."""
SETTLING_S: Final = 3.0
"""Seconds that a device has after its connection to report its version and to subscribe (device-protocol, 7.4)."""
SWEEP_S: Final = 600.0
RELOAD_S: Final = 10.0

_log = structlog.get_logger(__name__)


class Scheduler:
    """Ticks once a second while the node runs."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        pusher: Pusher,
        task_lists: TaskService,
        policies: Policies,
        uploads: UploadService,
        outbox: Outbox,
    ) -> None:
        """Wire.

        Args:
            database: where batches and tasks are kept.
            clock: tells what is due.
            bus: tells of devices that come online.
            pusher: pushes.
            task_lists: cancels what is left of batches that end.
            policies: the dynamic batches, read again now and then.
            uploads: forgotten when nobody has used them.
            outbox: what subscribers have to be told.
        """
        self._database = database
        self._clock = clock
        self._pusher = pusher
        self._task_lists = task_lists
        self._policies = policies
        self._uploads = uploads
        self._outbox = outbox
        self._lease = Lease(database, clock, "ota")
        # When devices that have just connected are looked at, the earliest first.
        self._connected: dict[int, float] = {}
        self._loaded = clock.monotonic()
        self._swept = -SWEEP_S
        # Until it was looked at, there may be.
        self._has_work = True
        self._ticking: asyncio.Task[None] | None = None
        bus.subscribe(DeviceConnected, self._device_connected)

    async def take_over(self) -> None:
        """Do not wait until the lease of an earlier process is over: this node has the database for itself."""
        await self._lease.take_over()

    def start(self) -> None:
        """Begin to tick."""
        self._ticking = asyncio.get_running_loop().create_task(self._run(), name="OTA scheduler")

    async def close(self) -> None:
        """Stop ticking and let another node take over."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking])
            self._ticking = None
            await self._lease.release()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                await self.tick()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("updates wait for the database", error=str(error))
            except Exception:  # noqa: BLE001 - logged; the next tick must come
                _log.exception("a tick of the updates failed")
            due = max(due + TICK_S, loop.time())
            await asyncio.sleep(due - loop.time())

    def _device_connected(self, event: DeviceConnected) -> None:
        if self._has_work:
            self._connected.pop(event.device_id, None)
            self._connected[event.device_id] = self._clock.monotonic() + SETTLING_S

    async def tick(self) -> None:
        """Do what is due, if this is the node that does it."""
        now = self._clock.monotonic()
        if now - self._loaded >= RELOAD_S:
            # Every node takes reports.
            self._loaded = now
            await self._policies.load()
        if not await self._lease.hold():
            self._pusher.forget()
            self._has_work = True
            self._forget_connected(now - LIFETIME_MS / 1000)
            return
        if now - self._swept >= SWEEP_S:
            self._swept = now
            await self._end_leftovers()
            await self._uploads.sweep()
        await self._start_jobs()
        await self._end_jobs()
        for work in (self._settle, self._time_out, self._retry):
            await work()
        await self._devices_that_settled(now)
        pushable = await self._pushable()
        self._has_work = bool(pushable)
        await self._pusher.tick(pushable, self._connected)

    def _forget_connected(self, before: float) -> None:
        """Forget devices that another node has seen to; whoever takes over still knows the last ones."""
        for device_id, due in list(self._connected.items()):
            if due > before:
                break
            del self._connected[device_id]

    async def _start_jobs(self) -> None:
        now = self._clock.now_ms()
        due = (ota_jobs.c.status == "PLANNED", ota_jobs.c.schedule_at <= now)
        if not await self._due(select(ota_jobs.c.id).where(*due)):
            return
        change = update(ota_jobs).where(*due).values(status="IN_PROGRESS", started_at=now, modified_at=now)
        async with self._database.write() as connection:
            rows = (await connection.execute(change.returning(*ota_jobs.c))).all()
            written = await self._note(connection, rows)
        self._outbox.send(written)

    async def _note(self, connection: AsyncConnection, rows: Sequence[Any]) -> Written:
        """Write down what is to be told of batches whose status has changed."""
        written = Written(jobs=[to_job(row) for row in rows])
        await self._outbox.note(connection, written)
        return written

    async def _end_jobs(self) -> None:
        """End batches whose planned end has come: what is left of them is cancelled."""
        now = self._clock.now_ms()
        due = select(ota_jobs).where(ota_jobs.c.status.in_(RUNNING), ota_jobs.c.finish_at <= now)
        async with self._database.read() as connection:
            jobs = [to_job(row) for row in await connection.execute(due.order_by(ota_jobs.c.id))]
        for job in jobs:
            ended = update(ota_jobs).where(ota_jobs.c.id == job.id, ota_jobs.c.status.in_(RUNNING))
            ended = ended.values(status="COMPLETED", building=False, ended_at=now, modified_at=now)
            async with self._database.write() as connection:
                rows = (await connection.execute(ended.returning(*ota_jobs.c))).all()
                written = await self._note(connection, rows)
            self._outbox.send(written)
            await self._task_lists.cancel_of_job(job, UNFINISHED, tasks.BATCH_ENDED)

    async def _end_leftovers(self) -> None:
        """Cancel what a crash has left of batches that have come to their planned end."""
        query = select(ota_jobs).join(ota_job_counts, ota_job_counts.c.job_id == ota_jobs.c.id)
        query = query.where(
            ota_jobs.c.finish_at <= self._clock.now_ms(), ota_jobs.c.status == "COMPLETED", UNFINISHED_COUNT > 0
        )
        async with self._database.read() as connection:
            jobs = [to_job(row) for row in await connection.execute(query)]
        for job in jobs:
            await self._task_lists.cancel_of_job(job, UNFINISHED, tasks.BATCH_ENDED)

    async def _settle(self) -> None:
        """Complete batches whose last tasks have gone with their devices."""
        query = select(ota_jobs.c.id).join(ota_job_counts, ota_job_counts.c.job_id == ota_jobs.c.id)
        query = query.where(
            ota_jobs.c.status.in_(RUNNING),
            ota_jobs.c.kind != "DYNAMIC",
            ota_jobs.c.building.is_(False),
            UNFINISHED_COUNT == 0,
        )
        async with self._database.read() as connection:
            over = (await connection.execute(query)).scalars().all()
        if not over:
            return
        ledger = Ledger(self._clock.now_ms())
        for job_id in over:
            ledger.touch(job_id)
        async with self._database.write() as connection:
            written = await ledger.write(connection, self._outbox.note)
        self._outbox.send(written)

    async def _time_out(self) -> None:
        now = self._clock.now_ms()
        due = select(ota_tasks.c.id).where(ota_tasks.c.deadline <= now, ota_tasks.c.deadline.is_not(None))
        ids = await self._due(due.order_by(ota_tasks.c.deadline))
        if not ids:
            return
        ledger = Ledger(now)
        async with self._database.write() as connection:
            for task in await _locked(connection, ids):
                before = task.state
                if tasks.time_out(task, now):
                    ledger.changed(task, before)
            written = await ledger.write(connection, self._outbox.note)
        self._outbox.send(written)

    async def _retry(self) -> None:
        """Let devices whose update has failed be told again."""
        now = self._clock.now_ms()
        due = select(ota_tasks.c.id).where(ota_tasks.c.retry_at <= now, ota_tasks.c.retry_at.is_not(None))
        ids = await self._due(due.order_by(ota_tasks.c.retry_at))
        if not ids:
            return
        async with self._database.write() as connection:
            locked = await _locked(connection, ids)
            again = [task for task in locked if task.retry_at is not None and task.retry_at <= now]
            change = update(ota_tasks).where(ota_tasks.c.id.in_([task.id for task in again]))
            await connection.execute(change.values(retry_at=None))
        for task in again:
            task.retry_at = None
        self.want(again)

    async def _due(self, query: Select[Any]) -> list[int]:
        """Return the first keys that a query finds: most ticks find nothing, and then write nothing."""
        async with self._database.read() as connection:
            return list((await connection.execute(query.limit(DUE_AT_ONCE))).scalars())

    async def _devices_that_settled(self, now: float) -> None:
        """Let devices be told that have come online with something to do."""
        ids: list[int] = []
        for device_id, due in self._connected.items():
            if due > now or len(ids) == DUE_AT_ONCE:
                break
            ids.append(device_id)
        if not ids:
            return
        for device_id in ids:
            del self._connected[device_id]
        query = select(*TASK_COLUMNS).where(ota_tasks.c.device_id.in_(ids), ota_tasks.c.state <= int(LAST_UNFINISHED))
        async with self._database.read() as connection:
            found = [to_task(row) for row in await connection.execute(query.order_by(ota_tasks.c.id))]
        self.want(found)

    def reported(self, device_ids: Iterable[int], due: Sequence[Task]) -> None:
        """Have devices told that have just reported a version, unless they were told before and have not been away.

        Args:
            device_ids: which have.
            due: their unfinished tasks.
        """
        arrived = {device_id for device_id in device_ids if self._connected.pop(device_id, None) is not None}
        self.want([task for task in due if task.state is State.QUEUED or task.device_id in arrived])

    def want(self, some: Sequence[Task]) -> None:
        """Have the devices of tasks told that may know of them."""
        for task in some:
            if task.state in tasks.VISIBLE and task.retry_at is None:
                self._pusher.want(task)

    async def _pushable(self) -> Sequence[int]:
        """Return the batches with unfinished tasks whose time has come; a cancelled policy lets its tasks go on."""
        query = select(ota_jobs.c.id).join(ota_job_counts, ota_job_counts.c.job_id == ota_jobs.c.id)
        goes_on = or_(ota_jobs.c.status == "IN_PROGRESS", ota_jobs.c.kind == "DYNAMIC")
        query = query.where(goes_on, or_(UNFINISHED_COUNT > 0, ota_jobs.c.status == "IN_PROGRESS"))
        async with self._database.read() as connection:
            return (await connection.execute(query.order_by(ota_jobs.c.id))).scalars().all()


async def _locked(connection: AsyncConnection, task_ids: Sequence[int]) -> list[Task]:
    """Return tasks as they are now, locked in the order in which everybody locks them."""
    query = select(*TASK_COLUMNS).where(ota_tasks.c.id.in_(task_ids)).order_by(ota_tasks.c.id)
    return [to_task(row) for row in await connection.execute(query.with_for_update())]

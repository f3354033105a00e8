"""Telling devices of updates: at the rate of their batch, when they are online."""

from collections.abc import Container, Sequence
from typing import Final

import msgspec
from sqlalchemy import and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.bus import Downlink, DownlinkMessage
from thingplane.clock import Clock
from thingplane.devices.service import devices
from thingplane.ota import task as tasks
from thingplane.ota.descriptions import Descriptions
from thingplane.ota.ledger import Ledger
from thingplane.ota.outbox import Outbox
from thingplane.ota.rows import TASK_COLUMNS, Batch, Batches, to_task
from thingplane.ota.selection import fits
from thingplane.ota.tables import ota_module_versions, ota_tasks
from thingplane.ota.task import State, Task
from thingplane.storage.database import Database

AT_ONCE: Final = 500
"""Devices that are told before the next ones are looked for."""
SCANNED_AT_ONCE: Final = 2000
"""Queued tasks that one tick looks at for devices that are online."""
RESCAN_S: Final = 120.0
"""Seconds after which all queued tasks are looked at again: some become visible out of order, or had no room."""
_BURST_S: Final = 3
"""Seconds of a batch's rate that it may catch up with: a twentieth of a minute."""


class Addressee(msgspec.Struct, frozen=True):
    """A task whose device is to be told."""

    task: Task
    product_key: str
    name: str
    version: str | None
    """What the device runs now."""


class _Queue:
    """What a batch has to push, and what it may push."""

    def __init__(self, now: float) -> None:
        self.per_minute = 0
        self.waiting: dict[int, None] = {}
        """Tasks whose devices came online, oldest first."""
        self.scanned = 0
        """Queued tasks up to this one were looked at."""
        self.rescan_at = now + RESCAN_S
        # A batch begins with what a second allows.
        self._credit = 0.0
        self._at = now - 1.0
        self._begun = False

    def allowed(self, now: float) -> int:
        """Return how many devices may be told now."""
        per_second = self.per_minute / 60
        earned = self._credit + (now - self._at) * per_second
        if not self._begun:
            earned, self._begun = max(earned, 1.0), True
        self._credit = min(earned, max(1.0, _BURST_S * per_second))
        self._at = now
        # Thirds of a push add up to one.
        return int(self._credit + 1e-6)

    def spend(self, count: int) -> None:
        self._credit -= count


class Pusher:
    """Pushes for the node that holds the lease. What it has in memory is found again by whoever takes over."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        database: Database,
        clock: Clock,
        downlink: Downlink,
        batches: Batches,
        descriptions: Descriptions,
        outbox: Outbox,
    ) -> None:
        """Wire.

        Args:
            database: where tasks are kept.
            clock: its monotonic time measures rates.
            downlink: the way to devices.
            batches: the jobs.
            descriptions: what devices are told.
            outbox: what subscribers have to be told.
        """
        self._outbox = outbox
        self._database = database
        self._clock = clock
        self._downlink = downlink
        self._batches = batches
        self._descriptions = descriptions
        self._queues: dict[int, _Queue] = {}

    def want(self, task: Task) -> None:
        """Have the device of a task told when it is its batch's turn."""
        queue = self._queues.setdefault(task.job_id, _Queue(self._clock.monotonic()))
        queue.waiting[task.id] = None

    def forget(self) -> None:
        """Forget everything: another node pushes now."""
        self._queues.clear()

    async def tick(self, job_ids: Sequence[int], settling: Container[int]) -> None:
        """Push what may be pushed now.

        Args:
            job_ids: batches that have unfinished tasks, and whose time has come.
            settling: devices that have just connected: they will be wanted.
        """
        if not job_ids:
            self._queues.clear()
            return
        async with self._database.read() as connection:
            batches = await self._batches.get(connection, job_ids)
        for gone in self._queues.keys() - batches.keys():
            del self._queues[gone]
        now = self._clock.monotonic()
        for job_id, batch in batches.items():
            strategy = batch.job.strategy
            queue = self._queues.setdefault(job_id, _Queue(now))
            queue.per_minute = strategy.per_minute
            if not strategy.need_push:
                queue.waiting.clear()
                continue
            allowed = queue.allowed(now)
            while allowed > 0 and (some := await self._next(batch, queue, min(allowed, AT_ONCE), settling)):
                pushed = await self._push(batch, some)
                queue.spend(pushed)
                allowed -= pushed

    async def _next(self, batch: Batch, queue: _Queue, most: int, settling: Container[int]) -> list[int]:
        """Return the next tasks whose devices should be told."""
        some: list[int] = []
        while queue.waiting and len(some) < most:
            task_id = next(iter(queue.waiting))
            del queue.waiting[task_id]
            some.append(task_id)
        if some:
            return some
        query = select(ota_tasks.c.id, ota_tasks.c.device_id).where(
            ota_tasks.c.job_id == batch.job.id,
            ota_tasks.c.state == int(State.QUEUED),
            ota_tasks.c.id > queue.scanned,
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(ota_tasks.c.id).limit(SCANNED_AT_ONCE))).all()
        for row in rows:
            queue.scanned = row.id
            # Devices that are offline now are told when they come online.
            if self._downlink.online(row.device_id) and row.device_id not in settling:
                some.append(row.id)
                if len(some) == most:
                    return some
        now = self._clock.monotonic()
        if len(rows) < SCANNED_AT_ONCE and now >= queue.rescan_at:
            queue.scanned, queue.rescan_at = 0, now + RESCAN_S
        return some

    async def _push(self, batch: Batch, task_ids: Sequence[int]) -> int:
        """Tell devices; return how many were told."""
        async with self._database.read() as connection:
            addressees = await self._addressees(connection, batch, task_ids)
        told: list[Task] = []
        unfit: list[Task] = []
        now = self._clock.now_ms()
        for addressee in addressees:
            if not fits(batch, addressee.task.state, addressee.version):
                unfit.append(addressee.task)
            elif self._downlink.online(addressee.task.device_id):
                topic = f"/ota/device/upgrade/{addressee.product_key}/{addressee.name}"
                payload = self._descriptions.push(batch, now)
                message = DownlinkMessage(device_id=addressee.task.device_id, topic=topic, payload=payload)
                if await self._downlink.send(message):
                    told.append(addressee.task)
        await self._note(batch, told, unfit)
        return len(told)

    async def _addressees(self, connection: AsyncConnection, batch: Batch, task_ids: Sequence[int]) -> list[Addressee]:
        runs = and_(
            ota_module_versions.c.device_id == ota_tasks.c.device_id, ota_module_versions.c.module == ota_tasks.c.module
        )
        query = select(*TASK_COLUMNS, devices.c.product_key, devices.c.name, ota_module_versions.c.version)
        query = query.join(devices, devices.c.id == ota_tasks.c.device_id).outerjoin(ota_module_versions, runs)
        visible = [int(state) for state in tasks.VISIBLE]
        query = query.where(
            ota_tasks.c.id.in_(task_ids), ota_tasks.c.job_id == batch.job.id, ota_tasks.c.state.in_(visible)
        )
        rows = (await connection.execute(query)).all()
        by_id = {row.id: Addressee(to_task(row), row.product_key, row.name, row.version) for row in rows}
        return [by_id[task_id] for task_id in task_ids if task_id in by_id]

    async def _note(self, batch: Batch, told: Sequence[Task], unfit: Sequence[Task]) -> None:
        """Write down who was told. It comes after the telling: who was told twice has lost nothing."""
        queued = sorted(task.id for task in told if task.state is State.QUEUED)
        if not queued and not unfit:
            return
        ledger = Ledger(self._clock.now_ms())
        async with self._database.write() as connection:
            if queued:
                is_queued = ota_tasks.c.state == int(State.QUEUED)
                # Locked in the order in which everybody locks tasks.
                locked = select(ota_tasks.c.id).where(ota_tasks.c.id.in_(queued), is_queued).order_by(ota_tasks.c.id)
                change = update(ota_tasks).where(ota_tasks.c.id.in_(locked.with_for_update()), is_queued)
                values = {"state": int(State.NOTIFIED), "modified_at": ledger.now}
                moved = (await connection.execute(change.values(values))).rowcount
                ledger.moved(batch.job.id, State.QUEUED, -moved)
                ledger.moved(batch.job.id, State.NOTIFIED, moved)
            if unfit:
                query = select(*TASK_COLUMNS).where(ota_tasks.c.id.in_([task.id for task in unfit]))
                begun = {task.id for task in unfit if task.state is State.IN_PROGRESS}
                for row in await connection.execute(query.order_by(ota_tasks.c.id).with_for_update()):
                    task = to_task(row)
                    before = task.state
                    # Not one that has begun meanwhile.
                    if (before is State.IN_PROGRESS) == (task.id in begun) and tasks.fail(
                        task, tasks.SOURCE_MISMATCH, ledger.now
                    ):
                        ledger.changed(task, before)
            written = await ledger.write(connection, self._outbox.note)
        self._outbox.send(written)

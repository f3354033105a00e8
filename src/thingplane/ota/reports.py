"""What devices report about updates: versions and progress, many of them in one transaction."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.devices.service import DeviceService
from thingplane.ota import task as tasks
from thingplane.ota.failures import MOST_COLLISIONS, is_away, is_collision
from thingplane.ota.ledger import Ledger
from thingplane.ota.outbox import Outbox
from thingplane.ota.policies import Policies
from thingplane.ota.rows import TASK_COLUMNS, Batches, to_task
from thingplane.ota.tables import ota_module_versions, ota_tasks
from thingplane.ota.task import LAST_UNFINISHED, Task
from thingplane.storage.database import Database

MOST: Final = 256
"""Reports of one transaction."""
RETRY_DELAY_S: Final = 1.0

_log = structlog.get_logger(__name__)

_NEW_VERSION: Final = (
    update(ota_module_versions)
    .where(ota_module_versions.c.device_id == bindparam("of_device"), ota_module_versions.c.module == bindparam("of"))
    .values(version=bindparam("new_version"), reported_at=bindparam("now"))
)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a device."""

    device_id: int
    product_id: int
    module: str
    version: str | None = None
    """A version report."""
    step: int | None = None
    """A progress report: per cent, or a failure below 0."""
    description: str = ""


class VersionChange(msgspec.Struct, frozen=True):
    """A device runs another version than before."""

    report: Report
    before: str | None


class Reports:
    """Takes reports. Whoever awaits ``take`` knows that its report is durable, with everything that follows from it."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        database: Database,
        clock: Clock,
        devices: DeviceService,
        batches: Batches,
        policies: Policies,
        outbox: Outbox,
        on_due: Callable[[Iterable[int], Sequence[Task]], None],
    ) -> None:
        """Wire.

        Args:
            database: where tasks and versions are kept.
            clock: tells the time.
            devices: keeps devices from being deleted meanwhile.
            batches: the jobs.
            policies: the dynamic jobs, which a new version may concern.
            outbox: what subscribers have to be told.
            on_due: told after every commit which devices have reported a version, and of their unfinished tasks.
        """
        self._database = database
        self._clock = clock
        self._devices = devices
        self._batches = batches
        self._policies = policies
        self._outbox = outbox
        self._on_due = on_due
        self._waiting: list[tuple[Report, asyncio.Future[None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def take(self, report: Report) -> None:
        """Take one report; it is durable when this returns. Reports that wait meanwhile share a transaction."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((report, future))
        if self._worker is None:
            self._worker = loop.create_task(self._work(), name="OTA reports")
        await future

    async def close(self) -> None:
        """Give up what waits for the database; it was not acknowledged."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait([self._worker])
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            future.cancel()

    async def _work(self) -> None:
        try:
            while self._waiting:
                some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                try:
                    await self._processed([report for report, _ in some])
                except asyncio.CancelledError:
                    self._waiting = some + self._waiting
                    raise
                except Exception as error:  # noqa: BLE001 - whoever waits gets it
                    for _, future in some:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for _, future in some:
                    if not future.done():
                        future.set_result(None)
        finally:
            self._worker = None

    async def _processed(self, reports: Sequence[Report]) -> None:
        """Process reports; their acknowledgements wait as long as the database is away."""
        collisions = 0
        while True:
            try:
                await self._process(reports)
            except (DBAPIError, OSError) as error:
                if is_collision(error) and collisions < MOST_COLLISIONS:
                    collisions += 1
                elif is_away(error):
                    _log.warning("reports of updates wait for the database", error=repr(error))
                    await asyncio.sleep(RETRY_DELAY_S)
                else:
                    raise
            else:
                return

    async def _process(self, reports: Sequence[Report]) -> None:
        ids = sorted({report.device_id for report in reports})
        ledger = Ledger(self._clock.now_ms())
        async with self._database.write() as connection:
            known = set(await self._devices.keep(connection, ids))
            reports = [report for report in reports if report.device_id in known]
            unfinished = await unfinished_of(connection, ids)
            batches = await self._batches.get(connection, {task.job_id for task in unfinished})
            changes = await self._take_versions(connection, reports, ledger.now)
            by_device: dict[int, list[Task]] = {}
            for task in unfinished:
                by_device.setdefault(task.device_id, []).append(task)
            for report in reports:
                for task in by_device.get(report.device_id, ()):
                    if task.module != report.module or task.job_id not in batches:
                        continue
                    before, job, plan = task.state, batches[task.job_id].job, batches[task.job_id].plan
                    if report.version is None and job.schedule_at is not None and ledger.now < job.schedule_at:
                        # The device does not know of this one: it still speaks of another.
                        continue
                    if report.version is not None:
                        changed = tasks.version_reported(task, plan, report.version, ledger.now)
                    else:
                        step = report.step or 0
                        changed = tasks.progress(task, plan, step, report.description, ledger.now)
                    if changed:
                        ledger.changed(task, before)
            await self._policies.apply(connection, reports, changes, by_device, ledger)
            written = await ledger.write(connection, self._outbox.note)
            told = [(change.report.device_id, change.report.module, change.report.version) for change in changes]
            await self._outbox.note_versions(connection, written, told)
            reported = {report.device_id for report in reports if report.version is not None}
            due = [task for task in await unfinished_of(connection, sorted(reported)) if task.state in tasks.VISIBLE]
        # Messages about it join the commit that the acknowledgements of these reports wait for.
        self._outbox.send(written)
        self._on_due(reported, due)

    async def _take_versions(
        self, connection: AsyncConnection, reports: Sequence[Report], now: int
    ) -> list[VersionChange]:
        """Write the versions that are other ones than before, and return them."""
        versions = [report for report in reports if report.version is not None]
        if not versions:
            return []
        table = ota_module_versions
        query = select(table.c.device_id, table.c.module, table.c.version)
        query = query.where(table.c.device_id.in_({report.device_id for report in versions})).with_for_update()
        known = {(row.device_id, row.module): row.version for row in await connection.execute(query)}
        latest: dict[tuple[int, str], VersionChange] = {}
        for report in versions:
            key = (report.device_id, report.module)
            latest[key] = VersionChange(report, known.get(key))
        new = [change for change in latest.values() if change.before is None]
        changed = [change for change in latest.values() if change.before is not None]
        if changed:
            await connection.execute(_NEW_VERSION, [_update(change.report, now) for change in changed])
        if new:
            await _add(connection, [change.report for change in new], now)
        return [change for change in latest.values() if change.before != change.report.version]


async def unfinished_of(connection: AsyncConnection, device_ids: Sequence[int]) -> list[Task]:
    """Return the unfinished tasks of devices inside a transaction that may change them."""
    if not device_ids:
        return []
    query = select(*TASK_COLUMNS).where(
        ota_tasks.c.device_id.in_(device_ids), ota_tasks.c.state <= int(LAST_UNFINISHED)
    )
    return [to_task(row) for row in await connection.execute(query.order_by(ota_tasks.c.id).with_for_update())]


async def _add(connection: AsyncConnection, reports: Sequence[Report], now: int) -> None:
    rows = [
        {"device_id": report.device_id, "module": report.module, "version": report.version, "reported_at": now}
        for report in reports
    ]
    try:
        async with connection.begin_nested():
            await connection.execute(insert(ota_module_versions), rows)
    except IntegrityError:
        # Another node was quicker with one of them.
        for report, row in zip(reports, rows, strict=True):
            try:
                async with connection.begin_nested():
                    await connection.execute(insert(ota_module_versions), row)
            except IntegrityError:
                await connection.execute(_NEW_VERSION, _update(report, now))


def _update(report: Report, now: int) -> dict[str, Any]:
    return {"of_device": report.device_id, "of": report.module, "new_version": report.version, "now": now}

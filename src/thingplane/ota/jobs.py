"""Batches: making, finding and cancelling them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.devices.service import Device, devices
from thingplane.ota import errors
from thingplane.ota.building import FILE
from thingplane.ota.job import RUNNING, Job, Kind, Selection, Strategy
from thingplane.ota.ledger import COUNTS, Written
from thingplane.ota.outbox import Outbox
from thingplane.ota.package import Package, Verification
from thingplane.ota.packages import PackageService, check_unverified
from thingplane.ota.rows import MAX_OFFSET, Batch, to_job
from thingplane.ota.selection import any_candidate, count_candidates
from thingplane.ota.strategies import check_protocol, check_schedule, check_sources, gray_share
from thingplane.ota.tables import ota_job_counts, ota_jobs, ota_module_versions, ota_tasks
from thingplane.ota.task import State
from thingplane.ota.uids import new_uid
from thingplane.ota.uploads import NAMES, UploadService
from thingplane.products.service import Product
from thingplane.storage.database import Database


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A batch to be."""

    kind: Kind
    selection: Selection
    strategy: Strategy
    names: Sequence[str] = ()
    """For SPECIFIC, without a list."""
    list_url: str | None = None
    """URL of an uploaded list, for SPECIFIC without names."""
    schedule_at: int | None = None
    finish_at: int | None = None


class JobService:
    """The batches of all instances."""

    def __init__(
        self, database: Database, clock: Clock, packages: PackageService, uploads: UploadService, outbox: Outbox
    ) -> None:
        """Wire.

        Args:
            database: where batches are kept.
            clock: tells the time.
            packages: the service of their packages.
            uploads: the service of uploaded lists.
            outbox: what subscribers have to be told.
        """
        self._outbox = outbox
        self._database = database
        self._clock = clock
        self._packages = packages
        self._uploads = uploads

    async def create(self, product: Product, package: Package, new: NewJob) -> Job:
        """Write a batch down; its tasks are made afterwards.

        Raises:
            BusinessError: iot.firmware.* and iot.ota.* for what does not fit together or finds no device.
        """
        if package.product_id not in {None, product.id}:
            raise errors.FIRMWARE_AND_PRODUCT_KEY_MISMATCH()
        if new.kind == "VERIFY":
            check_unverified(package.status)
        now, strategy = self._clock.now_ms(), new.strategy
        check_schedule(now, new.schedule_at, new.finish_at)
        check_sources(package, strategy.src_versions)
        check_protocol(package, strategy.protocol)
        if new.names:
            await self._check_named(product, package, new.names)
        waits = new.schedule_at is not None
        values: dict[str, Any] = {
            "job_id": new_uid("0200"),
            "instance_id": product.instance_id,
            "product_id": product.id,
            "package_id": package.id,
            "module": package.module,
            "kind": new.kind,
            "selection": new.selection,
            "status": "PLANNED" if waits else "IN_PROGRESS",
            "targets": msgspec.json.encode(list(new.names)).decode() if new.names else None,
            "building": strategy.dynamic_mode != 2,
            "cursor": 0,
            "remaining": None,
            "schedule_at": new.schedule_at,
            "finish_at": new.finish_at,
            "created_at": now,
            "modified_at": now,
            "started_at": None if waits else now,
            "ended_at": None,
        }
        job = Job(id=0, strategy=strategy, **values)
        written = Written()
        try:
            async with self._database.write() as connection:
                await self._check_package(connection, package, new)
                if new.list_url is not None:
                    uploaded = await self._uploads.find(connection, product.instance_id, NAMES, new.list_url)
                    # Read now, so that a list that is too long is refused now.
                    if not await self._uploads.names(uploaded.blob):
                        raise errors.NULL_TARGET_DEVICE_NAMES()
                    values["targets"] = FILE + uploaded.blob
                if new.selection != "SPECIFIC" and new.kind == "STATIC":
                    values["remaining"] = await _remaining(connection, Batch(job, package))
                text = msgspec.json.encode(strategy).decode()
                created = insert(ota_jobs).values(**values, strategy=text).returning(ota_jobs.c.id)
                job_id = (await connection.execute(created)).scalar_one()
                zeros = {state.name.lower(): 0 for state in State}
                await connection.execute(insert(ota_job_counts).values(job_id=job_id, **zeros))
                job = Job(id=job_id, strategy=strategy, **values)
                await self._outbox.note_job(connection, written, job, package)
        except IntegrityError:
            # The product was deleted meanwhile.
            raise errors.FIRMWARE_NOT_FOUND() from None
        self._outbox.send(written)
        return job

    async def _check_package(self, connection: AsyncConnection, package: Package, new: NewJob) -> None:
        if new.kind == "VERIFY":
            await self._packages.begin_verification(connection, package)
            return
        await self._packages.check_usable(connection, package)
        if new.kind == "DYNAMIC":
            running = select(func.count()).where(
                ota_jobs.c.package_id == package.id, ota_jobs.c.kind == "DYNAMIC", ota_jobs.c.status.in_(RUNNING)
            )
            if await connection.scalar(running):
                raise errors.IN_PROGRESS_DYNAMIC_JOB_EXISTED()

    async def _check_named(self, product: Product, package: Package, names: Sequence[str]) -> None:
        """Check that every device that is named can be updated."""
        table = ota_module_versions
        query = select(devices.c.name, table.c.version).outerjoin(
            table, (table.c.device_id == devices.c.id) & (table.c.module == package.module)
        )
        query = query.where(devices.c.product_id == product.id, devices.c.name.in_(names))
        async with self._database.read() as connection:
            versions = {row.name: row.version for row in await connection.execute(query)}
        for name in names:
            if name not in versions:
                raise errors.DEVICE_NOT_EXIST(f"The product has no device {name}.")
            version = versions[name]
            if version is None:
                raise errors.NON_VERSIONED_DEVICE(f"{name} has reported no version of the module {package.module}.")
            if version == package.version:
                raise errors.DEVICE_WITH_DESTINATION_VERSION(f"{name} runs {version} already.")
            if package.src_version is not None and version != package.src_version:
                raise errors.SRC_VERSION_MISMATCH(f"{name} runs {version}, not {package.src_version}.")

    # Finding.

    async def get(self, instance_id: int, job_id: str) -> Job:
        """Return the instance's batch with this JobId.

        Raises:
            BusinessError: iot.firmware.NullOTAJobId, iot.firmware.InvalidOTAJobId.
        """
        if not job_id:
            raise errors.NULL_JOB_ID()
        job = await self.find(instance_id, job_id)
        if job is None:
            raise errors.INVALID_JOB_ID()
        return job

    async def find(self, instance_id: int, job_id: str) -> Job | None:
        """Return the instance's batch with this JobId, or None."""
        query = select(ota_jobs).where(ota_jobs.c.job_id == job_id, ota_jobs.c.instance_id == instance_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else to_job(row)

    async def verified_percent(self, package: Package) -> int:
        """Return how much of a package's last verification is over, in per cent of its devices."""
        if package.status == Verification.VERIFIED:
            return 100
        last = select(ota_jobs.c.id).where(ota_jobs.c.package_id == package.id, ota_jobs.c.kind == "VERIFY")
        query = select(*COUNTS).where(
            ota_job_counts.c.job_id == last.order_by(ota_jobs.c.id.desc()).limit(1).scalar_subquery()
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None or not sum(row):
            return 0
        return 100 * sum(row[State.SUCCEEDED :]) // sum(row)

    async def counts(self, job: Job) -> dict[State, int]:
        """Return how many tasks of a batch are in which state; takes no longer with more tasks."""
        query = select(*COUNTS).where(ota_job_counts.c.job_id == job.id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one()
        return dict(zip(State, row, strict=True))

    async def of_package(self, package: Package, page: int, size: int) -> tuple[list[Job], int]:
        """Return a page of a package's batches, newest first, and the number of all."""
        return await self._page([ota_jobs.c.package_id == package.id], page, size)

    async def of_device(self, package: Package, device: Device, page: int, size: int) -> tuple[list[Job], int]:
        """Return a page of those batches of a package that a device has a task of, newest first, and their number."""
        mine: Select[Any] = select(ota_tasks.c.job_id).where(
            ota_tasks.c.device_id == device.id, ota_tasks.c.package_id == package.id
        )
        return await self._page([ota_jobs.c.id.in_(mine)], page, size)

    async def _page(self, fits: Sequence[ColumnElement[bool]], page: int, size: int) -> tuple[list[Job], int]:
        query = select(ota_jobs).where(*fits).order_by(ota_jobs.c.id.desc())
        query = query.limit(size).offset(min((page - 1) * size, MAX_OFFSET))
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).select_from(ota_jobs).where(*fits))).scalar_one()
            return [to_job(row) for row in await connection.execute(query)], total

    # Ending.

    async def cancel_strategy(self, job: Job) -> None:
        """Let a dynamic batch make no more tasks; those that it has made go on.

        Raises:
            BusinessError: iot.firmware.NotDynamicJob, iot.firmware.JobAlreadyCanceled.
        """
        if job.kind != "DYNAMIC":
            raise errors.NOT_DYNAMIC_JOB()
        now = self._clock.now_ms()
        change = update(ota_jobs).where(ota_jobs.c.id == job.id, ota_jobs.c.status.in_(RUNNING))
        change = change.values(status="CANCELED", building=False, modified_at=now, ended_at=now)
        async with self._database.write() as connection:
            row = (await connection.execute(change.returning(*ota_jobs.c))).first()
            if row is None:
                raise errors.JOB_ALREADY_CANCELED()
            written = Written(jobs=[to_job(row)])
            await self._outbox.note(connection, written)
        self._outbox.send(written)

    async def stop_building(self, job: Job) -> None:
        """Make no more tasks of a static batch."""
        change = update(ota_jobs).where(ota_jobs.c.id == job.id).values(building=False)
        async with self._database.write() as connection:
            await connection.execute(change)


async def _remaining(connection: AsyncConnection, batch: Batch) -> int | None:
    """Return how many tasks a batch will have at most; None for as many as there are devices.

    Raises:
        BusinessError: iot.firmware.NoDeviceCanUpgrade, iot.firmware.InvalidGrayPercent.
    """
    if batch.job.selection != "GRAY":
        if not await any_candidate(connection, batch):
            raise errors.NO_DEVICE_CAN_UPGRADE()
        return None
    share = gray_share(batch.job.strategy.gray_percent)
    count = await count_candidates(connection, batch)
    if not count:
        raise errors.NO_DEVICE_CAN_UPGRADE()
    remaining = int(share * count)
    if not remaining:
        raise errors.INVALID_GRAY_PERCENT(f"{batch.job.strategy.gray_percent} % of {count} devices is none.")
    return remaining

"""The parts of OTA put together, and what takes several of them."""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import select

from thingplane.bus import Bus, Downlink
from thingplane.clock import Clock
from thingplane.devices.service import Device, DeviceService
from thingplane.files.service import Downloads
from thingplane.forwarding.service import Forwarder
from thingplane.ota import errors
from thingplane.ota import task as tasks
from thingplane.ota.building import Builder
from thingplane.ota.descriptions import Descriptions
from thingplane.ota.job import Job
from thingplane.ota.jobs import JobService, NewJob
from thingplane.ota.ledger import Ledger
from thingplane.ota.modules import ModuleService
from thingplane.ota.moving import move
from thingplane.ota.outbox import Outbox
from thingplane.ota.package import URL_LIFETIME_S, Package, PackageFile
from thingplane.ota.packages import MAX_PACKAGES, PackageService
from thingplane.ota.policies import Policies
from thingplane.ota.pushing import Pusher
from thingplane.ota.queue import BuildQueue
from thingplane.ota.reports import Report, Reports, unfinished_of
from thingplane.ota.rows import Batch, Batches, packages_of
from thingplane.ota.scheduler import Scheduler
from thingplane.ota.selection import fits, version_of
from thingplane.ota.streams import Streams
from thingplane.ota.tables import ota_jobs, ota_packages
from thingplane.ota.task import State, Task
from thingplane.ota.tasklists import TaskService, leave
from thingplane.ota.uploads import UploadService
from thingplane.ota.version_cache import VersionsReported
from thingplane.products.service import Product, ProductService
from thingplane.storage.blobs import BlobStore
from thingplane.storage.database import Database


class OtaService:
    """Updates of all instances."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        downlink: Downlink,
        *,
        products: ProductService,
        devices: DeviceService,
        downloads: Downloads,
        blobs: BlobStore,
        forwarder: Forwarder,
        base_url: Callable[[], str],
        max_packages: int = MAX_PACKAGES,
        alone: bool = False,
    ) -> None:
        """Wire; ``start`` has to be awaited before anything is called.

        Args:
            database: where everything but contents is kept.
            clock: tells the time.
            bus: tells of devices that come online.
            downlink: the way to devices.
            products: the service of products.
            devices: the service of devices.
            downloads: makes URLs that devices download from.
            blobs: where contents are kept.
            forwarder: takes what subscribers are told.
            base_url: returns where the object endpoint is reached, such as ``http://192.0.2.7:8080``.
            max_packages: most packages of an instance.
            alone: whether no other node uses the database: what a dead one has leased is free at once.
        """
        self._database = database
        self._alone = alone
        self._clock = clock
        self.base_url = base_url
        self._downloads = downloads
        self._batches = Batches()
        self.modules = ModuleService(database, clock, products)
        self.uploads = UploadService(database, clock, blobs)
        self.packages = PackageService(database, clock, products, self.modules, self.uploads, max_packages=max_packages)
        self.outbox = Outbox(database, clock, forwarder, products, self._batches)
        self.jobs = JobService(database, clock, self.packages, self.uploads, self.outbox)
        self.tasks = TaskService(database, clock, self._batches, self.outbox)
        self._descriptions = Descriptions(downloads)
        self.streams = Streams(database, blobs, clock, self._batches)
        self._policies = Policies(database, self._batches)
        pusher = Pusher(database, clock, downlink, self._batches, self._descriptions, self.outbox)
        self.scheduler = Scheduler(database, clock, bus, pusher, self.tasks, self._policies, self.uploads, self.outbox)
        self._bus = bus
        self._reports = Reports(database, clock, devices, self._batches, self._policies, self.outbox, self._reported)
        self._builder = BuildQueue(Builder(database, clock, devices, self._batches, self.uploads, self.outbox))
        devices.on_delete.append(leave)
        devices.moves.on_move.append(move)

    async def start(self, *, ticking: bool = True) -> None:
        """Go on with what an earlier process has left; subscribers have to be known by now.

        Args:
            ticking: False when the caller calls ``scheduler.tick`` itself.
        """
        await self.uploads.start()
        await self.outbox.replay()
        await self._policies.load()
        await self._builder.start()
        if self._alone:
            await self.scheduler.take_over()
        if ticking:
            self.scheduler.start()

    async def close(self) -> None:
        """Stop; what is left is done after the next start."""
        await self._reports.close()
        await self.scheduler.close()
        await self._builder.close()
        await self.outbox.close()

    def _reported(self, device_ids: Iterable[int], due: Sequence[Task]) -> None:
        if reported := frozenset(device_ids):
            self._bus.publish(VersionsReported(reported))
        self.scheduler.reported(device_ids, due)

    # What back ends do.

    async def create_job(self, product: Product, package: Package, new: NewJob) -> Job:
        """Make a batch, and the first of its tasks; the others are made afterwards.

        Raises:
            BusinessError: see ``JobService.create``.
        """
        job = await self.jobs.create(product, package, new)
        if job.kind == "DYNAMIC":
            await self._policies.load()
        if job.building:
            await self._builder.begin(job.id)
        return job

    async def delete_package(self, package: Package) -> None:
        """Delete a package with its batches.

        Raises:
            BusinessError: see ``PackageService.delete``.
        """
        await self.packages.delete(package)
        self._batches.forget()

    async def cancel_strategy(self, job: Job) -> None:
        """Let a dynamic batch make no more tasks.

        Raises:
            BusinessError: see ``JobService.cancel_strategy``.
        """
        await self.jobs.cancel_strategy(job)
        await self._policies.load()

    async def cancel_tasks(self, job: Job, states: Sequence[State], *, planned: bool) -> None:
        """Cancel the tasks of a batch that are in these states.

        Args:
            job: whose tasks.
            states: which.
            planned: whether a batch that waits for its start is meant, with all its tasks.

        Raises:
            BusinessError: iot.firmware.JobHasNoScheduleTime, iot.firmware.JobAlreadyCanceled.
        """
        if planned and job.schedule_at is None:
            raise errors.JOB_HAS_NO_SCHEDULE_TIME()
        if job.status == "CANCELED" and job.kind != "DYNAMIC":
            raise errors.JOB_ALREADY_CANCELED()
        chosen = set(states)
        if planned and job.status == "PLANNED":
            chosen |= {State.CONFIRM, State.QUEUED}
        first = State.CONFIRM if job.strategy.need_confirm else State.QUEUED
        if first in chosen and job.kind != "DYNAMIC":
            # Those that are not made yet would begin there.
            await self.jobs.stop_building(job)
        await self.tasks.cancel_of_job(job, sorted(chosen))

    async def cancel_of_devices(self, package: Package, device_ids: Sequence[int], job: Job | None) -> None:
        """Cancel pending tasks of devices.

        Raises:
            BusinessError: see ``TaskService.cancel_of_devices``.
        """
        await self.tasks.cancel_of_devices(package, device_ids, job)

    async def confirm(self, instance_id: int, uids: Sequence[str]) -> None:
        """Let tasks begin that wait for it.

        Raises:
            BusinessError: see ``TaskService.confirm``.
        """
        self.scheduler.want(await self.tasks.confirm(instance_id, uids))

    async def begin_again(self, job: Job, uids: Sequence[str]) -> None:
        """Start failed and cancelled tasks anew.

        Raises:
            BusinessError: see ``TaskService.begin_again``.
        """
        self.scheduler.want(await self.tasks.begin_again(job, uids))

    async def package_of(self, job: Job) -> Package:
        """Return the package of a batch, as it is now.

        Raises:
            BusinessError: iot.firmware.FirmwareNotFound when it was deleted meanwhile, with the batch.
        """
        query = select(ota_packages).where(ota_packages.c.id == job.package_id)
        async with self._database.read() as connection:
            found = await packages_of(connection, query)
        if not found:
            raise errors.FIRMWARE_NOT_FOUND()
        return found[0]

    async def batches_of(self, some: Sequence[Task]) -> dict[int, Batch]:
        """Return the batches of tasks by the keys of their jobs."""
        async with self._database.read() as connection:
            return await self._batches.get(connection, {task.job_id for task in some})

    def url(self, file: PackageFile) -> str:
        """Return a signed URL of a file of a package, valid for a day."""
        return self._downloads.url(file.blob, file.name, URL_LIFETIME_S)

    # What devices do.

    async def report(self, report: Report) -> None:
        """Take a version or progress report; it is durable when this returns."""
        await self._reports.take(report)

    async def fetch(self, device: Device, module: str) -> Batch | None:
        """Return the batch whose package a device is to install, and note that it has asked; None without one.

        A task whose package does not fit what the device runs by now fails, as when it is to be told.
        """
        ledger = Ledger(self._clock.now_ms())
        found: Batch | None = None
        async with self._database.write() as connection:
            mine = [
                task
                for task in await unfinished_of(connection, [device.id])
                if task.module == module and task.state in tasks.VISIBLE
            ]
            if not mine:
                return None
            batches = await self._batches.get(connection, {task.job_id for task in mine})
            planned = select(ota_jobs.c.id).where(ota_jobs.c.id.in_(batches), ota_jobs.c.status == "PLANNED")
            waiting = set((await connection.execute(planned)).scalars())
            version = await version_of(connection, device.id, module)
            for task in mine:
                if task.job_id in waiting or task.job_id not in batches:
                    continue
                before, batch = task.state, batches[task.job_id]
                if fits(batch, before, version):
                    found, changed = batch, tasks.push(task, ledger.now)
                else:
                    changed = tasks.fail(task, tasks.SOURCE_MISMATCH, ledger.now)
                if changed:
                    ledger.changed(task, before)
            written = await ledger.write(connection, self.outbox.note)
        self.outbox.send(written)
        return found

    def describe(self, batch: Batch) -> bytes:
        """Return the JSON text of a batch's package object, as devices get it."""
        return self._descriptions.data(batch, self._clock.now_ms())

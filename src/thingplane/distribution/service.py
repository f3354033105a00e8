"""Distribution tasks: making, running and finding them; and what was distributed."""

from collections.abc import Sequence
from typing import Final

from thingplane.clock import Clock
from thingplane.cloud import Instance
from thingplane.devices.service import DeviceService
from thingplane.distribution import errors
from thingplane.distribution.distributed import Distributed, page_of_distributed
from thingplane.distribution.job import UNFINISHED, Job, Status
from thingplane.distribution.jobs import JobStore
from thingplane.distribution.runner import Runner
from thingplane.files.service import Downloads
from thingplane.instances.service import DEFAULT_INSTANCE, InstanceDirectory
from thingplane.products.service import Copy, ProductService
from thingplane.storage.blobs import BlobStore
from thingplane.storage.database import Database
from thingplane.storage.job_queue import JobQueue

__all__ = ["Copy", "Distributed", "DistributionService", "Job", "Status"]

ONE, NEAREST = 0, 1
"""Strategies: the one instance that is named, and the one of several that is nearest to the device."""
URL_LIFETIME_S: Final = 600
"""Seconds that the URL of a result file is valid."""


class DistributionService:
    """Takes products and devices from one instance of the node to another, in the background."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        database: Database,
        clock: Clock,
        products: ProductService,
        devices: DeviceService,
        instances: InstanceDirectory,
        downloads: Downloads,
        blobs: BlobStore,
        *,
        region: str = "cn-shanghai",
    ) -> None:
        """Wire the service; ``start`` goes on with what is unfinished.

        Args:
            database: where tasks are kept.
            clock: tells when they are made.
            products: the service of products.
            devices: the service of devices.
            instances: all instances.
            downloads: makes URLs of result files.
            blobs: keeps them.
            region: region that answers name.
        """
        self.region = region
        self._database = database
        self._products = products
        self._instances = instances
        self._downloads = downloads
        self._jobs = JobStore(database, clock)
        self._runner = Runner(database, clock, self._jobs, products, devices, instances, blobs)
        self._queue = JobQueue("distribution", self._run)

    async def start(self) -> None:
        """Go on with tasks that an earlier process has left unfinished."""
        self._queue.start([job.id for job in await self._jobs.unfinished()])

    async def close(self) -> None:
        """Finish the step that is under way."""
        await self._queue.close()

    async def done(self) -> None:
        """Return when every task has finished."""
        await self._queue.done()

    async def _run(self, number: int) -> None:
        await self._runner.run(number, lambda: self._queue.closing)

    # Tasks

    def _between(self, source: str, target: str) -> tuple[Instance, Instance]:
        from_ = self._runner.instance(source, errors.SOURCE_INSTANCE_NOT_FOUND)
        to = self._runner.instance(target, errors.TARGET_INSTANCE_NOT_FOUND)
        if from_ == to:
            raise errors.INSTANCE_ID_SAME()
        return from_, to

    async def distribute_product(self, product_key: str, source: str, target: str) -> Job:
        """Begin to make a product known in another instance, or to bring its copy there up to date.

        Args:
            product_key: of the product.
            source: IotInstanceId of the instance that it is in.
            target: IotInstanceId of the other one.

        Raises:
            BusinessError: iot.provisioning.SourceInstanceNotFound, iot.provisioning.TargetInstanceNotFound,
                iot.system.InstanceIdSame, iot.prod.NotExistedProduct, iot.provisioning.NotDeviceOwner for a copy,
                iot.provisioning.ProductIsDistributing, iot.provisioning.RunningTaskExcceedLimit.
        """
        from_, to = self._between(source, target)
        product = await self._products.get(from_.id, product_key)
        if product.source_id is not None:
            raise errors.NOT_DEVICE_OWNER()
        job = await self._jobs.create("product", product_key, from_.instance_id, to.instance_id, ONE, [])
        self._queue.put(job.id)
        return job

    async def distribute_devices(
        self, product_key: str, names: Sequence[str], source: str, targets: Sequence[str], strategy: int
    ) -> Job:
        """Begin to take devices to another instance, and their product with them if it is not known there.

        Args:
            product_key: of their product.
            names: DeviceNames; repeated ones count once.
            source: IotInstanceId of the instance that they are in.
            targets: IotInstanceId of the other one. Several can't be told apart: all are in the region of this node.
            strategy: ``ONE``, or ``NEAREST``, which of a single one is that one.

        Raises:
            BusinessError: iot.provisioning.ErrorStrategy, iot.provisioning.InstanceRegionConflict,
                iot.provisioning.SourceInstanceNotFound, iot.provisioning.TargetInstanceNotFound,
                iot.system.InstanceIdSame, iot.prod.NotExistedProduct, iot.provisioning.DeviceIsInAnotherTask,
                iot.provisioning.RunningTaskExcceedLimit.
        """
        if strategy not in {ONE, NEAREST}:
            raise errors.ERROR_STRATEGY()
        between = [self._between(source, target) for target in dict.fromkeys(targets)]
        if len(between) != 1:
            raise errors.INSTANCE_REGION_CONFLICT()
        [(from_, to)] = between
        await self._products.get(from_.id, product_key)
        wanted = list(dict.fromkeys(names))
        job = await self._jobs.create("device", product_key, from_.instance_id, to.instance_id, strategy, wanted)
        self._queue.put(job.id)
        return job

    async def get(self, job_id: str) -> Job:
        """Return a task.

        Raises:
            BusinessError: iot.provisioning.TaskNotExist.
        """
        return await self._jobs.get(job_id)

    async def result_url(self, job_id: str) -> str:
        """Return a URL of the result file of a task that has finished.

        Raises:
            BusinessError: iot.provisioning.TaskNotExist, iot.provisioning.TaskNotFinish.
        """
        job = await self._jobs.get(job_id)
        if job.blob is None:
            raise errors.TASK_NOT_FINISH()
        return self._downloads.url(job.blob, f"{job.job_id}.json", URL_LIFETIME_S)

    async def delete(self, job_id: str) -> None:
        """Delete a task that has finished, with its result file; what it has distributed stays where it is.

        Raises:
            BusinessError: iot.provisioning.TaskNotExist, iot.provisioning.TaskIsProcessing.
        """
        job = await self._jobs.get(job_id)
        if job.blob is None or job.status in UNFINISHED:
            raise errors.TASK_IS_PROCESSING()
        garbage = self._runner.garbage
        async with self._database.write() as connection:
            if not await self._jobs.delete(connection, job):
                raise errors.TASK_NOT_EXIST()
            await garbage.note(connection, [job.blob])
        await garbage.delete([job.blob])

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
        """Return tasks of all instances, newest first, and the number of all that fit; see ``JobStore.page``."""
        return await self._jobs.page(
            limit, offset=offset, before=before, job_id=job_id, product_key=product_key, status=status
        )

    # What was distributed

    async def products(
        self, page: int, size: int, *, product_key: str | None, source: str | None, target: str | None
    ) -> tuple[list[Copy], int]:
        """Return a page of the copies of products, newest first, and the number of all that fit.

        Args:
            page: number of the page, from 1.
            size: copies on a page.
            product_key: only those of this product.
            source: only those of products of the instance with this IotInstanceId.
            target: only those in the instance with this IotInstanceId.

        Raises:
            BusinessError: iot.provisioning.SourceInstanceNotFound, iot.provisioning.TargetInstanceNotFound.
        """
        from_ = self._runner.instance(source, errors.SOURCE_INSTANCE_NOT_FOUND) if source else None
        to = self._runner.instance(target, errors.TARGET_INSTANCE_NOT_FOUND) if target else None
        return await self._products.copies.page(
            page,
            size,
            product_key=product_key,
            instance_id=None if to is None else to.id,
            source_instance=None if from_ is None else from_.id,
        )

    async def devices(
        self, page: int, size: int, *, product_key: str | None, name: str | None, source: str | None
    ) -> tuple[list[Distributed], int]:
        """Return a page of the devices that were distributed, and the number of all that fit.

        Args:
            page: number of the page, from 1.
            size: devices on a page.
            product_key: only those of this product.
            name: only those with this DeviceName.
            source: only those that came from the instance with this IotInstanceId.

        Raises:
            BusinessError: iot.provisioning.SourceInstanceNotFound.
        """
        from_ = self._runner.instance(source, errors.SOURCE_INSTANCE_NOT_FOUND) if source else None
        return await page_of_distributed(
            self._database,
            page,
            size,
            product_key=product_key,
            name=name,
            source_instance=None if from_ is None else from_.id,
        )

    # Instances

    async def places(self) -> tuple[dict[int, str], dict[str, str]]:
        """Return the IotInstanceIds of all instances by their keys, and their names by their IotInstanceIds.

        An instance is called by its description, or by its IotInstanceId if it has none.
        """
        ids, names = {DEFAULT_INSTANCE.id: DEFAULT_INSTANCE.instance_id}, {}
        names[DEFAULT_INSTANCE.instance_id] = DEFAULT_INSTANCE.instance_id
        for info in await self._instances.list():
            ids[info.instance.id] = info.instance.instance_id
            names[info.instance.instance_id] = info.description or info.instance.instance_id
        return ids, names

"""Doing what tasks say: making products known in another instance, and taking devices there."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.cloud import BusinessError, Instance
from thingplane.devices.errors import HAS_DISTRIBUTED, NOT_EXISTED_DEVICE
from thingplane.devices.service import Device, DeviceService
from thingplane.distribution import distributed, errors
from thingplane.distribution.job import SUCCESS, Job, Result, Status, names_of
from thingplane.distribution.jobs import JobStore
from thingplane.files.service import Garbage
from thingplane.instances.service import InstanceDirectory
from thingplane.products.errors import NOT_EXISTED_PRODUCT
from thingplane.products.service import Product, ProductService
from thingplane.storage.blobs import BlobStore
from thingplane.storage.database import Database

AT_ONCE: Final = 50
"""Devices of a transaction: others that write wait for it."""
ABANDONED_MS: Final = 3_600_000
"""After this time the file of a task that was cut off is deleted."""


class Runner:
    """Runs tasks, step by step; every step is durable, and one that is run again changes nothing."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        database: Database,
        clock: Clock,
        jobs: JobStore,
        products: ProductService,
        devices: DeviceService,
        instances: InstanceDirectory,
        blobs: BlobStore,
    ) -> None:
        self._database = database
        self._clock = clock
        self._jobs = jobs
        self._products = products
        self._devices = devices
        self._instances = instances
        self._blobs = blobs
        self.garbage = Garbage(database, clock, blobs)

    async def run(self, number: int, closing: Callable[[], bool]) -> None:
        """Run a task, or as much of it as there is time for.

        Args:
            number: its key.
            closing: whether to return now and go on after the next start.
        """
        job = await self._jobs.by_id(number)
        if job is None or job.blob is not None:
            return
        if job.status == Status.INITIALIZING:
            await self._jobs.begin(job)
        try:
            source, target = self.instance(job.source, errors.SOURCE_INSTANCE_NOT_FOUND), self._target(job)
            if job.kind == "product":
                await self.place(job.product_key, source, target, again=True)
            elif not await self._take(job, source, target, closing):
                return
        except BusinessError as error:
            await self._finish(job, Status.INTERRUPTED, error)
        else:
            await self._finish(job, Status.FINISHED)

    def instance(self, instance_id: str, missing: Callable[[], BusinessError]) -> Instance:
        """Return an instance, or raise what is said about one that is missing."""
        try:
            return self._instances.resolve(instance_id)
        except BusinessError:
            raise missing() from None

    def _target(self, job: Job) -> Instance:
        return self.instance(job.target, errors.TARGET_INSTANCE_NOT_FOUND)

    async def place(
        self, product_key: str, source: Instance, target: Instance, *, again: bool = False
    ) -> tuple[Product, Product]:
        """Return a product in both instances, having made it known in the second one if it was not.

        Args:
            product_key: of the product.
            source: where it is.
            target: where it will be.
            again: whether a copy that is there already is brought up to date.

        Raises:
            BusinessError: iot.prod.NotExistedProduct; iot.prod.AlreadyExistedProductName,
                iot.prod.ProductCountExceedMax in the second instance.
        """
        here = await self._products.get(source.id, product_key)
        there = await self._products.find(product_key, target.id)
        if there is None or (again and there.source_id is not None):
            original = await self._products.find(product_key)
            if original is None:
                raise NOT_EXISTED_PRODUCT()
            there = await self._products.copy(original, target.id)
        return here, there

    async def _take(self, job: Job, source: Instance, target: Instance, closing: Callable[[], bool]) -> bool:
        """Take the devices of a task to their new instance; False when it was not all of them."""
        names = names_of(job)
        done = await self._jobs.handled(job)
        while done < len(names):
            if closing():
                return False
            here, there = await self.place(job.product_key, source, target)
            some = names[done : done + AT_ONCE]
            try:
                await self._take_some(job, done, some, here, there)
            except IntegrityError:
                if await self._products.by_id(there.id) is not None:
                    raise
                # The product was deleted there meanwhile: it is made known again.
            else:
                done += len(some)
        return True

    async def _take_some(self, job: Job, since: int, names: Sequence[str], here: Product, there: Product) -> None:
        found = await asyncio.gather(*(self._devices.find(job.product_key, name) for name in names))
        known = [device for device in found if device is not None]
        present = [device for device in known if device.product_id == here.id]
        elsewhere = {device.name for device in known if device.product_id != here.id}

        async def note(connection: AsyncConnection, moved: Sequence[Device]) -> None:
            there_now = {device.name for device in moved}
            outcomes = [
                None if name in there_now else HAS_DISTRIBUTED() if name in elsewhere else NOT_EXISTED_DEVICE()
                for name in names
            ]
            await JobStore.note(connection, job, since, outcomes)
            now, returned = self._clock.now_ms(), there.source_id is None
            await distributed.note(connection, moved, here.instance_id, now, returned=returned)

        await self._devices.moves.move(present, here, there, note)

    async def _finish(self, job: Job, status: Status, error: BusinessError | None = None) -> None:
        results = await self._jobs.results(job) if job.kind == "device" else []
        if error is not None:
            results.append(Result(job.product_key, job.target, error.code, error.message))
        elif job.kind == "product":
            results.append(Result(job.product_key, job.target, SUCCESS, "success"))
        blob = secrets.token_hex(16)
        async with self._database.write() as connection:
            # Until the task says that it is its file, it is something to be deleted some time.
            await self.garbage.note(connection, [blob], ABANDONED_MS)
        writer = await self._blobs.create(blob)
        try:
            await writer.write(msgspec.json.format(msgspec.json.encode(results), indent=1))
        except BaseException:
            await writer.abort()
            raise
        await writer.commit()
        async with self._database.write() as connection:
            await self.garbage.keep(connection, blob)
            await JobStore.finish(connection, job, status, blob)

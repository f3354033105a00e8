"""Applications for many devices at once: checked and made in the background, all of an application's devices or none.

An application is durable before its ApplyId is given out, and so is every step: a node that is killed goes on after its
start. The devices of an application are made in one transaction together with the step that says so.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.devices import errors
from thingplane.devices.record import Device
from thingplane.devices.registration import new_device
from thingplane.devices.tables import device_applications, devices
from thingplane.forwarding.bodies import Action
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database
from thingplane.storage.job_queue import JobQueue

MAX_DEVICES: Final = 10_000
"""Devices of one application (guide 4.8.15, 4.8.17)."""

CHUNK: Final = 250
"""Devices of one statement: what the event loop can prepare without holding others up."""

Progress: TypeAlias = Literal["CHECK", "CHECK_SUCCESS", "CHECK_FAILED", "CREATE", "CREATE_SUCCESS", "CREATE_FAILED"]
"""How far an application is, spelled as documented (guide 4.8.19)."""

Entry: TypeAlias = tuple[str, str | None]
"""DeviceName and nickname."""


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """A device that cannot be made."""

    name: str
    nickname: str | None
    reason: str


class Application(msgspec.Struct, frozen=True):
    """An application as it is now."""

    id: int
    """The ApplyId."""
    instance_id: int
    product_key: str
    status: Progress


def made_with(application: Application) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a device was made with an application and is still in its instance."""
    return devices.c.application_id == application.id, devices.c.instance_id == application.instance_id


OnLife: TypeAlias = Callable[[Action, Sequence[Device]], Awaitable[None]]

_NAMELESS: Final = (None, None)
_entries = msgspec.json.Decoder(list[Entry])
_failures = msgspec.json.Decoder(list[Failure])


class DeviceApplications:
    """The applications of all instances."""

    def __init__(
        self, database: Database, clock: Clock, products: ProductService, max_devices: int, on_life: OnLife
    ) -> None:
        self._on_life = on_life
        self._database = database
        self._clock = clock
        self._products = products
        self.max_devices = max_devices
        self._jobs = JobQueue("device applications", self._advance)

    async def start(self) -> None:
        """Go on with what is unfinished."""
        unfinished = select(device_applications.c.id).where(device_applications.c.status.in_(["CHECK", "CREATE"]))
        async with self._database.read() as connection:
            self._jobs.start((await connection.execute(unfinished.order_by(device_applications.c.id))).scalars())

    async def close(self) -> None:
        """Finish the step that is under way."""
        await self._jobs.close()

    async def done(self) -> None:
        """Return when every application is as far as it gets by itself."""
        await self._jobs.done()

    async def check(self, product: Product, entries: Sequence[Entry]) -> int:
        """Let well-formed names that differ be checked against the devices that exist; return the ApplyId.

        Raises:
            BusinessError: iot.device.DeviceCountExceeded; iot.prod.NotExistedProduct.
        """
        return await self._apply(product, "CHECK", len(entries), entries)

    async def create_random(self, product: Product, count: int) -> int:
        """Let devices be made with names of the platform's choice; return the ApplyId.

        Raises:
            BusinessError: iot.device.DeviceCountExceeded; iot.prod.NotExistedProduct.
        """
        return await self._apply(product, "CREATE", count, None)

    async def create(self, application: Application) -> None:
        """Let the devices of an application be made whose names were found to be free.

        Raises:
            BusinessError: iot.device.CreateDeviceTaskIsRunning while they are being made or their names checked;
                iot.device.ApplyManyDevicesFailed when names are taken, or the devices were made before.
        """
        table = device_applications
        step = update(table).where(table.c.id == application.id, table.c.status == "CHECK_SUCCESS")
        async with self._database.write() as connection:
            if not (await connection.execute(step.values(status="CREATE"))).rowcount:
                status = await connection.scalar(select(table.c.status).where(table.c.id == application.id))
                raise _not_creatable(status)
        self._jobs.put(application.id)

    async def get(self, instance_id: int, application_id: int, product: Product | None = None) -> Application:
        """Return an application of an instance.

        Raises:
            BusinessError: iot.device.DeviceApplyIsNotFound; iot.device.IncorrentDeviceApplyInfo when it is for another
                product than the given one.
        """
        table = device_applications
        columns = [table.c[name] for name in Application.__struct_fields__]
        query = select(*columns).where(table.c.id == application_id, table.c.instance_id == instance_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            raise errors.DEVICE_APPLY_IS_NOT_FOUND()
        if product is not None and row.product_key != product.product_key:
            raise errors.INCORRENT_DEVICE_APPLY_INFO()
        return Application(**row._mapping)  # noqa: SLF001 (its documented name)

    async def names(self, application: Application) -> list[str]:
        """Return the names that were found to be free, or those of the devices that were made and are still there.

        Devices that went to another instance are not there any more.
        """
        table = device_applications
        async with self._database.read() as connection:
            if application.status == "CREATE_SUCCESS":
                made = select(devices.c.name).where(*made_with(application)).order_by(devices.c.id)
                return list((await connection.execute(made)).scalars())
            text = await connection.scalar(select(table.c.entries).where(table.c.id == application.id))
        return [name for name, _ in _entries.decode(text)] if text else []

    async def failures(self, application: Application) -> list[Failure]:
        """Return the devices that cannot be made."""
        table = device_applications
        async with self._database.read() as connection:
            text = await connection.scalar(select(table.c.failures).where(table.c.id == application.id))
        return _failures.decode(text) if text else []

    # Steps

    async def _apply(self, product: Product, status: Progress, count: int, entries: Sequence[Entry] | None) -> int:
        if count > self.max_devices:
            raise errors.DEVICE_COUNT_EXCEEDED(f"One application is for at most {self.max_devices} devices.")
        values = {
            "instance_id": product.instance_id,
            "product_id": product.id,
            "product_key": product.product_key,
            "status": status,
            "total": count,
            "entries": None if entries is None else msgspec.json.encode(entries).decode(),
            "created_at": self._clock.now_ms(),
        }
        async with self._database.write() as connection:
            await self._products.locked(connection, product.id)
            statement = insert(device_applications).values(values).returning(device_applications.c.id)
            application_id: int = (await connection.execute(statement)).scalar_one()
        self._jobs.put(application_id)
        return application_id

    async def _advance(self, application_id: int) -> None:
        """Do the step that an application waits for, if there is one."""
        while True:
            async with self._database.read() as connection:
                query = select(device_applications).where(device_applications.c.id == application_id)
                row = (await connection.execute(query)).first()
            if row is None or row.status not in ("CHECK", "CREATE"):
                return
            product = await self._products.find_id(row.product_id)
            if product is None:
                # Deleted, and the application with it.
                return
            entries: Sequence[Entry | None] = (
                [None] * row.total if row.entries is None else _entries.decode(row.entries)
            )
            created: list[Device] = []
            try:
                async with self._database.write() as connection:
                    if row.status == "CHECK":
                        await self._check(connection, row, entries)
                    else:
                        created = await self._create(connection, row, product, entries)
            except IntegrityError:
                # Somebody else took a name, or deleted the product, after it was looked for: look again.
                continue
            if created:
                await self._on_life("create", created)

    async def _check(self, connection: AsyncConnection, row: Any, entries: Sequence[Entry | None]) -> None:
        failures = await _taken(connection, row.product_key, entries)
        await _step(connection, row, "CHECK_FAILED" if failures else "CHECK_SUCCESS", failures=_text(failures))

    async def _create(
        self, connection: AsyncConnection, row: Any, product: Product, entries: Sequence[Entry | None]
    ) -> list[Device]:
        created: list[Device] = []
        # First of all, so that of two nodes that do this one waits and then finds it done.
        if not await _step(connection, row, "CREATE_SUCCESS", entries=None):
            return created
        failures = await _taken(connection, row.product_key, entries)
        if failures:
            await _step(connection, row, "CREATE_FAILED", "CREATE_SUCCESS", failures=_text(failures))
            return created
        now = self._clock.now_ms()
        for chunk in _chunks(entries):
            named = [entry or _NAMELESS for entry in chunk]
            rows = [new_device(product, name, nickname, now) for name, nickname in named]
            # With RETURNING it is one statement for all rows: a statement for each would compete with the event loop
            # for the interpreter 250 times.
            statement = insert(devices).values(application_id=row.id).returning(devices.c.name, devices.c.id)
            keys = {row.name: row.id for row in await connection.execute(statement, rows)}
            created += [Device(id=keys[values["name"]], **values) for values in rows]
        return created


def _not_creatable(status: str | None) -> Exception:
    if status is None:
        return errors.DEVICE_APPLY_IS_NOT_FOUND()
    if status == "CHECK":
        return errors.CREATE_DEVICE_TASK_IS_RUNNING("The DeviceNames of this application are still being checked.")
    if status == "CREATE":
        return errors.CREATE_DEVICE_TASK_IS_RUNNING()
    if status == "CREATE_SUCCESS":
        return errors.APPLY_MANY_DEVICES_FAILED("The devices of this application were created before.")
    return errors.APPLY_MANY_DEVICES_FAILED("DeviceNames of this application are taken.")


async def _step(connection: AsyncConnection, row: Any, to: Progress, since: str | None = None, **values: Any) -> bool:
    table = device_applications
    step = update(table).where(table.c.id == row.id, table.c.status == (since or row.status))
    return bool((await connection.execute(step.values(status=to, **values))).rowcount)


async def _taken(connection: AsyncConnection, product_key: str, entries: Iterable[Entry | None]) -> list[Failure]:
    """Return those entries whose names the product's devices have."""
    failures: list[Failure] = []
    for chunk in _chunks([entry for entry in entries if entry is not None]):
        wanted = select(devices.c.name).where(
            devices.c.product_key == product_key, devices.c.name.in_([name for name, _ in chunk])
        )
        taken = set((await connection.execute(wanted)).scalars())
        reason = errors.ALREADY_EXISTED_DEVICE_NAME.message
        failures += [Failure(name, nickname, reason) for name, nickname in chunk if name in taken]
    return failures


def _chunks(entries: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(entries), CHUNK):
        yield entries[start : start + CHUNK]


def _text(failures: list[Failure]) -> str | None:
    return msgspec.json.encode(failures).decode() if failures else None

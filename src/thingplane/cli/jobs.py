"""``thingplane job``: tasks for devices."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

from cyclopts import App, Parameter
from sqlalchemy import select

from thingplane.bus import LocalBus
from thingplane.cli import CommandError
from thingplane.cli.database import with_database
from thingplane.cli.output import print_rows
from thingplane.cli.placed import InstanceId, ProductKey, find_product
from thingplane.cli.target import DataDir
from thingplane.clock import SystemClock
from thingplane.cloud.times import utc
from thingplane.device_jobs.store import MAX_TASKS, JobError, JobStore, Status
from thingplane.devices.service import devices as device_table
from thingplane.products.service import ProductService
from thingplane.storage.database import Database

app = App(name="job", help="Give devices tasks to work through: a JSON document each, and a status that they report.")

JOBS: Final = ["JobId", "Tasks", "Unfinished", "UtcCreate"]
TASKS: Final = ["TaskId", "DeviceName", "Status", "Progress", "Details", "UtcModified"]

JobId = Annotated[str, Parameter(help="JobId")]
T = TypeVar("T")


@app.command(name="create")
def create(
    product_key: ProductKey,
    document: Annotated[Path, Parameter(help="JSON object, at most 64 KB")],
    *,
    device: Annotated[list[str] | None, Parameter(help="DeviceName; may be repeated [default: all devices]")] = None,
    instance: InstanceId = None,
    data_dir: DataDir = None,
) -> None:
    """Make a job. Devices are told at once if they are online, otherwise when they connect."""
    try:
        content = document.read_bytes()
    except OSError as error:
        raise CommandError(f"{document}: {error.strerror}") from None

    async def make(database: Database, store: JobStore) -> str:
        product_id = await _product(database, product_key, instance)
        query = select(device_table.c.id, device_table.c.name).where(device_table.c.product_id == product_id)
        if device:
            query = query.where(device_table.c.name.in_(device))
        async with database.read() as connection:
            found = {row.name: row.id for row in await connection.execute(query.limit(MAX_TASKS + 1))}
        missing = [name for name in device or () if name not in found]
        if missing:
            raise JobError(f"there is no device {missing[0]}")
        return await store.create(product_id, list(found.values()), content)

    print_rows([{"JobId": _run(data_dir, make)}], ["JobId"])


@app.command(name="list")
def show(product_key: ProductKey, *, instance: InstanceId = None, data_dir: DataDir = None) -> None:
    """List the jobs of a product."""

    async def read(database: Database, store: JobStore) -> list[dict[str, object]]:
        return [
            {
                "JobId": job.job_id,
                "Tasks": job.tasks,
                "Unfinished": job.unfinished,
                "UtcCreate": utc(job.created_at),
            }
            for job in await store.jobs(await _product(database, product_key, instance))
        ]

    print_rows(_run(data_dir, read), JOBS)


@app.command(name="tasks")
def tasks(job_id: JobId, *, data_dir: DataDir = None) -> None:
    """Show how far the devices of a job are."""

    async def read(database: Database, store: JobStore) -> list[dict[str, object]]:
        found = await store.tasks(job_id)
        query = select(device_table.c.id, device_table.c.name)
        names: dict[int, str] = {}
        async with database.read() as connection:
            for start in range(0, len(found), 500):
                some = [task.device_id for task in found[start : start + 500]]
                rows = await connection.execute(query.where(device_table.c.id.in_(some)))
                names.update({row.id: row.name for row in rows})
        return [
            {
                "TaskId": task.task_id,
                "DeviceName": names.get(task.device_id, ""),
                "Status": task.status.value,
                "Progress": task.progress,
                "Details": task.details,
                "UtcModified": utc(task.changed_at),
            }
            for task in found
        ]

    print_rows(_run(data_dir, read), TASKS)


@app.command(name="cancel")
def cancel(job_id: JobId, *, data_dir: DataDir = None) -> None:
    """Cancel what is unfinished of a job, and tell the devices."""
    ended = _run(data_dir, lambda _, store: store.end(job_id, Status.CANCELLED))
    print_rows([{"Tasks": ended}], ["Tasks"])


@app.command(name="remove")
def remove(job_id: JobId, *, data_dir: DataDir = None) -> None:
    """Take what is unfinished of a job away from the devices, as if it had never been."""
    ended = _run(data_dir, lambda _, store: store.end(job_id, Status.REMOVED))
    print_rows([{"Tasks": ended}], ["Tasks"])


async def _product(database: Database, product_key: str, instance: str | None) -> int:
    products = ProductService(database, SystemClock(), LocalBus())
    return (await find_product(database, products, product_key, instance)).id


def _run(data_dir: Path | None, action: Callable[[Database, JobStore], Awaitable[T]]) -> T:
    try:
        return with_database(data_dir, lambda database: action(database, JobStore(database, SystemClock())))
    except JobError as error:
        raise CommandError(str(error)) from None

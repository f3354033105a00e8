"""The devices that were distributed."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.devices.service import Device, devices
from thingplane.distribution.tables import distributed_devices
from thingplane.storage.database import Database

_distributed = distributed_devices.c
# Far beyond every row, and small enough for the 64-bit integers of both databases.
_MAX_OFFSET = 2**53


class Distributed(msgspec.Struct, frozen=True):
    """A device that is not in the instance of its product's original."""

    product_key: str
    name: str
    instance_id: int
    source_instance: int
    """Key of the instance that it came from last."""
    created_at: int
    """When it was distributed first, in epoch milliseconds."""
    modified_at: int
    """When it was distributed last, in epoch milliseconds."""


async def note(connection: AsyncConnection, moved: Sequence[Device], source: int, now: int, *, returned: bool) -> None:
    """Take note of devices that were distributed, in the transaction that did it.

    Args:
        connection: of the transaction.
        moved: the devices.
        source: key of the instance that they came from.
        now: epoch milliseconds.
        returned: whether they are back in the instance of their product's original.
    """
    keys = [device.id for device in moved]
    if returned:
        await connection.execute(delete(distributed_devices).where(_distributed.device_id.in_(keys)))
        return
    change = update(distributed_devices).where(_distributed.device_id.in_(keys))
    change = change.values(source_instance=source, modified_at=now).returning(_distributed.device_id)
    known = set((await connection.execute(change)).scalars())
    rows = [
        {"device_id": key, "source_instance": source, "created_at": now, "modified_at": now}
        for key in keys
        if key not in known
    ]
    if rows:
        await connection.execute(insert(distributed_devices), rows)


async def page_of_distributed(
    database: Database,
    page: int,
    size: int,
    *,
    product_key: str | None = None,
    name: str | None = None,
    source_instance: int | None = None,
) -> tuple[list[Distributed], int]:
    """Return a page of the devices that were distributed, those of the last time first, and the number of all that fit.

    Args:
        database: where they are.
        page: number of the page, from 1.
        size: devices on a page.
        product_key: only those of this product.
        name: only those with this DeviceName.
        source_instance: only those that came from this instance.
    """
    wanted: list[ColumnElement[bool]] = []
    for column, value in (
        (devices.c.product_key, product_key),
        (devices.c.name, name),
        (_distributed.source_instance, source_instance),
    ):
        if value is not None:
            wanted.append(column == value)
    columns = (devices.c.product_key, devices.c.name, devices.c.instance_id)
    query = select(*columns, _distributed.source_instance, _distributed.created_at, _distributed.modified_at)
    query = query.join_from(distributed_devices, devices, devices.c.id == _distributed.device_id).where(*wanted)
    ordered = query.order_by(_distributed.modified_at.desc(), _distributed.device_id.desc())
    async with database.read() as connection:
        total = (await connection.execute(select(func.count()).select_from(query.subquery()))).scalar_one()
        rows = await connection.execute(ordered.limit(size).offset(min((page - 1) * size, _MAX_OFFSET)))
        return [_to_distributed(row) for row in rows], total


def _to_distributed(row: Any) -> Distributed:
    return Distributed(**row._mapping)  # noqa: SLF001 - the documented way to a row's columns

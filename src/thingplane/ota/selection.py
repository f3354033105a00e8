"""Which devices a batch is for: always those that have reported a version of its module."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Select, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.devices.service import devices
from thingplane.groups.service import device_group_members, device_groups
from thingplane.ota.rows import Batch
from thingplane.ota.tables import ota_module_versions
from thingplane.ota.task import State

AT_ONCE: Final = 2000
"""Devices of one transaction."""
_NAMES_AT_ONCE: Final = 500


class Candidate(msgspec.Struct, frozen=True):
    """A device that a batch may be for."""

    device_id: int
    version: str


def candidates(batch: Batch) -> Select[Any]:
    """Return a query for the devices and versions that a batch fits, without those that run its version already."""
    job, package = batch.job, batch.package
    reported = and_(ota_module_versions.c.device_id == devices.c.id, ota_module_versions.c.module == package.module)
    query = select(devices.c.id, ota_module_versions.c.version).join(ota_module_versions, reported)
    query = query.where(devices.c.product_id == job.product_id, ota_module_versions.c.version != package.version)
    if sources := batch.plan.sources:
        query = query.where(ota_module_versions.c.version.in_(sources))
    if job.selection == "GROUP":
        member = select(device_group_members.c.device_id).join(
            device_groups, device_groups.c.id == device_group_members.c.group_id
        )
        member = member.where(
            device_groups.c.group_id == job.strategy.group_id, device_groups.c.instance_id == job.instance_id
        )
        query = query.where(devices.c.id.in_(member))
    return query


def fits(batch: Batch, state: State, version: str | None) -> bool:
    """Tell whether a device may be given a batch's package for a task of it, by what it runs now.

    A device that has begun and came to a third version may be told again of a full package; differences would not fit.

    Args:
        batch: the job with its package.
        state: of the device's task.
        version: that the device has reported last of the module.
    """
    sources = batch.plan.sources
    if not sources or version in sources:
        return True
    return state is State.IN_PROGRESS and not batch.package.is_difference


async def version_of(connection: AsyncConnection, device_id: int, module: str) -> str | None:
    """Return the version that a device has reported last of a module."""
    mine = (ota_module_versions.c.device_id == device_id, ota_module_versions.c.module == module)
    version: str | None = await connection.scalar(select(ota_module_versions.c.version).where(*mine))
    return version


async def any_candidate(connection: AsyncConnection, batch: Batch) -> bool:
    """Tell whether there is at least one device for a batch."""
    return bool(await connection.scalar(select(exists(candidates(batch)))))


async def count_candidates(connection: AsyncConnection, batch: Batch) -> int:
    """Return how many devices there are for a batch."""
    return int(await connection.scalar(select(func.count()).select_from(candidates(batch).subquery())) or 0)


async def next_candidates(
    connection: AsyncConnection, batch: Batch, after: int, most: int
) -> tuple[list[Candidate], int | None]:
    """Return the next devices of a batch and where to go on; None when these were the last.

    Args:
        connection: to the database.
        batch: with ``targets`` None.
        after: where the last call left off, 0 at first.
        most: devices to return.
    """
    query = candidates(batch).where(devices.c.id > after).order_by(devices.c.id).limit(most)
    rows = (await connection.execute(query)).all()
    found = [Candidate(row.id, row.version) for row in rows]
    return found, (rows[-1].id if len(rows) == most else None)


async def next_named(
    connection: AsyncConnection, batch: Batch, names: Sequence[str], after: int
) -> tuple[list[Candidate], int | None]:
    """Return those of the next names that fit a batch, and where to go on; None when these were the last.

    Names of devices that do not exist, or do not fit, are skipped (guide: CreateOTAStaticUpgradeJob, DnListFileUrl).
    """
    some = names[after : after + _NAMES_AT_ONCE]
    query = candidates(batch).where(devices.c.name.in_(some)).order_by(devices.c.id)
    rows = (await connection.execute(query)).all()
    end = after + len(some)
    return [Candidate(row.id, row.version) for row in rows], (end if end < len(names) else None)

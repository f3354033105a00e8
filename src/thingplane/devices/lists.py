"""Lists of devices: of a product, in a state, with tags, of an application; and how many there are."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.devices.applications import Application, made_with
from thingplane.devices.directory import COLUMNS, DeviceDirectory
from thingplane.devices.presence import Presence
from thingplane.devices.record import Device
from thingplane.devices.statistics import DeviceStatistics, count_states
from thingplane.devices.tables import devices
from thingplane.devices.tags import DeviceTags
from thingplane.storage.database import Database

# Far beyond every row, and small enough for the 64-bit integers of both databases.
_MAX_OFFSET: Final = 2**53

Page = tuple[int, list[Device]]
"""How many devices there are in the whole list, and those of one page."""


class DeviceLists:
    """Pages of devices. What presence has only in memory is written first, so that lists by state are exact."""

    def __init__(self, database: Database, directory: DeviceDirectory, presence: Presence, tags: DeviceTags) -> None:
        self._database = database
        self._directory = directory
        self._presence = presence
        self._tags = tags

    async def of_product(self, product_id: int, limit: int, *, offset: int = 0, before: int | None = None) -> Page:
        """Return devices of a product, newest first.

        Args:
            product_id: key of the product.
            limit: devices at most.
            offset: devices to skip.
            before: only devices older than the one with this key; the number of all is that of all nevertheless.
        """
        wanted = select(*COLUMNS).where(devices.c.product_id == product_id)
        if before is not None:
            wanted = wanted.where(devices.c.id < before)
        wanted = wanted.order_by(devices.c.id.desc()).limit(limit).offset(offset)
        async with self._database.read() as connection:
            total = await _count(connection, devices.c.product_id == product_id)
            rows = (await connection.execute(wanted)).all()
        return total, [self._directory.intern(row) for row in rows]

    async def by_status(
        self, instance_id: int, status: int, limit: int, offset: int = 0, product_ids: Sequence[int] | None = None
    ) -> Page:
        """Return devices of an instance that are in a state, newest product and in it newest device first.

        Args:
            instance_id: whose devices.
            status: 0 never activated, 1 online, 3 offline, 8 disabled.
            limit: devices at most.
            offset: devices to skip.
            product_ids: only devices of products with these keys.
        """
        conditions = [devices.c.instance_id == instance_id, devices.c.status == status]
        if product_ids is not None:
            conditions.append(devices.c.product_id.in_(product_ids))
        await self._presence.flush()
        return await self._page(conditions, (devices.c.product_id.desc(), devices.c.id.desc()), limit, offset)

    async def by_tags(self, instance_id: int, tags: Sequence[tuple[str, str]], limit: int, offset: int = 0) -> Page:
        """Return devices of an instance that have all of these tags, newest first."""
        async with self._database.read() as connection:
            with_tags = self._tags.matching(instance_id, await self._tags.rarest_first(connection, instance_id, tags))
            key = with_tags.selected_columns[0]
            page = with_tags.order_by(key.desc()).limit(limit).offset(min(offset, _MAX_OFFSET))
            total = (await connection.execute(with_tags.with_only_columns(func.count()))).scalar_one()
            keys = (await connection.execute(page)).scalars().all()
            rows = await connection.execute(
                select(*COLUMNS).where(devices.c.id.in_(keys)).order_by(devices.c.id.desc())
            )
            return total, [self._directory.intern(row) for row in rows]

    async def of_application(self, application: Application, limit: int, offset: int = 0) -> Page:
        """Return devices that an application has made and that are still there, in the order of the application."""
        return await self._page(made_with(application), (devices.c.id.asc(),), limit, offset)

    async def statistics(
        self, instance_id: int | None = None, *, product_id: int | None = None, among: Select[Any] | None = None
    ) -> DeviceStatistics:
        """Return how many devices there are, and how many of them are activated and online.

        Args:
            instance_id: only those of this instance.
            product_id: only those of the product with this key.
            among: only those with a key that this query finds.
        """
        conditions: list[ColumnElement[bool]] = []
        if instance_id is not None:
            conditions.append(devices.c.instance_id == instance_id)
        if product_id is not None:
            conditions.append(devices.c.product_id == product_id)
        if among is not None:
            conditions.append(devices.c.id.in_(among))
        await self._presence.flush()
        async with self._database.read() as connection:
            return await count_states(connection, conditions)

    async def _page(
        self, conditions: Sequence[ColumnElement[bool]], order: tuple[ColumnElement[Any], ...], limit: int, offset: int
    ) -> Page:
        # Devices are skipped in the index alone; only those of the page are read.
        keys = select(devices.c.id).where(*conditions).order_by(*order).limit(limit).offset(min(offset, _MAX_OFFSET))
        async with self._database.read() as connection:
            total = await _count(connection, *conditions)
            rows = await connection.execute(select(*COLUMNS).where(devices.c.id.in_(keys)).order_by(*order))
            return total, [self._directory.intern(row) for row in rows]


async def _count(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(devices).where(*conditions)
    count: int = (await connection.execute(query)).scalar_one()
    return count

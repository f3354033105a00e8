"""Search for devices."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.devices.service import DeviceService, device_tags
from thingplane.groups.service import device_group_members, device_groups
from thingplane.ota.service import ota_module_versions
from thingplane.products.service import ProductService
from thingplane.search.compiling import Compiler, Keys
from thingplane.search.elements import ElementConditions, can_narrow, elements, narrowing
from thingplane.search.fields import STATUS_WORDS
from thingplane.search.parsing import SearchLimits, parse
from thingplane.search.statement import Statement
from thingplane.storage.database import Database

__all__ = ["DeviceSearch", "Found", "FoundDevice", "SearchLimits"]

FEW: Final = 1000
"""Fitting tags, group members or modules that are read first, and devices found from them."""
SOME: Final = 25_000
"""Those from which the database finds devices; where more of them fit, it looks through the devices."""

_LIMITS: Final = SearchLimits()


class FoundDevice(msgspec.Struct, kw_only=True):
    """A device that fits, with the fields that the statement selects and some more."""

    iot_id: str
    product_key: str
    name: str
    nickname: str | None
    status: str
    """ONLINE, OFFLINE, UNACTIVE or DISABLE."""
    created_at: int
    """Epoch milliseconds, as the other times."""
    modified_at: int
    activated_at: int | None
    groups: list[str]
    """GroupIds."""
    tags: list[tuple[str, str]]
    """Keys and values."""
    modules: list[tuple[str, str]]
    """OTA modules and their versions."""


class Found(msgspec.Struct, frozen=True):
    """What a statement finds."""

    fields: frozenset[str]
    """The fields that it selects."""
    devices: list[FoundDevice]
    """The devices of its page."""
    count: int | None
    """The number of devices, for ``SELECT count(*)`` only."""


class DeviceSearch:
    """Executes statements on the metadata database itself: what it finds is never stale."""

    def __init__(
        self, database: Database, products: ProductService, devices: DeviceService, limits: SearchLimits = _LIMITS
    ) -> None:
        """Wire the service.

        Args:
            database: where devices are.
            products: finds the products that statements name.
            devices: asked to write what it has in memory only, before a search.
            limits: how much a statement may ask for.
        """
        self._database = database
        self._products = products
        self._devices = devices
        self._limits = limits

    async def search(self, instance_id: int, sql: str) -> Found:
        """Find devices of an instance.

        Args:
            instance_id: whose devices.
            sql: the statement, as guide 4.8.35 describes it.

        Raises:
            BusinessError: one of iot.devicesearch.*.
        """
        # The first time of all takes a tenth of a second, which the devices' messages need not wait for.
        statement = await asyncio.to_thread(parse, sql, self._limits)
        products = await self._product_ids(instance_id, statement)
        await self._devices.flush()
        async with self._database.read() as connection:
            few = await _few(connection, statement, instance_id)
            compiler = Compiler(statement, instance_id, products, few)
            if statement.counts:
                return Found(statement.fields, [], (await connection.execute(compiler.count())).scalar_one())
            rows = (await connection.execute(compiler.page())).all()
            keys = [row.id for row in rows]
            groups = await _groups(connection, keys) if _selects(statement, "group.") else {}
            tags = await _tags(connection, keys) if _selects(statement, "tag.") else {}
            modules = await _modules(connection, keys) if _selects(statement, "ota_module.") else {}
        found = [
            FoundDevice(
                iot_id=row.iot_id,
                product_key=row.product_key,
                name=row.name,
                nickname=row.nickname,
                status=STATUS_WORDS[row.status],
                created_at=row.created_at,
                modified_at=row.modified_at,
                activated_at=row.activated_at,
                groups=groups.get(row.id, []),
                tags=tags.get(row.id, []),
                modules=modules.get(row.id, []),
            )
            for row in rows
        ]
        return Found(statement.fields, found, None)

    async def _product_ids(self, instance_id: int, statement: Statement) -> dict[str, int]:
        named = {
            str(condition.value)
            for alternative in statement.alternatives
            for condition in alternative
            if condition.field.name == "product_key" and condition.operator in {"=", "!="}
        }
        found = [await self._products.find(product_key, instance_id) for product_key in named]
        return {product.product_key: product.id for product in found if product}


async def _few(connection: AsyncConnection, statement: Statement, instance_id: int) -> dict[ElementConditions, Keys]:
    """Find the devices that meet conditions on tags, groups and modules, where they are not too many.

    Neither database knows how many devices have a tag with a certain value, and SQLite guesses always the same number.
    """
    named = {element for conditions in statement.alternatives for element in elements(conditions)}
    found: dict[ElementConditions, Keys] = {}
    for element in filter(can_narrow, named):
        query = narrowing(element, instance_id)
        keys = (await connection.execute(query.limit(FEW + 1))).scalars().all()
        if len(keys) <= FEW:
            found[element] = keys
            continue
        counted = select(func.count()).select_from(query.limit(SOME + 1).subquery())
        if (await connection.execute(counted)).scalar_one() <= SOME:
            found[element] = query
    return found


def _selects(statement: Statement, prefix: str) -> bool:
    return any(field.startswith(prefix) for field in statement.fields)


async def _groups(connection: AsyncConnection, keys: Sequence[int]) -> dict[int, list[str]]:
    members = device_group_members.c
    query = select(members.device_id, device_groups.c.group_id).join(
        device_groups, device_groups.c.id == members.group_id
    )
    query = query.where(members.device_id.in_(keys)).order_by(device_groups.c.id)
    found: dict[int, list[str]] = {}
    for device_id, group_id in await connection.execute(query):
        found.setdefault(device_id, []).append(group_id)
    return found


async def _tags(connection: AsyncConnection, keys: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    tags = device_tags.c
    query = select(tags.device_id, tags.key, tags.value).where(tags.device_id.in_(keys))
    return await _pairs(connection, query.order_by(tags.device_id, tags.key))


async def _modules(connection: AsyncConnection, keys: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    modules = ota_module_versions.c
    query = select(modules.device_id, modules.module, modules.version).where(modules.device_id.in_(keys))
    return await _pairs(connection, query.order_by(modules.device_id, modules.module))


async def _pairs(connection: AsyncConnection, query: Any) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for device_id, name, value in await connection.execute(query):
        found.setdefault(device_id, []).append((name, value))
    return found

"""Custom modules of products: parts of a device that are updated by themselves."""

from typing import Final

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.ota import errors
from thingplane.ota.package import DEFAULT_MODULE
from thingplane.ota.tables import ota_modules, ota_packages
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database

MAX_MODULES: Final = 10
"""Custom modules of a product (guide: CreateOTAModule)."""


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A custom module. Times are epoch milliseconds."""

    name: str
    alias: str | None
    description: str | None
    created_at: int
    modified_at: int


class ModuleService:
    """The custom modules of all products. Their names are unique whatever their case; they go with their product."""

    def __init__(
        self, database: Database, clock: Clock, products: ProductService, *, max_modules: int = MAX_MODULES
    ) -> None:
        """Wire.

        Args:
            database: where modules are kept.
            clock: tells creation times.
            products: the service of their products.
            max_modules: most custom modules of a product.
        """
        self._database = database
        self._clock = clock
        self._products = products
        self._max_modules = max_modules

    async def create(self, product: Product, name: str, alias: str | None, description: str | None) -> None:
        """Create a module.

        Raises:
            BusinessError: iot.ota.CreateOTAModuleNameExist, iot.ota.CreateOTAModuleExceedLimit,
                iot.prod.NotExistedProduct.
        """
        if name.lower() == DEFAULT_MODULE:
            raise errors.CREATE_MODULE_NAME_EXIST()
        mine = ota_modules.c.product_id == product.id
        async with self._database.write() as connection:
            # Modules of one product are made one after the other.
            await self._products.locked(connection, product.id)
            if await _first(connection, product.id, name) is not None:
                raise errors.CREATE_MODULE_NAME_EXIST()
            count = await connection.scalar(select(func.count()).select_from(ota_modules).where(mine))
            if (count or 0) >= self._max_modules:
                raise errors.CREATE_MODULE_EXCEED_LIMIT()
            now = self._clock.now_ms()
            row = {
                "product_id": product.id,
                "name": name,
                "name_key": name.lower(),
                "alias": alias,
                "description": description,
                "created_at": now,
                "modified_at": now,
            }
            await connection.execute(insert(ota_modules).values(row))

    async def change(self, product: Product, name: str, alias: str | None, description: str | None) -> None:
        """Change alias and description; None leaves them as they are.

        Raises:
            BusinessError: iot.ota.OTAModuleNotExist.
        """
        values = {"alias": alias, "description": description}
        values = {column: value for column, value in values.items() if value is not None}
        wanted = (ota_modules.c.product_id == product.id, ota_modules.c.name_key == name.lower())
        change = update(ota_modules).where(*wanted).values(**values, modified_at=self._clock.now_ms())
        async with self._database.write() as connection:
            if not (await connection.execute(change)).rowcount:
                raise errors.MODULE_NOT_EXIST()

    async def delete(self, product: Product, name: str) -> None:
        """Delete a module that has no packages.

        Raises:
            BusinessError: iot.ota.DeleteOtaDefaultModule, iot.ota.DeleteOTAModulePackageExist,
                iot.ota.OTAModuleNotExist.
        """
        if name.lower() == DEFAULT_MODULE:
            raise errors.DELETE_DEFAULT_MODULE()
        async with self._database.write() as connection:
            # The lock keeps packages from being made meanwhile.
            await self._products.locked(connection, product.id)
            found = await _first(connection, product.id, name)
            if found is None:
                raise errors.MODULE_NOT_EXIST()
            used = (ota_packages.c.product_id == product.id, ota_packages.c.module == found)
            if await connection.scalar(select(func.count()).select_from(ota_packages).where(*used)):
                raise errors.DELETE_MODULE_PACKAGE_EXIST()
            mine = (ota_modules.c.product_id == product.id, ota_modules.c.name_key == name.lower())
            await connection.execute(delete(ota_modules).where(*mine))

    async def list(self, product: Product) -> list[Module]:
        """Return the modules of a product, newest first."""
        query = select(ota_modules).where(ota_modules.c.product_id == product.id).order_by(ota_modules.c.id.desc())
        async with self._database.read() as connection:
            return [
                Module(
                    name=row.name,
                    alias=row.alias,
                    description=row.description,
                    created_at=row.created_at,
                    modified_at=row.modified_at,
                )
                for row in await connection.execute(query)
            ]

    @staticmethod
    async def check(connection: AsyncConnection, product_id: int, name: str) -> None:
        """Check that a product has a module, inside a transaction.

        Raises:
            BusinessError: iot.ota.OTAModuleNotExist.
        """
        if name != DEFAULT_MODULE and await _first(connection, product_id, name) != name:
            raise errors.MODULE_NOT_EXIST()


async def _first(connection: AsyncConnection, product_id: int, name: str) -> str | None:
    """Return a module's name in its own spelling."""
    wanted = (ota_modules.c.product_id == product_id, ota_modules.c.name_key == name.lower())
    found: str | None = await connection.scalar(select(ota_modules.c.name).where(*wanted))
    return found

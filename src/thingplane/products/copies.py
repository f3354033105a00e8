"""Lists of the copies that products have in other instances."""

from typing import Any

import msgspec
from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.products.rows import paged
from thingplane.products.tables import products
from thingplane.storage.database import Database

_originals = products.alias("originals")


class Copy(msgspec.Struct, frozen=True):
    """A product that was distributed to another instance."""

    product_key: str
    instance_id: int
    source_instance: int
    """Key of the instance that the original is in."""
    created_at: int
    """Epoch milliseconds."""


class ProductCopies:
    """The copies of all products."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        page: int,
        size: int,
        *,
        product_key: str | None = None,
        instance_id: int | None = None,
        source_instance: int | None = None,
    ) -> tuple[list[Copy], int]:
        """Return a page of copies, newest first, and the number of all that fit.

        Args:
            page: number of the page, from 1.
            size: copies on a page.
            product_key: only those of this product.
            instance_id: only those in this instance.
            source_instance: only those whose original is in this instance.
        """
        columns = (products.c.product_key, products.c.instance_id, _originals.c.instance_id.label("source_instance"))
        query = select(*columns, products.c.created_at)
        query = query.join_from(products, _originals, products.c.source_id == _originals.c.id)
        for column, wanted in (
            (products.c.product_key, product_key),
            (products.c.instance_id, instance_id),
            (_originals.c.instance_id, source_instance),
        ):
            if wanted is not None:
                query = query.where(column == wanted)
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).select_from(query.subquery()))).scalar_one()
            rows = (await connection.execute(paged(query, page, size))).all()
        return [_to_copy(row) for row in rows], total

    async def exist(self, connection: AsyncConnection, product_id: int) -> bool:
        """Tell whether a product has copies."""
        query = select(products.c.id).where(products.c.source_id == product_id).limit(1)
        return (await connection.execute(query)).first() is not None


def _to_copy(row: Row[Any]) -> Copy:
    return Copy(**row._mapping)  # noqa: SLF001 - the documented way to a row's columns

"""Rows of the products table as products."""

from typing import Any, Final

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.products import errors
from thingplane.products.product import Product
from thingplane.products.tables import products

# Far beyond every row, and small enough for the 64-bit integers of both databases.
_MAX_OFFSET: Final = 2**53


def to_product(row: Row[Any]) -> Product:
    """Return the product of a whole row."""
    return Product(**row._mapping)  # noqa: SLF001 - the documented way to a row's columns


async def first(connection: AsyncConnection, query: Select[Any]) -> Product | None:
    """Return the first product that a query for whole rows finds."""
    row = (await connection.execute(query)).first()
    return None if row is None else to_product(row)


async def locked(connection: AsyncConnection, product_id: int) -> Product:
    """Return a product and keep others from locking, changing or deleting it until the transaction ends.

    Raises:
        BusinessError: iot.prod.NotExistedProduct.
    """
    # Rows that refer to the product can still be inserted: their foreign keys only need its id to stay.
    query = select(products).where(products.c.id == product_id).with_for_update(key_share=True)
    product = await first(connection, query)
    if product is None:
        raise errors.NOT_EXISTED_PRODUCT()
    return product


def paged(query: Select[Any], page: int, size: int) -> Select[Any]:
    """Return a query for one page, from 1, of the products that a query finds, newest first."""
    newest_first = query.order_by(products.c.created_at.desc(), products.c.id.desc())
    return newest_first.limit(size).offset(min((page - 1) * size, _MAX_OFFSET))

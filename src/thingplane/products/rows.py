"""Rows of the products table as products."""

from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.products import errors
from thingplane.products.product import Product
from thingplane.products.tables import products


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

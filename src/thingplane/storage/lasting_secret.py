"""Secrets that a platform makes for itself and keeps: they sign URLs, also after a restart and on other nodes."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Table, insert, select
from sqlalchemy.exc import IntegrityError

from thingplane.storage.database import Database

T = TypeVar("T", bytes, str)


async def lasting_secret(database: Database, table: Table, make: Callable[[], T]) -> T:
    """Return a secret; make it if there is none yet.

    Args:
        database: where it is kept.
        table: of one row, with the columns ``id`` and ``secret``.
        make: returns a new one.
    """
    query = select(table.c.secret)
    async with database.read() as connection:
        found: T | None = await connection.scalar(query)
    if found is not None:
        return found
    try:
        async with database.write() as connection:
            await connection.execute(insert(table).values(id=1, secret=make()))
    except IntegrityError:
        # Another node was quicker.
        pass
    async with database.read() as connection:
        secret: T = (await connection.execute(query)).scalar_one()
    return secret

"""Counters that tell a node that another process changed what it keeps in memory."""

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.storage.database import Database
from thingplane.storage.tables import revisions


class Revision:
    """A named counter: read often, increased in the transaction of every change."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name

    async def read(self) -> int:
        """Return the counter; 0 before the first change."""
        query = select(revisions.c.revision).where(revisions.c.name == self._name)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar() or 0

    async def increase(self, connection: AsyncConnection) -> None:
        """Increase the counter in a writing transaction."""
        step = update(revisions).where(revisions.c.name == self._name).values(revision=revisions.c.revision + 1)
        if (await connection.execute(step)).rowcount:
            return
        try:
            async with connection.begin_nested():
                await connection.execute(insert(revisions).values(name=self._name, revision=1))
        except IntegrityError:
            # Another process made the first change at the same time.
            await connection.execute(step)

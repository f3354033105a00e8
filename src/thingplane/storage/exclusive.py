"""One node for one PostgreSQL database: caches and presence of a second one would go stale unnoticed."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.storage.database import Database

_KEY = 0x7468696E67706C61
"""Key of the advisory lock: the letters "thingpla"."""
_PATIENCE_S = 10.0
"""Seconds until the server has noticed that a node before this one was killed."""


class DatabaseInUseError(Exception):
    """Another node holds the database."""


class ExclusiveUse:
    """Holds a session-level advisory lock. SQLite needs none: its file is in the locked data directory."""

    def __init__(self, database: Database, *, patience_s: float = _PATIENCE_S) -> None:
        self._database = database
        self._patience_s = patience_s
        self._connection: AsyncConnection | None = None

    async def acquire(self) -> None:
        """Take the lock.

        Raises:
            DatabaseInUseError: another node has it and keeps it.
        """
        if self._database.is_sqlite:
            return
        connection = await self._database.engine.connect()
        try:
            await self._lock(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection

    async def _lock(self, connection: AsyncConnection) -> None:
        deadline = asyncio.get_running_loop().time() + self._patience_s
        while not (await connection.execute(text(f"SELECT pg_try_advisory_lock({_KEY})"))).scalar():
            await connection.rollback()
            if asyncio.get_running_loop().time() > deadline:
                raise DatabaseInUseError("another node uses this PostgreSQL database; this version runs one node")
            await asyncio.sleep(0.1)
        await connection.commit()

    async def release(self) -> None:
        """Give the lock back."""
        if self._connection is not None:
            await self._connection.invalidate()  # closes the session, and with it the lock
            await self._connection.close()
            self._connection = None

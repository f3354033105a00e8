"""One node for one PostgreSQL database: caches and presence of a second one would go stale unnoticed."""

import asyncio
from collections.abc import Callable

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.storage.database import Database

_KEY = 0x7468696E67706C61
"""Key of the advisory lock: the letters "thingpla"."""
_PATIENCE_S = 10.0
"""Seconds until the server has noticed that a node before this one was killed."""
_CHECK_S = 1.0

_log = structlog.get_logger(__name__)


class DatabaseInUseError(Exception):
    """Another node holds the database."""


def _nothing() -> None:
    """Do nothing."""


class ExclusiveUse:
    """Holds a session-level advisory lock. SQLite needs none: its file is in the locked data directory.

    The lock goes with its connection, so a restart of the server loses it. It is taken again as soon as the server is
    back.
    """

    def __init__(
        self,
        database: Database,
        *,
        on_taken: Callable[[], None] = _nothing,
        patience_s: float = _PATIENCE_S,
        check_s: float = _CHECK_S,
    ) -> None:
        """Take note of what to lock.

        Args:
            database: the database.
            on_taken: called once if another node took the database while this one was cut off: this one has to stop.
            patience_s: seconds to wait for a lock that another node has.
            check_s: seconds between two looks at the connection that holds the lock.
        """
        self._database = database
        self._on_taken = on_taken
        self._patience_s = patience_s
        self._check_s = check_s
        self._connection: AsyncConnection | None = None
        self._watch: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Take the lock, and keep it from now on.

        Raises:
            DatabaseInUseError: another node has it and keeps it.
        """
        if self._database.is_sqlite:
            return
        await self._take()
        self._watch = asyncio.create_task(self._keep(), name="database lock")

    async def _take(self) -> None:
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

    async def _keep(self) -> None:
        """Take the lock again whenever its connection was lost."""
        while True:
            await asyncio.sleep(self._check_s)
            try:
                if self._connection is None:
                    await self._take()
                    _log.warning("the database is back and locked again")
                else:
                    await self._connection.execute(text("SELECT 1"))
                    await self._connection.rollback()
            except DatabaseInUseError as error:
                _log.error("the database was lost to another node, stopping", error=str(error))
                self._on_taken()
                return
            except (SQLAlchemyError, OSError) as error:
                _log.warning("the connection that locks the database is lost", error=repr(error))
                await self._drop()

    async def _drop(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.invalidate()  # closes the session, and with it the lock
            await connection.close()

    async def release(self) -> None:
        """Give the lock back."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
            self._watch = None
        await self._drop()

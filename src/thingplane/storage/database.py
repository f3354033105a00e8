"""The metadata database: SQLAlchemy Core on SQLite or PostgreSQL, one dialect-neutral code for both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import BigInteger, Integer, MetaData, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All metadata tables; every slice's ``tables.py`` declares its own on it."""

BOOKKEEPING: Final = {"bookkeeping": True}
"""``info`` of tables whose row of an instance counts or locks what the instance has: it goes with the instance, and
does not keep it from being deleted."""

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""Type of 64-bit keys. SQLite numbers rows by itself only in a column that is literally INTEGER PRIMARY KEY."""


def metadata_url(data_dir: Path, database_url: str) -> str:
    """Return the URL of a node's metadata database: the configured PostgreSQL, else a SQLite file in its folder."""
    if database_url:
        return "postgresql:" + database_url.split(":", 1)[1]
    return f"sqlite:///{(data_dir / 'thingplane.sqlite3').absolute()}"


class Database:
    """Connections to the metadata database.

    ``read`` and ``write`` give a connection inside a transaction. A write is durable when its block has ended without
    an exception (SQLite: WAL with synchronous=FULL; PostgreSQL: commit), and rolled back otherwise.
    """

    def __init__(self, url: str) -> None:
        """Remember where the database is.

        Args:
            url: ``sqlite:///path`` or ``postgresql://user:password@host:port/name``.
        """
        self.url = url
        self.is_sqlite = url.startswith("sqlite:")
        if self.is_sqlite:
            # One connection for reading and one for writing: SQLite has a single writer anyway, and a thread more for
            # every connection would only compete for the interpreter.
            options: dict[str, Any] = {"poolclass": StaticPool}
            driver = url.replace("sqlite:", "sqlite+aiosqlite:", 1)
            self._reader = create_async_engine(driver, **options)
            self._writer = create_async_engine(driver, **options)
            for engine in (self._reader, self._writer):
                event.listen(engine.sync_engine, "connect", _prepare_sqlite)
                event.listen(engine.sync_engine, "begin", _begin_sqlite)
        else:
            driver = "postgresql+asyncpg:" + url.split(":", 1)[1]
            self._reader = self._writer = create_async_engine(driver, pool_size=8, max_overflow=8, pool_pre_ping=True)
        # The two SQLite connections carry one transaction each at a time.
        self._reading: asyncio.Lock | None = asyncio.Lock() if self.is_sqlite else None
        self._writing: asyncio.Lock | None = asyncio.Lock() if self.is_sqlite else None

    @property
    def engine(self) -> AsyncEngine:
        """The engine that writes, for migrations."""
        return self._writer

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for reading: one consistent view of the data."""
        async with _held(self._reading), self._reader.begin() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection inside one transaction that is durable when the block ends well."""
        async with _held(self._writing), self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def change_schema(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection as ``write`` does, to change tables.

        SQLite changes a table by making it anew. While the old one goes, foreign keys must not take with it what refers
        to it; that they still hold is checked at the end.

        Raises:
            RuntimeError: they don't; nothing was changed.
        """
        if not self.is_sqlite:
            async with self.write() as connection:
                yield connection
            return
        async with _held(self._writing):
            await self._enforce_foreign_keys(enforced=False)
            try:
                async with self._writer.begin() as connection:
                    yield connection
                    broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).first()
                    if broken is not None:
                        raise RuntimeError(f"a foreign key of the table {broken[0]} does not hold")
            finally:
                await self._enforce_foreign_keys(enforced=True)

    async def _enforce_foreign_keys(self, *, enforced: bool) -> None:
        # Has no effect inside a transaction, which SQLAlchemy begins with its first statement: this is none of those.
        async with self._writer.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute(f"PRAGMA foreign_keys={'ON' if enforced else 'OFF'}")

    async def close(self) -> None:
        """Close all connections."""
        await self._reader.dispose()
        if self._writer is not self._reader:
            await self._writer.dispose()


@asynccontextmanager
async def _held(lock: asyncio.Lock | None) -> AsyncIterator[None]:
    if lock is None:
        yield
    else:
        async with lock:
            yield


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # pysqlite's own transaction handling would begin late and deferred; "begin" below does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    # By the driver itself: a statement of SQLAlchemy's goes to the thread of the connection and back three times.
    connection.connection.dbapi_connection.run_async(_begin)


def _begin(driver: Any) -> Any:
    return driver.execute("BEGIN")

"""Connections to databases of operators: PostgreSQL (asyncpg) and MySQL (aiomysql), pooled by address."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from thingplane.rules.destinations.protocol import DestinationError, SetupError

if TYPE_CHECKING:
    import aiomysql
    import asyncpg

CONNECTIONS: Final = 8
"""Of one database."""
TIMEOUT_S: Final = 10.0


class SqlDatabase(Protocol):
    """A database that rows are inserted into."""

    async def insert(self, table: str, columns: Sequence[str], values: Sequence[Any]) -> None:
        """Insert a row.

        Raises:
            DestinationError: the database refused it, or could not be reached.
        """

    async def close(self) -> None:
        """Close the connections."""


class PostgresDatabase:
    """A pool of connections to PostgreSQL, made when it is first used."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[Any]"]:
        """Give a connection.

        Raises:
            DestinationError: the database could not be reached, or what was done with the connection failed.
        """
        import asyncpg  # noqa: PLC0415 - takes memory and time that nodes without databases need not spend

        try:
            async with self._opening:
                if self._pool is None:
                    self._pool = await asyncpg.create_pool(
                        self._url, min_size=0, max_size=CONNECTIONS, timeout=TIMEOUT_S, command_timeout=TIMEOUT_S
                    )
            async with self._pool.acquire() as connection:
                yield connection
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            raise DestinationError(_line(error), permanent=True) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
            raise DestinationError(_line(error)) from error

    async def insert(self, table: str, columns: Sequence[str], values: Sequence[Any]) -> None:
        from thingplane.rules.destinations.postgres_values import converted  # noqa: PLC0415 - as above

        named = ", ".join(map(quoted, columns))
        numbers = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        target = ".".join(map(quoted, table.split(".")))
        async with self.connection() as connection:
            statement = await connection.prepare(f"INSERT INTO {target} ({named}) VALUES ({numbers})")  # noqa: S608 - quoted
            await statement.fetch(*map(converted, statement.get_parameters(), values))

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


class MysqlDatabase:
    """A pool of connections to MySQL, made when it is first used."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._pool: aiomysql.Pool | None = None
        self._opening = asyncio.Lock()

    async def insert(self, table: str, columns: Sequence[str], values: Sequence[Any]) -> None:
        import aiomysql  # noqa: PLC0415 - an extra

        named = ", ".join(_backquoted(column) for column in columns)
        target = ".".join(map(_backquoted, table.split(".")))
        statement = f"INSERT INTO {target} ({named}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608 - quoted
        plain = [value if isinstance(value, int | float | str) or value is None else _json(value) for value in values]
        try:
            async with asyncio.timeout(TIMEOUT_S), self._opening:
                if self._pool is None:
                    self._pool = await aiomysql.create_pool(
                        host=self._url.hostname or "localhost",
                        port=self._url.port or 3306,
                        user=unquote(self._url.username or ""),
                        password=unquote(self._url.password or ""),
                        db=self._url.path.lstrip("/"),
                        minsize=0,
                        maxsize=CONNECTIONS,
                        autocommit=True,
                        charset="utf8mb4",
                    )
            async with asyncio.timeout(TIMEOUT_S), self._pool.acquire() as connection, connection.cursor() as cursor:
                await cursor.execute(statement, plain)
        except (aiomysql.DataError, aiomysql.IntegrityError) as error:
            raise DestinationError(_line(error), permanent=True) from error
        except (aiomysql.MySQLError, OSError, TimeoutError) as error:
            raise DestinationError(_line(error)) from error

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
            await self._pool.wait_closed()


class Connections:
    """Databases by their addresses."""

    def __init__(self) -> None:
        """Start without connections."""
        self._databases: dict[str, PostgresDatabase | MysqlDatabase] = {}

    def postgres(self, url: str) -> PostgresDatabase:
        """Return the database at a URL."""
        found = self._databases.get(url)
        if not isinstance(found, PostgresDatabase):
            found = self._databases[url] = PostgresDatabase(url)
        return found

    def database(self, url: str, name: str) -> SqlDatabase:
        """Return the database at a URL; where the URL names none it is the one with this name.

        Raises:
            SetupError: the package for MySQL is not installed.
        """
        parts = urlsplit(url)
        if parts.path in {"", "/"}:
            url = urlunsplit(parts._replace(path=f"/{name}"))
        if parts.scheme in {"postgresql", "postgres"}:
            return self.postgres(url)
        try:
            import aiomysql  # noqa: F401, PLC0415 - an extra
        except ImportError:
            raise SetupError("MySQL needs a package: pip install thingplane[mysql]") from None
        return self._databases.setdefault(url, MysqlDatabase(url))

    async def close(self) -> None:
        """Close all connections."""
        for database in self._databases.values():
            await database.close()


def quoted(name: str) -> str:
    """Return an identifier of PostgreSQL in quotation marks."""
    return '"' + name.replace('"', '""') + '"'


def _backquoted(name: str) -> str:
    # The driver takes percent signs of the statement for places of values.
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def _json(value: Any) -> str:

    return msgspec.json.encode(value).decode()


def _line(error: BaseException) -> str:
    """Return the first line of an error."""
    return (str(error) or type(error).__name__).splitlines()[0][:200]

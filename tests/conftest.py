"""Fixtures of all tests. Every test gets databases of its own; nothing is left running."""

import asyncio
import os
import shutil
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import uvloop

from tests.common.clock import FakeClock
from tests.common.postgres import create_database, drop_database, empty_database, postgres_server
from thingplane.storage.database import Database, metadata
from thingplane.storage.migrate import load_tables

pytest_plugins = ["tests.common.fleet"]

# The same examples in every run, however slow the machine is: a failure is never luck. HYPOTHESIS_PROFILE=explore looks
# for new ones.
hypothesis.settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run coroutines on the loop that the node runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """URL of a PostgreSQL server of this test process, started at first use."""
    with postgres_server() as server:
        yield server.url


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres_server_url: str) -> Iterator[str]:
    """URL of a PostgreSQL database of this test's own; for those that use ``database``, one with all tables."""
    if "database" in request.fixturenames:
        yield request.getfixturevalue("postgres_tables")
        return
    name = f"test_{uuid.uuid4().hex}"
    yield create_database(postgres_server_url, name)
    drop_database(postgres_server_url, name)


@pytest.fixture(scope="session")
def postgres_tables(postgres_server_url: str) -> str:
    """URL of a PostgreSQL database that has all tables; ``database`` empties it, which is quicker than to make one."""
    url = create_database(postgres_server_url, "tables")
    _make_tables(url)
    return url


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that has all tables, to be copied."""
    file = tmp_path_factory.mktemp("tables") / "thingplane.sqlite3"
    _make_tables(f"sqlite:///{file}")
    return file


def _make_tables(url: str) -> None:
    """Make the tables as declared; tests/storage/test_migrate.py proves that migrations lead to the same."""

    async def make() -> None:
        database = Database(url)
        load_tables()
        async with database.write() as connection:
            await connection.run_sync(metadata.create_all)
        await database.close()

    # On a loop of its own, which must not disturb that of the tests.
    thread = threading.Thread(target=asyncio.run, args=(make(),))
    thread.start()
    thread.join()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a metadata database without tables, unless ``database`` is used; tests that use it run on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'thingplane.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def database(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Database]:
    """A metadata database with tables and nothing in them; tests that use it run on both kinds."""
    if database_url.startswith("sqlite:///"):
        shutil.copy(request.getfixturevalue("sqlite_tables"), database_url.removeprefix("sqlite:///"))
    database = Database(database_url)
    if not database.is_sqlite:
        await empty_database(database)
    yield database
    await database.close()

"""Fixtures of all tests. Every test gets databases of its own; nothing is left running."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import uvloop

from tests.common.clock import FakeClock
from tests.common.postgres import create_database, drop_database, postgres_server
from thingplane.storage.database import Database, metadata
from thingplane.storage.migrate import load_tables

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
def postgres_url(postgres_server_url: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database of this test's own."""
    name = f"test_{uuid.uuid4().hex}"
    yield create_database(postgres_server_url, name)
    drop_database(postgres_server_url, name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty metadata database; tests that use it run on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'thingplane.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An empty metadata database; tests that use it run on both kinds.

    The tables are made from their declarations, which is faster; tests/storage/test_migrate.py proves that migrations
    lead to the same.
    """
    database = Database(database_url)
    load_tables()
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()

"""Revision counters and the poller that watches them."""

import asyncio

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from thingplane.storage.database import Database
from thingplane.storage.polling import Poller
from thingplane.storage.revisions import Revision


async def increase(database: Database, revision: Revision) -> None:
    async with database.write() as connection:
        await revision.increase(connection)


async def test_a_revision_starts_at_zero_and_counts_changes(database: Database) -> None:
    revision, other = Revision(database, "a"), Revision(database, "b")
    assert await revision.read() == 0
    for expected in (1, 2):
        await increase(database, revision)
        assert await revision.read() == expected
    assert await other.read() == 0


async def test_concurrent_first_changes_all_count(database: Database) -> None:
    revision = Revision(database, "a")
    await asyncio.gather(*[increase(database, revision) for _ in range(4)])
    assert await revision.read() == 4


async def test_a_change_that_is_rolled_back_does_not_count(database: Database) -> None:
    revision = Revision(database, "a")

    async def change() -> None:
        async with database.write() as connection:
            await revision.increase(connection)
            raise LookupError

    with pytest.raises(LookupError):
        await change()
    assert await revision.read() == 0


async def test_a_poller_loads_once_per_revision(database: Database) -> None:
    revision, loads = Revision(database, "a"), 0

    async def load() -> None:
        nonlocal loads
        loads += 1

    poller = Poller("test", revision, load, 60)
    for _ in range(2):
        await poller.refresh()
    assert loads == 1
    await increase(database, revision)
    for _ in range(2):
        await poller.refresh()
    assert loads == 2


async def test_a_poller_survives_a_database_that_is_away(database: Database) -> None:
    revision, loaded, failures = Revision(database, "a"), asyncio.Event(), 2

    async def load() -> None:
        nonlocal failures
        if await revision.read() and failures:
            failures -= 1
            raise OperationalError("select", {}, Exception("away"))
        if not failures:
            loaded.set()

    poller = Poller("test", revision, load, 0.001)
    await poller.start()
    with capture_logs() as logs:
        await increase(database, revision)
        async with asyncio.timeout(10):
            await loaded.wait()
    await poller.stop()
    assert [log["log_level"] for log in logs] == ["warning", "warning"]

import asyncio

import pytest
from sqlalchemy import text

from thingplane.storage.database import Database
from thingplane.storage.exclusive import DatabaseInUseError, ExclusiveUse


async def test_second_node_on_a_postgresql_database_is_refused(postgres_url: str) -> None:
    first, second = Database(postgres_url), Database(postgres_url)
    holder = ExclusiveUse(first)
    await holder.acquire()
    with pytest.raises(DatabaseInUseError):
        await ExclusiveUse(second, patience_s=0).acquire()
    await holder.release()
    successor = ExclusiveUse(second)
    await successor.acquire()
    await successor.release()
    await first.close()
    await second.close()


async def test_node_that_was_cut_off_gives_way(postgres_url: str) -> None:
    first, second = Database(postgres_url), Database(postgres_url)
    holder = ExclusiveUse(first)
    await holder.acquire()
    async with second.write() as connection:
        sessions = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        await connection.execute(text(sessions))
    successor = ExclusiveUse(second)
    await successor.acquire()
    await holder.release()
    await successor.release()
    await first.close()
    await second.close()


async def cut_off(database: Database) -> None:
    """End the session that holds the lock, as a restart of the server does."""
    async with database.write() as connection:
        sessions = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        await connection.execute(text(sessions))


async def is_locked(database: Database) -> bool:
    async with database.read() as connection:
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        return bool((await connection.execute(text(locks))).scalar())


async def test_lost_lock_is_taken_again(postgres_url: str) -> None:
    first, second = Database(postgres_url), Database(postgres_url)
    holder = ExclusiveUse(first, check_s=0.01)
    await holder.acquire()
    await cut_off(second)
    async with asyncio.timeout(20):
        while not await is_locked(second):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
    with pytest.raises(DatabaseInUseError):
        await ExclusiveUse(second, patience_s=0).acquire()
    await holder.release()
    assert not await is_locked(second)
    await first.close()
    await second.close()


async def test_node_is_told_when_another_one_took_the_database_meanwhile(postgres_url: str) -> None:
    first, second = Database(postgres_url), Database(postgres_url)
    taken = asyncio.Event()
    holder = ExclusiveUse(first, on_taken=taken.set, patience_s=0, check_s=0.2)
    await holder.acquire()
    await cut_off(second)
    successor = ExclusiveUse(second, check_s=0.2)
    await successor.acquire()
    async with asyncio.timeout(20):
        await taken.wait()
    await holder.release()
    await successor.release()
    await first.close()
    await second.close()

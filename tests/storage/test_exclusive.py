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

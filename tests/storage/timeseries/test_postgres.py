"""What is particular to history in PostgreSQL: pipelined commits, partitions, several nodes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.common.clock import FakeClock
from tests.storage.timeseries.helpers import DAY, NOW, commit, post, values

from thingplane.storage.timeseries import Done, Kind, TimeSeriesError
from thingplane.storage.timeseries.postgres import PostgresTimeSeries

TODAY = NOW // DAY


@pytest.fixture
async def store(postgres_url: str, clock: FakeClock) -> AsyncIterator[PostgresTimeSeries]:
    store = PostgresTimeSeries(postgres_url, clock)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def admin(postgres_url: str) -> AsyncIterator[Any]:
    """A connection of the test's own."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def partitions(admin: Any) -> dict[str, int]:
    """Rows of each partition that has any."""
    rows = await admin.fetch("SELECT tableoid::regclass::text AS name, count(*) FROM history GROUP BY 1")
    return {row["name"]: row["count"] for row in rows}


async def waiting_for_lock(admin: Any) -> int:
    """Process id of the server process that waits for a lock, as soon as there is one."""
    query = """SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
        WHERE NOT granted AND datname = current_database()"""
    while not (pid := await admin.fetchval(query)):  # noqa: ASYNC110  the event is in another process
        await asyncio.sleep(0.001)
    return int(pid)


async def test_what_is_appended_during_a_commit_is_committed_next(store: PostgresTimeSeries, admin: Any) -> None:
    ended: list[str] = []

    def noting(name: str) -> Done:
        return lambda _: ended.append(name)

    lock = admin.transaction()
    await lock.start()
    await admin.execute("LOCK TABLE history IN ACCESS EXCLUSIVE MODE")
    for name in ("first", "second", "third"):
        store.append(1, Kind.PROPERTY, NOW, b'{"n":"%s"}' % name.encode())
        store.commit(noting(name))
        await asyncio.sleep(0)
    store.append(1, Kind.PROPERTY, NOW, b'{"n":"uncommitted"}')
    await waiting_for_lock(admin)
    assert ended == []
    assert store._committer.pending() == 4
    await lock.rollback()
    await commit(store)
    assert ended == ["first", "second", "third"]
    assert [point.value for point in await values(store)] == [b'"first"', b'"second"', b'"third"', b'"uncommitted"']


async def test_a_commit_with_nothing_new_waits_for_the_one_under_way(store: PostgresTimeSeries) -> None:
    ended: list[str] = []
    store.append(1, Kind.PROPERTY, NOW, b'{"n":1}')
    store.commit(lambda _: ended.append("first"))
    await asyncio.sleep(0)
    store.commit(lambda _: ended.append("second"))
    assert ended == []
    await commit(store)
    assert ended == ["first", "second"]
    store.commit(lambda _: ended.append("third"))
    assert ended[-1] == "third"


async def test_a_connection_lost_in_a_commit_fails_it_and_later_ones_work(
    store: PostgresTimeSeries, admin: Any
) -> None:
    await post(store, {"n": 0})
    lock = admin.transaction()
    await lock.start()
    await admin.execute("LOCK TABLE history IN ACCESS EXCLUSIVE MODE")
    errors: list[BaseException | None] = []
    store.append(1, Kind.PROPERTY, NOW, b'{"n":1}')
    store.commit(errors.append)
    pid = await waiting_for_lock(admin)
    store.append(1, Kind.PROPERTY, NOW, b'{"n":2}')
    store.commit(errors.append)
    assert errors == []
    await admin.execute("SELECT pg_terminate_backend($1)", pid)
    await lock.rollback()
    await post(store, {"n": 3})
    assert errors[0] is not None
    assert errors[1] is None
    assert [point.value for point in await values(store)] == [b"0", b"2", b"3"]


async def test_reading_without_a_server_is_a_clear_error(store: PostgresTimeSeries, admin: Any) -> None:
    await admin.execute("DROP TABLE history_state, history")
    with pytest.raises(TimeSeriesError, match=r"History in PostgreSQL: .*history"):
        await values(store)


async def test_an_unreachable_server_is_a_clear_error(clock: FakeClock) -> None:
    with pytest.raises(TimeSeriesError, match="History in PostgreSQL"):
        await PostgresTimeSeries("postgresql://127.0.0.1:1/x", clock).open()


async def test_history_of_a_newer_version_is_refused(store: PostgresTimeSeries, admin: Any, clock: FakeClock) -> None:
    await admin.execute("UPDATE history_state SET format = 2")
    with pytest.raises(TimeSeriesError, match="newer version"):
        await PostgresTimeSeries(store._url, clock).open()


async def test_days_around_today_get_partitions_and_others_do_not(store: PostgresTimeSeries, admin: Any) -> None:
    for days in (-400, -41, -40, -1, 0, 3, 4):
        await post(store, {"n": {"value": days, "time": NOW + days * DAY}})
    assert await partitions(admin) == {
        "history_stray": 3,
        **{f"history_d{TODAY + days}": 1 for days in (-40, -1, 0, 3)},
    }


async def test_points_of_the_future_move_to_their_partition_when_its_day_comes(
    store: PostgresTimeSeries, admin: Any, clock: FakeClock
) -> None:
    await post(store, {"n": {"value": 1, "time": NOW + 10 * DAY}})
    assert await partitions(admin) == {"history_stray": 1}
    clock.advance(10 * 86_400)
    await post(store, {"n": 2}, received=NOW + 10 * DAY)
    assert await partitions(admin) == {f"history_d{TODAY + 10}": 2}
    assert [point.value for point in await values(store)] == [b"1", b"2"]


async def test_two_nodes_share_one_history(postgres_url: str, clock: FakeClock) -> None:
    nodes = [PostgresTimeSeries(postgres_url, clock) for _ in range(3)]
    await asyncio.gather(*(node.open() for node in nodes))
    clock.advance(20 * 86_400)
    now = NOW + 20 * DAY
    for round_ in range(5):
        for device, node in enumerate(nodes):
            points = b'{"n":{"value":%d,"time":%d},"new":%d}' % (round_, now - 25 * DAY, round_)
            node.append(device, Kind.PROPERTY, now, points)
        await asyncio.gather(*(commit(node) for node in nodes))
    await asyncio.gather(*(node.retire(now - 30 * DAY) for node in nodes))
    for device in range(3):
        for node in nodes:
            assert len(await values(node, device=device)) == 10
            assert (await node.latest(device))["n"].value == b"4"
    await asyncio.gather(*(node.close() for node in nodes))


async def test_points_are_read_window_by_window(store: PostgresTimeSeries) -> None:
    times = [NOW - days * DAY - i for days in (0, 1, 2, 3, 15, 16, 17, 39, 60, 127, 128, 129, 300) for i in range(2)]
    for time in times:
        store.append(1, Kind.EVENT, NOW, b'{"n":{"value":1,"time":%d},"m":{"value":1,"time":%d}}' % (time, time))
    await commit(store)
    for limit in (1, 5, 12, 100):
        for ascending in (True, False):
            for identifiers in (["n"], None):
                found = await values(store, identifiers, kind=Kind.EVENT, limit=limit, ascending=ascending)
                expected = sorted(times * (1 if identifiers else 2), reverse=not ascending)[:limit]
                assert [point.time for point in found] == expected

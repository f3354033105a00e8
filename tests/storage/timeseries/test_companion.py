"""Tables of somebody else in the hot files: in the same commit, and kept when the history of a file is sealed."""

from pathlib import Path

import apsw
import pytest
from tests.common.clock import FakeClock
from tests.storage.timeseries.helpers import NOW, commit, post, values

from thingplane.storage.timeseries import Kind
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries, layout


class Log:
    """A companion with one table."""

    def __init__(self) -> None:
        self.batch: list[str] = []
        self.errors: list[BaseException | None] = []
        self.created: list[int] = []
        self.taken: dict[int, apsw.Connection] = {}
        self.full_until = 0

    def create(self, generation: int, path: Path, connection: apsw.Connection) -> None:
        assert path.name == layout.hot_name(generation)
        connection.execute("CREATE TABLE IF NOT EXISTS log (text TEXT NOT NULL)")
        self.created.append(generation)

    def pending(self) -> int:
        return len(self.batch)

    def write(self, connection: apsw.Connection) -> None:
        connection.executemany("INSERT INTO log VALUES (?)", [(text,) for text in self.batch])
        if "bad" in self.batch:
            raise apsw.FullError("disk full")

    def settle(self, error: BaseException | None) -> None:
        self.batch = []
        self.errors.append(error)

    def full(self) -> bool:
        return self.created[-1] < self.full_until

    def take_over(self, generation: int, path: Path, connection: apsw.Connection) -> bool:
        assert path.exists()
        if not texts(connection):
            return False
        self.taken[generation] = connection
        return True

    def close(self) -> None:
        for connection in self.taken.values():
            connection.close()
        self.taken.clear()


def texts(connection: apsw.Connection) -> list[str]:
    return [str(row[0]) for row in connection.execute("SELECT text FROM log")]


async def test_a_companion_shares_commits(tmp_path: Path, clock: FakeClock) -> None:
    log = Log()
    store = EmbeddedTimeSeries(tmp_path, clock, companion=log)
    await store.open()
    log.batch = ["one", "two"]
    await commit(store)
    assert texts(store._files.hot.connection) == ["one", "two"]

    log.batch = ["bad"]
    store.append(1, Kind.PROPERTY, NOW, b'{"n":1}')
    with pytest.raises(apsw.FullError):
        await commit(store)
    assert texts(store._files.hot.connection) == ["one", "two"]
    assert await values(store) == []
    assert [type(error) for error in log.errors] == [type(None), apsw.FullError]
    await store.close()


async def test_a_companion_takes_over_the_files_that_it_needs(tmp_path: Path, clock: FakeClock) -> None:
    log = Log()
    store = EmbeddedTimeSeries(tmp_path, clock, companion=log)
    await store.open()
    log.batch = ["one"]
    await post(store, {"n": 1})
    await store.seal()
    assert log.created == [1, 2]
    assert texts(log.taken[1]) == ["one"]
    await post(store, {"n": 2})
    await store.seal()
    assert list(log.taken) == [1]
    assert not (tmp_path / layout.hot_name(2)).exists()
    await store.close()
    log.close()

    store = EmbeddedTimeSeries(tmp_path, clock, companion=log)
    await store.open()
    assert texts(log.taken[1]) == ["one"]
    assert sorted(point.value for point in await values(store)) == [b"1", b"2"]
    await store.close()
    log.close()

    # Without the companion the file is nobody's.
    store = EmbeddedTimeSeries(tmp_path, clock)
    await store.open()
    assert not (tmp_path / layout.hot_name(1)).exists()
    await store.close()


async def test_a_full_companion_makes_a_fresh_file_take_over(tmp_path: Path, clock: FakeClock) -> None:
    log = Log()
    store = EmbeddedTimeSeries(tmp_path, clock, companion=log)
    await store.open()
    log.batch = ["one"]
    log.full_until = 2
    await commit(store)
    task = store._maintenance._task
    assert task is not None
    await task
    assert texts(log.taken[1]) == ["one"]
    await store.close()
    log.close()

"""Tables of others in the hot file: in the same commit, carried along when the file changes."""

from pathlib import Path

import apsw
import pytest
from tests.common.clock import FakeClock
from tests.storage.timeseries.helpers import NOW, commit, post, values

from thingplane.storage.timeseries import Kind
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries


class Log:
    """A companion with one table."""

    def __init__(self) -> None:
        self.batch: list[str] = []
        self.errors: list[BaseException | None] = []

    def create(self, connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS log (text TEXT NOT NULL)")

    def pending(self) -> bool:
        return bool(self.batch)

    def write(self, connection: apsw.Connection) -> None:
        connection.executemany("INSERT INTO log VALUES (?)", [(text,) for text in self.batch])
        if "bad" in self.batch:
            raise apsw.FullError("disk full")

    def settle(self, error: BaseException | None) -> None:
        self.batch = []
        self.errors.append(error)

    def carry(self, old: apsw.Connection, new: apsw.Connection) -> None:
        new.executemany(
            "INSERT INTO log VALUES (?)", old.execute("SELECT text FROM log WHERE text != 'done'").fetchall()
        )


def texts(store: EmbeddedTimeSeries) -> list[str]:
    return [str(row[0]) for row in store._files.hot.connection.execute("SELECT text FROM log")]


async def test_a_companion_shares_commits_and_survives_a_change_of_files(tmp_path: Path, clock: FakeClock) -> None:
    log = Log()
    store = EmbeddedTimeSeries(tmp_path, clock, companions=[log])
    await store.open()
    log.batch = ["done", "one"]
    await commit(store)
    assert texts(store) == ["done", "one"]

    log.batch = ["bad"]
    store.append(1, Kind.PROPERTY, NOW, b'{"n":1}')
    with pytest.raises(apsw.FullError):
        await commit(store)
    assert texts(store) == ["done", "one"]
    assert await values(store) == []

    log.batch = ["two"]
    await post(store, {"n": 2})
    await store.seal()
    await commit(store)
    await store.close()

    store = EmbeddedTimeSeries(tmp_path, clock, companions=[log])
    await store.open()
    assert texts(store) == ["one", "two"]
    assert [point.value for point in await values(store)] == [b"2"]
    assert [type(error) for error in log.errors[:3]] == [type(None), apsw.FullError, type(None)]
    await store.close()

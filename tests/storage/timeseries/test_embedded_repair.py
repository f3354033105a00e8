"""Opening a history folder after a crash at each point where one may happen, and folders that cannot be opened."""

from pathlib import Path

import apsw
import pytest
from tests.common.clock import FakeClock
from tests.storage.timeseries.helpers import NOW, Stores, names, post, values

from thingplane.storage.timeseries import TimeSeriesError, seal
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries, layout
from thingplane.storage.timeseries.embedded.catalog import Catalog
from thingplane.storage.timeseries.embedded.hot import create_hot


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "history"


@pytest.fixture
def stores(directory: Path, clock: FakeClock) -> Stores:
    return Stores(lambda: EmbeddedTimeSeries(directory, clock))


@pytest.fixture
async def crashed(stores: Stores, directory: Path) -> Path:
    """Two messages in generation 1, which generation 2 has just followed."""
    store = await stores.open()
    for i in range(2):
        await post(store, {"n": i})
    await stores.close()
    create_hot(directory / layout.hot_name(2))
    return directory


async def check(stores: Stores, directory: Path) -> None:
    for _ in range(2):
        store = await stores.open()
        assert isinstance(store, EmbeddedTimeSeries)
        await store.seal()
        assert [point.value for point in await values(store, ["n"])] == [b"0", b"1"]
        assert (await store.latest(1))["n"].value == b"1"
        assert (await store.stats()).files == len(names(directory)) - 1
        assert names(directory, "*.tmp*") == []
        await stores.close()


async def test_before_sealing_began(stores: Stores, crashed: Path) -> None:
    await check(stores, crashed)


async def test_while_the_next_hot_file_was_created(stores: Stores, crashed: Path) -> None:
    layout.remove_database(crashed / layout.hot_name(2))
    (crashed / layout.hot_name(2)).touch()
    await check(stores, crashed)


async def test_while_sealed_files_were_written(stores: Stores, crashed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Catalog, "sealed", die)
    with pytest.raises(KeyboardInterrupt):
        seal.seal(crashed, 1)
    (crashed / "day-1-0123456789ab.sqlite3.tmp").touch()
    (crashed / "day-1-0123456789ab.sqlite3.tmp-journal").touch()
    assert len(names(crashed, "day-*.sqlite3")) == 1
    monkeypatch.undo()
    await check(stores, crashed)


async def test_after_sealing_was_recorded(stores: Stores, crashed: Path) -> None:
    seal.seal(crashed, 1)
    assert (crashed / layout.hot_name(1)).exists()
    await check(stores, crashed)
    assert not (crashed / layout.hot_name(1)).exists()


async def test_after_a_merge_was_recorded(stores: Stores, crashed: Path) -> None:
    store = await stores.open()
    assert isinstance(store, EmbeddedTimeSeries)
    await store.seal()
    await post(store, {"n": 1}, received=NOW + 1)
    await store.seal()
    await stores.close()
    inputs = names(crashed, "day-*")
    seal.merge(crashed, 1, inputs)
    assert len(names(crashed, "day-*")) == 3
    store = await stores.open()
    assert len(names(crashed, "day-*")) == 1
    assert [point.value for point in await values(store, ["n"])] == [b"0", b"1", b"1"]
    await stores.close()


async def test_between_deleting_a_hot_file_and_its_log(stores: Stores, crashed: Path) -> None:
    seal.seal(crashed, 1)
    (crashed / layout.hot_name(1)).unlink()
    await check(stores, crashed)
    assert names(crashed, layout.hot_name(1) + "*") == []


async def test_new_messages_never_take_the_place_of_sealed_ones(stores: Stores, crashed: Path) -> None:
    seal.seal(crashed, 1)
    layout.remove_database(crashed / layout.hot_name(1))
    layout.remove_database(crashed / layout.hot_name(2))
    store = await stores.open()
    await post(store, {"n": 2})
    assert [point.value for point in await values(store, ["n"])] == [b"0", b"1", b"2"]
    await stores.close()


async def test_history_without_its_catalog_is_refused(stores: Stores, crashed: Path) -> None:
    layout.remove_database(crashed / layout.CATALOG)
    with pytest.raises(TimeSeriesError, match=r"catalog\.sqlite3 is missing"):
        await stores.open()
    assert not (crashed / layout.CATALOG).exists()


async def test_history_without_one_of_its_files_is_refused(stores: Stores, crashed: Path) -> None:
    seal.seal(crashed, 1)
    [name] = names(crashed, "day-*")
    (crashed / name).unlink()
    with pytest.raises(TimeSeriesError, match=f"{name} is missing"):
        await stores.open()
    assert (crashed / layout.hot_name(1)).exists()


async def test_history_of_a_newer_version_is_refused(stores: Stores, crashed: Path) -> None:
    with apsw.Connection(str(crashed / layout.CATALOG)) as connection:
        connection.execute("UPDATE state SET value = 2 WHERE name = 'format'")
    connection.close()
    with pytest.raises(TimeSeriesError, match="newer version"):
        await stores.open()


async def test_a_damaged_catalog_is_refused(stores: Stores, crashed: Path) -> None:
    (crashed / layout.CATALOG).write_bytes(b"garbage" * 1000)
    with pytest.raises(TimeSeriesError, match="Cannot open history"):
        await stores.open()


async def test_a_damaged_sealed_file_is_reported_by_the_query(stores: Stores, crashed: Path) -> None:
    seal.seal(crashed, 1)
    [name] = names(crashed, "day-*")
    (crashed / name).write_bytes(b"garbage" * 4096)
    store = await stores.open()
    with pytest.raises(TimeSeriesError, match="cannot be read"):
        await values(store)
    await stores.close()

"""What is particular to history in files: commits, sealing, merging, repair."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from tests.common.clock import FakeClock
from tests.storage.timeseries.helpers import DAY, NOW, commit, names, post, values

from thingplane.storage.timeseries import Kind, TimeSeriesError, seal
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries, Options, files, hot, layout


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "history"


@pytest.fixture
async def store(directory: Path, clock: FakeClock) -> AsyncIterator[EmbeddedTimeSeries]:
    store = EmbeddedTimeSeries(directory, clock, Options(merge_files=3, open_files=1))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def sealing_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seal in this process: quicker where the process is not the point."""

    async def run_seal(directory: Path, *arguments: str) -> None:
        if arguments[0] == "hot":
            seal.seal(directory, int(arguments[1]))
        else:
            seal.merge(directory, int(arguments[1]), arguments[2:])

    monkeypatch.setattr(files, "run_seal", run_seal)


async def numbers(store: EmbeddedTimeSeries, device: int = 1) -> list[int]:
    return [int(point.value) for point in await values(store, ["n"], device=device)]


async def test_a_commit_is_done_before_it_returns(store: EmbeddedTimeSeries) -> None:
    ended: list[BaseException | None] = []
    store.append(1, Kind.PROPERTY, NOW, b'{"n":1}')
    store.commit(ended.append)
    assert ended == [None]


async def test_a_full_disk_withdraws_the_batch_and_nothing_else(store: EmbeddedTimeSeries) -> None:
    await post(store, {"n": 0})
    connection = store._files.hot.connection
    pages = connection.pragma("page_count")
    connection.pragma("max_page_count", pages)
    for i in range(700):
        store.append(1, Kind.PROPERTY, NOW, b'{"n":%d,"filler":"%s"}' % (i, b"x" * 100))
    with pytest.raises(apsw.FullError):
        await commit(store)
    assert await numbers(store) == [0]
    connection.pragma("max_page_count", 1 << 20)
    await post(store, {"n": 1})
    assert await numbers(store) == [0, 1]


async def test_sealing_keeps_every_point_and_deletes_the_hot_file(store: EmbeddedTimeSeries, directory: Path) -> None:
    for i in range(5):
        await post(store, {"n": i, "t": {"value": i, "time": NOW + 10 - i}}, device=i % 2 + 1)
    before = [await values(store, device=1), await values(store, device=2), await store.latest(1)]
    await store.seal()
    assert [await values(store, device=1), await values(store, device=2), await store.latest(1)] == before
    await post(store, {"n": 5}, device=2)
    assert await numbers(store, 2) == [1, 3, 5]
    assert names(directory, "hot-*") == [layout.hot_name(2), *(f"{layout.hot_name(2)}-{end}" for end in ("shm", "wal"))]
    assert names(directory, "*.tmp*") == []


@pytest.mark.usefixtures("sealing_in_process")
async def test_points_are_sealed_by_day_and_strays_apart(store: EmbeddedTimeSeries, directory: Path) -> None:
    today = NOW // DAY
    for days in (-400, -1, 0, 1, 90):
        await post(store, {"n": {"value": days, "time": NOW + days * DAY}})
    await store.seal()
    kept = {name.rsplit("-", 1)[0] for name in names(directory, "*-*-*.sqlite3")}
    assert kept == {
        f"day-{today - 1}",
        f"day-{today}",
        f"day-{today + 1}",
        f"past-{today // 30}",
        f"future-{today // 30}",
    }
    assert await numbers(store) == [-400, -1, 0, 1, 90]
    await store.retire(NOW)
    assert await numbers(store) == [0, 1, 90]


@pytest.mark.usefixtures("sealing_in_process")
async def test_small_sealed_files_are_merged(store: EmbeddedTimeSeries, directory: Path) -> None:
    for i in range(8):
        await post(store, {"n": i, f"only{i}": i})
        await store.seal()
    assert len(names(directory, "day-*")) == 4  # 3 + 3 + 1 + 1
    await post(store, {"n": 8})
    await store.seal()
    assert len(names(directory, "day-*")) == 1
    assert await numbers(store) == list(range(9))
    assert len(await values(store)) == 9 + 8
    assert (await store.latest(1))["n"].value == b"8"
    assert (await store.stats()).files == 2


@pytest.mark.usefixtures("sealing_in_process")
async def test_past_days_end_up_in_one_file_each(store: EmbeddedTimeSeries, directory: Path) -> None:
    for i in range(2):
        await post(store, {"n": i})
        await store.seal()
    for i in range(3):
        await post(store, {"n": 2 + i}, received=NOW + (i + 2) * DAY)
        await store.seal()
    assert len(names(directory, f"day-{NOW // DAY}-*")) == 1
    assert await numbers(store) == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("sealing_in_process")
async def test_files_are_kept_until_the_last_query_that_reads_them_has_ended(
    store: EmbeddedTimeSeries, directory: Path
) -> None:
    await post(store, {"n": 1})
    with store._files.versions.reading():
        await store.seal()
        assert layout.hot_name(1) in names(directory)
        with store._files.versions.reading():
            await store.retire(NOW + DAY)
        assert len(names(directory, "day-*")) == 1
    assert names(directory) == ["catalog.sqlite3", layout.hot_name(2)]


@pytest.mark.usefixtures("sealing_in_process")
async def test_a_long_query_sees_one_state_while_files_change(
    store: EmbeddedTimeSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thingplane.storage.timeseries.embedded.store._STEP_S", 0)  # pause at every step
    for part in range(2):
        for i in range(1000):
            store.append(1, Kind.PROPERTY, NOW + i, b'{"n":%d}' % i)
        await commit(store)
        if part == 0:
            await store.seal()
    query = asyncio.create_task(values(store, ["n"], limit=5000))
    await asyncio.sleep(0)
    await store.seal()
    await store.retire(NOW + DAY)
    assert len(await query) == 2000
    assert await values(store) == []


async def test_a_full_hot_file_is_sealed_in_the_background(directory: Path, clock: FakeClock) -> None:
    store = EmbeddedTimeSeries(directory, clock, Options(seal_messages=10))
    await store.open()
    for i in range(10):
        await post(store, {"n": i})
    task = store._maintenance._task
    assert task is not None
    await post(store, {"n": 10})
    await task
    assert (await store.stats()).hot_rows <= 1
    assert await numbers(store) == list(range(11))
    await store.close()


@pytest.mark.usefixtures("sealing_in_process")
async def test_an_old_hot_file_is_sealed_in_the_background(store: EmbeddedTimeSeries, clock: FakeClock) -> None:
    await post(store, {"n": 1})
    clock.advance(24 * 3600)
    await post(store, {"n": 2})
    task = store._maintenance._task
    assert task is not None
    await task
    assert (await store.stats()).hot_rows == 0
    assert await numbers(store) == [1, 2]


async def test_a_failed_sealing_is_tried_again_and_loses_nothing(
    directory: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 0

    async def fail_once(folder: Path, *arguments: str) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise TimeSeriesError("disk full")
        seal.seal(folder, int(arguments[1]))

    monkeypatch.setattr(files, "run_seal", fail_once)
    store = EmbeddedTimeSeries(directory, clock, Options(seal_messages=1, retry_ms=1))
    await store.open()
    await post(store, {"n": 1})
    task = store._maintenance._task
    assert task is not None
    await task
    assert attempts == 2
    assert await numbers(store) == [1]
    await store.close()


async def test_the_error_of_the_sealing_process_is_reported(store: EmbeddedTimeSeries, directory: Path) -> None:
    await post(store, {"n": 1})
    store._files.hot.connection.execute("UPDATE message SET points = x'78'")
    with pytest.raises(TimeSeriesError, match=r"Sealing history failed: .*Points are not a JSON object"):
        await store.seal()
    store._files.versions.current.hot[0].connection.execute("UPDATE message SET points = ?", (b'{"n":2}',))
    await store.seal()
    assert await numbers(store) == [2]
    await store.close()
    await store.open()
    assert names(directory, "*.tmp*") == []


async def test_closing_ends_the_sealing_process(directory: Path, clock: FakeClock) -> None:
    store = EmbeddedTimeSeries(directory, clock, Options(seal_messages=1))
    await store.open()
    await post(store, {"n": 1})
    await asyncio.sleep(0)
    await store.close()
    store = EmbeddedTimeSeries(directory, clock)
    await store.open()
    assert await numbers(store) == [1]
    await store.close()


async def test_a_long_log_is_copied_into_the_file_in_the_background(
    store: EmbeddedTimeSeries, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot, "_CHECKPOINT_PAGES", 20)
    size = (directory / layout.hot_name(1)).stat().st_size
    for i in range(30):
        await post(store, {"n": i, "filler": "x" * 5000})
        if store._maintenance._task is not None:
            await store._maintenance._task
    assert (directory / layout.hot_name(1)).stat().st_size > size + 20 * 5000
    assert (directory / (layout.hot_name(1) + "-wal")).stat().st_size < 30 * 2 * 4096
    assert await numbers(store) == list(range(30))

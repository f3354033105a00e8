"""The embedded log where the files of the history change."""

from collections.abc import Sequence
from pathlib import Path

from tests.common.clock import FakeClock
from tests.storage.timeseries.helpers import commit, post

from thingplane.forwarding.embedded import EmbeddedLog
from thingplane.forwarding.log import SEGMENT_BITS
from thingplane.forwarding.message import Forwarded, Kind
from thingplane.forwarding.routing import Audience
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries


def message(log: EmbeddedLog, body: bytes) -> Forwarded:
    return Forwarded(log.next_position, 1, Kind.CUSTOM, 1, 2, "a1pk", 3, "dev1", "/t", body, 5, 0, "")


def hot_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("hot-*.sqlite3"))


async def test_what_waits_for_a_commit_moves_on_to_the_next_file(tmp_path: Path, clock: FakeClock) -> None:
    log = EmbeddedLog(clock)
    settled: list[Forwarded] = []

    def settle(messages: Sequence[Forwarded], _audiences: object, error: BaseException | None) -> None:
        assert error is None
        settled.extend(messages)

    log.settled = settle
    store = EmbeddedTimeSeries(tmp_path, clock, companion=log)
    await store.open()
    one, two = Audience((1,)), Audience((1, 2))
    assert log.append(message(log, b"first"), one)
    await post(store, {"n": 1})
    assert log.append(message(log, b"second"), one)
    assert not log.append(message(log, b"third"), two)
    await store.seal()
    await commit(store)
    assert [(each.position >> SEGMENT_BITS, each.body) for each in settled] == [
        (1, b"first"),
        (2, b"second"),
        (2, b"third"),
    ]
    assert await log.read([each.position for each in settled]) == settled
    assert [members async for _, members in log.scan(-1)] == [(1,), (1,), (1, 2)]
    assert [each async for each, _ in log.scan(settled[1].position)] == settled[2:]
    assert await log.read([settled[0].position + 1]) == []
    await store.close()
    await log.close()


async def test_a_file_without_messages_goes_with_its_history(tmp_path: Path, clock: FakeClock) -> None:
    log = EmbeddedLog(clock)
    store = EmbeddedTimeSeries(tmp_path, clock, companion=log)
    await store.open()
    await post(store, {"n": 1})
    await store.seal()
    assert await log.segments() == []
    assert hot_files(tmp_path) == ["hot-00000002.sqlite3"]
    # Dropped before its history is sealed: deleted with that.
    log.append(message(log, b"x"), Audience((1,)))
    await post(store, {"n": 2})
    await store._files.rotate()
    assert [segment.number for segment in await log.segments()] == [2]
    await log.drop(2)
    assert await log.segments() == []
    await store._files.seal_oldest()
    assert hot_files(tmp_path) == ["hot-00000003.sqlite3"]
    await store.close()
    await log.close()

"""What holds for both stores."""

import pytest
from tests.common.clock import FakeClock
from tests.storage.timeseries.helpers import ALWAYS, DAY, NOW, Stores, commit, post, values

from thingplane.storage.timeseries import Kind, MalformedPointsError, Point, TimeSeries


async def test_points_come_back_by_time_in_both_directions(store: TimeSeries) -> None:
    for i in (3, 1, 2):
        await post(store, {"t": i}, received=NOW + i)
    points = [Point("t", NOW + i, str(i).encode()) for i in (1, 2, 3)]
    assert await values(store, ["t"]) == points
    assert await values(store, ["t"], ascending=False) == points[::-1]


async def test_values_keep_their_text_and_their_own_times(store: TimeSeries) -> None:
    store.append(1, Kind.PROPERTY, NOW, b'{"a": 1.50, "b":{"value":{"x": [ 1 ]},"time":5}, "c":{"k":"\xc3\xa9"}}')
    await commit(store)
    assert await values(store) == [
        Point("b", 5, b'{"x": [ 1 ]}'),
        Point("a", NOW, b"1.50"),
        Point("c", NOW, b'{"k":"\xc3\xa9"}'),
    ]


async def test_limit_counts_over_all_identifiers_together(store: TimeSeries) -> None:
    for i in range(4):
        await post(store, {"b": i, "a": i, "c": i}, received=NOW + i)
    assert [(point.identifier, point.time - NOW) for point in await values(store, ["a", "b"], limit=3)] == [
        ("a", 0),
        ("b", 0),
        ("a", 1),
    ]
    newest = await values(store, ["b", "a", "b"], limit=3, ascending=False)
    assert [(point.identifier, point.time - NOW) for point in newest] == [("b", 3), ("a", 3), ("b", 2)]


async def test_bounds_of_a_range_are_included(store: TimeSeries) -> None:
    for i in range(5):
        await post(store, {"t": i}, received=NOW + i)
    for ascending in (True, False):
        found = await values(store, ["t"], span=(NOW + 1, NOW + 3), ascending=ascending)
        assert sorted(point.value for point in found) == [b"1", b"2", b"3"]
    assert await values(store, ["t"], span=(NOW + 3, NOW + 1)) == []
    assert await values(store, ["t"], limit=0) == []


async def test_points_of_the_same_millisecond_come_by_arrival(store: TimeSeries) -> None:
    for i in range(5):
        await post(store, {"t": i})
    assert [point.value for point in await values(store, ["t"])] == [b"0", b"1", b"2", b"3", b"4"]
    assert [point.value for point in await values(store, ["t"], ascending=False, limit=2)] == [b"4", b"3"]


async def test_devices_kinds_and_identifiers_do_not_mix(store: TimeSeries) -> None:
    await post(store, {"x": 1, "y": 2})
    await post(store, {"x": 3}, device=2)
    await post(store, {"x": 4}, kind=Kind.EVENT)
    await post(store, {"x": 5}, kind=Kind.SERVICE)
    assert [point.value for point in await values(store, ["x"])] == [b"1"]
    assert [point.value for point in await values(store, ["x"], device=2)] == [b"3"]
    assert [point.value for point in await values(store, kind=Kind.EVENT)] == [b"4"]
    assert [point.value for point in await values(store, ["x"], kind=Kind.SERVICE)] == [b"5"]
    assert await values(store, ["z"]) == []
    assert await values(store, []) == []
    assert await values(store, device=3) == []


async def test_what_was_posted_afterwards_is_in_queries_and_never_the_latest(store: TimeSeries) -> None:
    await post(store, {"t": 1}, received=NOW)
    await post(store, {"t": {"value": 2, "time": NOW + 5}, "u": 3}, kind=Kind.PROPERTY_HISTORY)
    await post(store, {"e": 4}, kind=Kind.EVENT_HISTORY)
    assert [point.value for point in await values(store, ["t"])] == [b"1", b"2"]
    assert [point.value for point in await values(store, ["t"], kind=Kind.PROPERTY_HISTORY)] == [b"2"]
    assert [point.value for point in await values(store, ["e"], kind=Kind.EVENT)] == [b"4"]
    assert await store.latest(1) == {"t": Point("t", NOW, b"1")}


async def test_latest_goes_by_time_then_by_arrival(store: TimeSeries) -> None:
    await post(store, {"a": {"value": 1, "time": NOW}, "b": {"value": 1, "time": NOW}})
    await post(store, {"a": {"value": 2, "time": NOW - 1}, "b": {"value": 2, "time": NOW}})
    assert await store.latest(1) == {"a": Point("a", NOW, b"1"), "b": Point("b", NOW, b"2")}
    assert await store.latest(2) == {}


async def test_times_far_away_are_found_and_compared(store: TimeSeries) -> None:
    far = {"past": -(2**59), "year": NOW - 400 * DAY, "month": NOW - 30 * DAY, "week": NOW + 7 * DAY, "never": 2**59}
    for name, time in far.items():
        await post(store, {"t": {"value": name, "time": time}})
    assert [point.time for point in await values(store, ["t"])] == sorted(far.values())
    assert [point.time for point in await values(store, None, ascending=False)] == sorted(far.values(), reverse=True)
    assert [point.time for point in await values(store, ["t"], limit=2, ascending=False)] == [2**59, NOW + 7 * DAY]
    assert (await store.latest(1))["t"].value == b'"never"'


async def test_latest_of_old_points_is_known_at_once_and_later(stores: Stores, clock: FakeClock) -> None:
    store = await stores.open()
    await post(store, {"t": {"value": 1, "time": NOW - 30 * DAY}})
    await post(store, {"t": {"value": 2, "time": NOW - 31 * DAY}})
    assert (await store.latest(1))["t"].value == b"1"
    for days in range(1, 5):
        clock.advance(86_400)
        await post(store, {"t": {"value": 2 + days, "time": NOW - 30 * DAY + days}})
        await store.retire(NOW - 365 * DAY)
        assert (await store.latest(1))["t"].value == str(2 + days).encode()
    assert (await (await stores.reopen()).latest(1))["t"].value == b"6"


async def test_nothing_is_seen_before_its_commit(store: TimeSeries) -> None:
    store.append(1, Kind.PROPERTY, NOW, b'{"t":1}')
    assert await values(store) == []
    assert await store.latest(1) == {}
    await commit(store)
    assert len(await values(store)) == 1


async def test_a_message_without_points_leaves_none(store: TimeSeries) -> None:
    await post(store, {})
    assert await values(store) == []


@pytest.mark.parametrize("points", [b"[1]", b'{"t":1', b"null", b'{"\\u0000":1}'])
async def test_malformed_points_are_refused_and_change_nothing(store: TimeSeries, points: bytes) -> None:
    store.append(1, Kind.PROPERTY, NOW, b'{"t":1}')
    with pytest.raises(MalformedPointsError):
        store.append(1, Kind.PROPERTY, NOW, points)
    store.append(1, Kind.PROPERTY, NOW, b'{"t":2}')
    await commit(store)
    assert [point.value for point in await values(store)] == [b"1", b"2"]


async def test_a_batch_that_fails_is_withdrawn_and_the_next_one_works(store: TimeSeries) -> None:
    store.append(1, Kind.PROPERTY, NOW, b'{"t":1}')
    store.append(2**70, Kind.PROPERTY, NOW, b'{"t":2}')
    with pytest.raises(Exception, match="int"):
        await commit(store)
    assert await values(store) == []
    await post(store, {"t": 3})
    assert [point.value for point in await values(store)] == [b"3"]
    assert (await store.latest(1))["t"].value == b"3"


async def test_history_is_there_after_reopening(stores: Stores) -> None:
    store = await stores.open()
    for i in range(3):
        await post(store, {"t": i}, received=NOW + i)
    store = await stores.reopen()
    await post(store, {"t": 3}, received=NOW + 2)
    assert [point.value for point in await values(store)] == [b"0", b"1", b"2", b"3"]
    assert (await store.latest(1))["t"].value == b"3"


async def test_retirement_drops_old_days_and_keeps_the_latest_values(store: TimeSeries, clock: FakeClock) -> None:
    day = NOW // DAY * DAY
    await post(store, {"old": 1, "both": 1}, received=day)
    clock.advance(3 * 86_400)
    await store.retire(day)
    assert [point.value for point in await values(store)] == [b"1", b"1"]
    await post(store, {"new": 2, "both": 2}, received=day + 3 * DAY)
    await store.retire(day + DAY)
    await store.retire(day + DAY)
    assert [(point.identifier, point.value) for point in await values(store)] == [("both", b"2"), ("new", b"2")]
    latest = {identifier: point.value for identifier, point in (await store.latest(1)).items()}
    assert latest == {"old": b"1", "both": b"2", "new": b"2"}


async def test_retirement_of_everything_keeps_the_latest_values(store: TimeSeries, clock: FakeClock) -> None:
    await post(store, {"t": 1}, received=NOW)
    await post(store, {"t": 2}, received=NOW)
    clock.advance(86_400)
    await store.retire(NOW + DAY)
    assert await values(store) == []
    assert await store.latest(1) == {"t": Point("t", NOW, b"2")}


async def test_a_forgotten_device_has_no_latest_values(stores: Stores) -> None:
    store = await stores.open()
    await post(store, {"t": {"value": 1, "time": NOW - 90 * DAY}}, device=1)
    await post(store, {"t": 1}, device=2)
    await store.forget(1)
    assert await store.latest(1) == {}
    assert len(await store.latest(2)) == 1


async def test_long_results_come_complete(store: TimeSeries) -> None:
    for i in range(3000):
        store.append(1, Kind.PROPERTY, NOW + i % 1000, b'{"a":%d,"b":%d}' % (i, i))
        store.append(2, Kind.PROPERTY, NOW + i, b'{"a":0}')
    await commit(store)
    points = await values(store, limit=10_000)
    assert len(points) == 6000
    assert points == sorted(points, key=lambda point: (point.time, int(point.value), point.identifier))
    assert await values(store, limit=10_000, ascending=False) == points[::-1]
    assert await values(store, ["a"], limit=2000) == [point for point in points if point.identifier == "a"][:2000]


async def test_commits_without_anything_to_write_succeed(store: TimeSeries) -> None:
    await commit(store)
    await post(store, {"t": 1})
    await commit(store)


async def test_figures_for_the_metrics(store: TimeSeries) -> None:
    await post(store, {"t": 1})
    store.append(1, Kind.PROPERTY, NOW, b'{"t":1}')
    stats = await store.stats()
    assert stats.hot_rows == 1
    assert stats.files > 0
    assert stats.bytes > 0
    await store.query(1, Kind.PROPERTY, None, *ALWAYS, 1, ascending=True)

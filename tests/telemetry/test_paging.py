from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.storage.timeseries import Point
from thingplane.telemetry.paging import MAX_POINTS_OF_A_MILLISECOND, Page, Read, page
from thingplane.telemetry.property_pages import PropertyPages, property_pages


def points(*times: int, identifier: str = "p") -> list[Point]:
    """Points at these times, told apart by their values."""
    return [Point(identifier, time, str(number).encode()) for number, time in enumerate(times)]


def reader(series: list[Point], *, ascending: bool) -> Read:
    """A history that holds a series."""
    stable = sorted(series, key=lambda point: point.time)

    async def read(start: int, end: int, limit: int) -> list[Point]:
        within = [point for point in stable if start <= point.time <= end]
        return (within if ascending else within[::-1])[:limit]

    return read


async def follow(series: list[Point], size: int, start: int, end: int, *, ascending: bool) -> list[list[Point]]:
    """Read page after page the way the guide says, until there is no next one."""
    read = reader(series, ascending=ascending)
    pages = []
    while True:
        result: Page[Point] = await page(read, list, start, end, size, ascending=ascending)
        pages.append(result.records)
        if not result.next_valid:
            return pages
        start, end = (result.next_time, end) if ascending else (start, result.next_time)


@given(st.lists(st.integers(0, 30)), st.integers(1, 5), st.integers(0, 30), st.integers(0, 30), st.booleans())
async def test_following_pages_gives_every_point_once_in_order(
    times: list[int], size: int, one: int, other: int, ascending: bool
) -> None:
    start, end = sorted((one, other))
    series = points(*times)
    pages = await follow(series, size, start, end, ascending=ascending)
    expected = await reader(series, ascending=ascending)(start, end, 1000)
    assert [point for records in pages for point in records] == expected
    for records in pages:
        assert len(records) <= size or len({point.time for point in records}) == 1


@pytest.mark.parametrize(("ascending", "first", "next_time"), [(True, [10, 20], 21), (False, [40, 30], 29)])
async def test_next_time_is_the_first_millisecond_of_the_next_page(
    ascending: bool, first: list[int], next_time: int
) -> None:
    read = reader(points(10, 20, 30, 40), ascending=ascending)
    result: Page[Point] = await page(read, list, 0, 100, 2, ascending=ascending)
    assert [point.time for point in result.records] == first
    assert (result.next_time, result.next_valid) == (next_time, True)


async def test_a_millisecond_is_not_torn_between_pages() -> None:
    series = points(10, 20, 20, 20, 30)
    pages = await follow(series, 3, 0, 100, ascending=True)
    assert [[point.time for point in records] for records in pages] == [[10], [20, 20, 20], [30]]


async def test_a_page_holds_all_of_a_millisecond_that_is_too_large_for_it() -> None:
    series = points(*[20] * 7, 30)
    pages = await follow(series, 2, 0, 100, ascending=True)
    assert [len(records) for records in pages] == [7, 1]
    pages = await follow(series, 2, 0, 100, ascending=False)
    assert [len(records) for records in pages] == [1, 7]


async def test_a_millisecond_at_the_end_of_the_range_is_the_last_page() -> None:
    result: Page[Point] = await page(reader(points(20, 20, 20), ascending=True), list, 0, 20, 2, ascending=True)
    assert (len(result.records), result.next_valid) == (3, False)


async def test_a_millisecond_is_bounded() -> None:
    read = reader(points(*[20] * (MAX_POINTS_OF_A_MILLISECOND + 5)), ascending=True)
    result: Page[Point] = await page(read, list, 0, 100, 2, ascending=True)
    assert len(result.records) == MAX_POINTS_OF_A_MILLISECOND


@given(
    st.lists(st.lists(st.integers(0, 20)), min_size=1, max_size=3),
    st.integers(1, 4),
    st.booleans(),
)
async def test_following_pages_of_several_properties_gives_every_point_once(
    times: list[list[int]], size: int, ascending: bool
) -> None:
    series = {f"p{number}": points(*each, identifier=f"p{number}") for number, each in enumerate(times)}
    reads = {name: reader(each, ascending=ascending) for name, each in series.items()}
    seen: dict[str, list[Point]] = {name: [] for name in series}
    start, end = 0, 20
    while True:
        result = await property_pages(reads, start, end, size, ascending=ascending)
        for name, values in result.values.items():
            seen[name] += values
            assert len(values) <= size or len({point.time for point in values}) == 1
        if not result.next_valid:
            break
        start, end = (result.next_time, end) if ascending else (start, result.next_time)
    assert seen == {name: await read(0, 20, 1000) for name, read in reads.items()}


async def test_the_property_that_fills_its_page_first_ends_the_page_of_all() -> None:
    make: Callable[[list[Point]], Read] = lambda series: reader(series, ascending=True)  # noqa: E731
    result: PropertyPages = await property_pages(
        {"fast": make(points(1, 2, 3, 4)), "slow": make(points(2, 9))}, 0, 100, 2, ascending=True
    )
    assert {name: [point.time for point in values] for name, values in result.values.items()} == {
        "fast": [1, 2],
        "slow": [2],
    }
    assert (result.next_time, result.next_valid) == (3, True)

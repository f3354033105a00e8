"""A large fleet: registering devices, paging through them, finding them, and asking for their status."""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import uvloop

from benchmarks.calls import Caller, caller
from benchmarks.figures import Figure, Goal, percentile
from benchmarks.large import NO_POSTGRESQL, PRODUCT_KEY, has_postgresql, large_node, name_of, tags_of
from benchmarks.node import BenchmarkError, Fleet, Node

DEVICES: Final = 100_000
APPLICATION: Final = 10_000
"""Devices of one application."""
PAGE: Final = 50
STATUS_CONNECTIONS: Final = 2
STATUS_CALLS: Final = 6_000
SEARCHES: Final = 100
"""Calls with each statement, and each set of tags."""
COMPARED: Final = 100
"""Pages at the beginning and at the end whose medians are compared."""

_APPLICATION_LIMIT_S: Final = 120
_POLL_S: Final = 0.02

STATEMENTS: Final[Mapping[str, str]] = {
    "a name": 'SELECT * FROM device WHERE product_key = "{product}" AND name = "{name}"',
    "a prefix of names": 'SELECT * FROM device WHERE name LIKE "{prefix}%" LIMIT 50',
    "a rare tag": 'SELECT * FROM device WHERE tag.tag_name = "site" AND tag.tag_value = "{site}" LIMIT 50',
    "a frequent tag": 'SELECT * FROM device WHERE tag.tag_name = "floor" AND tag.tag_value = "{floor}" LIMIT 50',
    "status, newest first": 'SELECT * FROM device WHERE product_key = "{product}" AND status = "UNACTIVE"'
    " ORDER BY gmt_create DESC LIMIT 50",
    "count of a frequent tag": 'SELECT count(*) FROM device WHERE tag.tag_name = "floor" AND tag.tag_value = "{floor}"',
    "count of a status": 'SELECT count(*) FROM device WHERE product_key = "{product}" AND status = "UNACTIVE"',
}
TAGS: Final[Mapping[str, Sequence[str]]] = {
    "a rare tag": ("site",),
    "a frequent tag": ("floor",),
    "both": ("floor", "site"),
}


class _Run(NamedTuple):
    """Seconds of calls, and of the application."""

    status: list[float]
    statements: dict[str, list[float]]
    tags: dict[str, list[float]]
    pages: list[float]
    registering: float


def large(fleet: Fleet, runs: int) -> Iterator[Figure]:  # noqa: ARG001 - every benchmark gets the fleet
    """Measure signed calls on a node with 100,000 devices, on both databases."""
    yield from _on("embedded", runs, postgresql=False)
    if has_postgresql():
        yield from _on("PostgreSQL", runs, postgresql=True)
    else:
        print(NO_POSTGRESQL, file=sys.stderr)


def _on(database: str, runs: int, *, postgresql: bool) -> Iterator[Figure]:
    with large_node(DEVICES, postgresql=postgresql) as node:
        results = [uvloop.run(_measure(node, number)) for number in range(runs)]
    end = f"{DEVICES:,} devices, {database}"
    yield Figure(
        f"registering {APPLICATION:,} devices in one application beside {end}",
        "s",
        [result.registering for result in results],
        Goal(10, 10, less_is_better=True),
    )
    yield Figure(
        f"QueryDevice by NextToken through {end}: last {COMPARED} pages to first {COMPARED}",
        "times",
        [_growth(result.pages) for result in results],
        Goal(1.5, 1, less_is_better=True),
    )
    yield Figure("… p50 of a page", "ms", [percentile(result.pages, 0.5) * 1000 for result in results])
    yield Figure("… p99 of a page", "ms", [percentile(result.pages, 0.99) * 1000 for result in results])
    goal = Goal(50, 50, less_is_better=True)
    for action, kinds in (
        ("QueryDeviceBySQL", [result.statements for result in results]),
        ("QueryDeviceByTags", [result.tags for result in results]),
    ):
        together = [[seconds for kind in run.values() for seconds in kind] for run in kinds]
        yield Figure(f"{action} at {end}, p99", "ms", [percentile(run, 0.99) * 1000 for run in together], goal)
        for kind in kinds[0]:
            yield Figure(f"… by {kind}, p99", "ms", [percentile(run[kind], 0.99) * 1000 for run in kinds])
    yield Figure(
        f"GetDeviceStatus of random devices, {STATUS_CONNECTIONS} connections, {end}, p99",
        "ms",
        [percentile(result.status, 0.99) * 1000 for result in results],
        Goal(5, 5, less_is_better=True),
    )
    yield Figure("… p50", "ms", [percentile(result.status, 0.5) * 1000 for result in results])


def _growth(pages: Sequence[float]) -> float:
    return statistics.median(pages[-COMPARED:]) / statistics.median(pages[:COMPARED])


async def _measure(node: Node, number: int) -> _Run:
    chance = random.Random(number)
    async with caller(node) as first, caller(node) as second:
        # First, so that most of the devices have to be read from the database.
        shares = await asyncio.gather(*(_status(one, chance) for one in (first, second)))
        statements = {kind: await _search(first, text, chance) for kind, text in STATEMENTS.items()}
        tags = {kind: await _by_tags(first, keys, chance) for kind, keys in TAGS.items()}
        pages = await _page_through(first)
        registering = await _register(first, number)
    return _Run([seconds for share in shares for seconds in share], statements, tags, pages, registering)


async def _status(caller: Caller, chance: random.Random) -> list[float]:
    async def ask(name: str) -> float:
        return (await caller.call("GetDeviceStatus", ProductKey=PRODUCT_KEY, DeviceName=name)).seconds

    await ask(name_of(0))
    return [await ask(name_of(chance.randrange(DEVICES))) for _ in range(STATUS_CALLS // STATUS_CONNECTIONS)]


async def _search(caller: Caller, text: str, chance: random.Random) -> list[float]:
    async def search() -> float:
        number = chance.randrange(DEVICES)
        name = name_of(number)
        sql = text.format(product=PRODUCT_KEY, name=name, prefix=name[:-2], **tags_of(number))
        answer = await caller.call("QueryDeviceBySQL", SQL=sql)
        if not answer.body.get("TotalCount") and not answer.body.get("Data"):
            raise BenchmarkError(f"nothing was found by {sql}")
        return answer.seconds

    await search()
    return [await search() for _ in range(SEARCHES)]


async def _by_tags(caller: Caller, keys: Sequence[str], chance: random.Random) -> list[float]:
    async def search() -> float:
        own = tags_of(chance.randrange(DEVICES))
        tags = [{"TagKey": key, "TagValue": own[key]} for key in keys]
        answer = await caller.call("QueryDeviceByTags", Tag=tags, PageSize=PAGE)
        if not answer.body["Total"]:
            raise BenchmarkError(f"no device was found by {tags}")
        return answer.seconds

    await search()
    return [await search() for _ in range(SEARCHES)]


async def _page_through(caller: Caller) -> list[float]:
    """Return the seconds of each page; all devices must have been on one of them."""
    await caller.call("QueryDevice", ProductKey=PRODUCT_KEY, PageSize=PAGE)
    seconds = []
    seen: set[str] = set()
    token: str | None = None
    while token != "":
        answer = await caller.call("QueryDevice", ProductKey=PRODUCT_KEY, PageSize=PAGE, NextToken=token)
        seconds.append(answer.seconds)
        seen.update(device["DeviceName"] for device in answer.body["Data"]["DeviceInfo"])
        token = answer.body["NextToken"] if len(seen) < DEVICES else ""
    if len(seen) != DEVICES:
        raise BenchmarkError(f"the pages have {len(seen)} devices instead of {DEVICES}")
    return seconds


async def _register(caller: Caller, number: int) -> float:
    """Return the seconds from the list of names to the last device."""
    product = await caller.call(
        "CreateProduct", ProductName=f"bench_application_{number}", NodeType=0, DataFormat=1, NetType="WIFI"
    )
    product_key = product.body["ProductKey"]
    names = [f"added-{number:05d}" for number in range(APPLICATION)]
    start = time.perf_counter()
    checked = await caller.call("BatchCheckDeviceNames", ProductKey=product_key, DeviceName=names)
    names_only = {"ProductKey": product_key, "ApplyId": checked.body["Data"]["ApplyId"]}
    await _until(caller, "CHECK_SUCCESS", names_only)
    await caller.call("BatchRegisterDeviceWithApplyId", **names_only)
    await _until(caller, "CREATE_SUCCESS", names_only)
    seconds = time.perf_counter() - start
    page = await caller.call("QueryPageByApplyId", ApplyId=names_only["ApplyId"])
    if page.body["Total"] != APPLICATION:
        raise BenchmarkError(f"the application made {page.body['Total']} devices instead of {APPLICATION}")
    return seconds


async def _until(caller: Caller, status: str, application: Mapping[str, object]) -> None:
    async with asyncio.timeout(_APPLICATION_LIMIT_S):
        while True:
            answer = await caller.call("QueryBatchRegisterDeviceStatus", **application)
            now = answer.body["Data"]["Status"]
            if now == status:
                return
            if now not in ("CHECK", "CREATE"):
                raise BenchmarkError(f"the application became {now} instead of {status}")
            await asyncio.sleep(_POLL_S)

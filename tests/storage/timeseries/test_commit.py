import asyncio
from typing import Any

import pytest

from thingplane.storage.timeseries import Done, GroupCommit


class Store:
    """Notes when commits are asked for; the test says how they end."""

    def __init__(self) -> None:
        self.commits: list[Done] = []

    def commit(self, done: Done) -> None:
        self.commits.append(done)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def group(store: Store) -> GroupCommit:
    untyped: Any = store
    return GroupCommit(untyped)


async def test_actions_of_one_turn_share_one_commit_at_its_end(store: Store, group: GroupCommit) -> None:
    seen: list[tuple[str, BaseException | None]] = []
    group.after(lambda error: seen.append(("a", error)))
    asyncio.get_running_loop().call_soon(lambda: None)
    group.after(lambda error: seen.append(("b", error)))
    assert store.commits == []
    await asyncio.sleep(0)
    assert len(store.commits) == 1
    assert seen == []
    store.commits[0](None)
    assert seen == [("a", None), ("b", None)]


async def test_the_next_turn_has_a_commit_of_its_own(store: Store, group: GroupCommit) -> None:
    seen: list[str] = []
    group.after(lambda _: seen.append("a"))
    await asyncio.sleep(0)
    group.after(lambda _: seen.append("b"))
    await asyncio.sleep(0)
    store.commits[0](None)
    assert seen == ["a"]
    store.commits[1](None)
    assert seen == ["a", "b"]


async def test_without_actions_there_is_no_commit(store: Store, group: GroupCommit) -> None:
    group.after(lambda _: None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(store.commits) == 1


async def test_an_error_reaches_every_action(store: Store, group: GroupCommit) -> None:
    seen: list[BaseException | None] = []
    group.after(seen.append)
    group.after(seen.append)
    await asyncio.sleep(0)
    error = OSError("disk full")
    store.commits[0](error)
    assert seen == [error, error]


async def test_an_action_that_fails_is_reported_and_does_not_hold_up_the_others(
    store: Store, group: GroupCommit
) -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    seen: list[BaseException | None] = []
    failure = RuntimeError("action")

    def fail(_error: BaseException | None) -> None:
        raise failure

    group.after(fail)
    group.after(seen.append)
    await asyncio.sleep(0)
    store.commits[0](None)
    assert seen == [None]
    assert [report["exception"] for report in reports] == [failure]


async def test_durable_waits_for_the_commit_and_raises_its_error(store: Store, group: GroupCommit) -> None:
    first = asyncio.create_task(group.durable())
    await asyncio.sleep(0)
    second = asyncio.create_task(group.durable())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not first.done()
    store.commits[0](None)
    await first
    store.commits[1](OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        await second


async def test_a_cancelled_waiter_does_not_disturb_the_others(store: Store, group: GroupCommit) -> None:
    cancelled = asyncio.create_task(group.durable())
    other = asyncio.create_task(group.durable())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.sleep(0)
    store.commits[0](None)
    await other

"""The state machine of tasks: every transition, and what does not change a task."""

from collections.abc import Callable

import msgspec
import pytest

from thingplane.ota import task as tasks
from thingplane.ota.task import MINUTE_MS, Plan, State, Task

NOW = 1_700_000_000_000
PLAN = Plan(destination="2.0")
RETRIED = Plan(destination="2.0", sources=("1.0", "1.1"), retry_count=2, retry_interval=10, timeout=30)
TERMINAL = (State.SUCCEEDED, State.FAILED, State.CANCELED)


def task(state: State, **values: object) -> Task:
    given = {"id": 1, "job_id": 1, "device_id": 1, "module": "default", "source": "1.0", "modified_at": 0, **values}
    return Task(state=state, **given)  # type: ignore[arg-type]


Action = Callable[[Task], bool]
ACTIONS: dict[str, Action] = {
    "push": lambda item: tasks.push(item, NOW),
    "progress": lambda item: tasks.progress(item, PLAN, 10, "", NOW),
    "failure": lambda item: tasks.progress(item, PLAN, -1, "", NOW),
    "target": lambda item: tasks.version_reported(item, PLAN, "2.0", NOW),
    "source": lambda item: tasks.version_reported(item, PLAN, "1.0", NOW),
    "other": lambda item: tasks.version_reported(item, PLAN, "1.5", NOW),
    "timeout": lambda item: tasks.time_out(item, NOW),
    "cancel": lambda item: tasks.cancel(item, "canceled", NOW),
    "fail": lambda item: tasks.fail(item, "failed", NOW),
    "confirm": lambda item: tasks.confirm(item, NOW),
    "again": lambda item: tasks.begin_again(item, PLAN, "1.1", NOW),
}
CONFIRM, QUEUED, NOTIFIED, RUNNING = State.CONFIRM, State.QUEUED, State.NOTIFIED, State.IN_PROGRESS
DONE, FAILED, CANCELED = TERMINAL
EXPECTED: dict[str, dict[State, State]] = {
    "push": {QUEUED: NOTIFIED},
    "progress": {QUEUED: RUNNING, NOTIFIED: RUNNING, RUNNING: RUNNING},
    "failure": {QUEUED: FAILED, NOTIFIED: FAILED, RUNNING: FAILED},
    "target": {CONFIRM: DONE, QUEUED: DONE, NOTIFIED: DONE, RUNNING: DONE},
    "source": {},
    "other": {RUNNING: FAILED},
    "timeout": {RUNNING: FAILED},
    "cancel": {CONFIRM: CANCELED, QUEUED: CANCELED, NOTIFIED: CANCELED, RUNNING: CANCELED},
    "fail": {CONFIRM: FAILED, QUEUED: FAILED, NOTIFIED: FAILED, RUNNING: FAILED},
    "confirm": {CONFIRM: QUEUED},
    "again": {FAILED: QUEUED, CANCELED: QUEUED},
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", State)
def test_every_transition(action: str, state: State) -> None:
    item = task(state, deadline=NOW if state is RUNNING else None)
    before = msgspec.structs.replace(item)
    changed = ACTIONS[action](item)
    if state in EXPECTED[action]:
        assert (changed, item.state, item.modified_at) == (True, EXPECTED[action][state], NOW)
    else:
        assert (changed, item) == (False, before)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (-1, "upgrade failed: why"),
        (-2, "download failed: why"),
        (-3, "verify failed: why"),
        (-4, "flash failed: why"),
        (-9, "upgrade failed: why"),
    ],
)
def test_failures_have_reasons(step: int, reason: str) -> None:
    item = task(NOTIFIED)
    assert tasks.progress(item, PLAN, step, "why", NOW)
    assert (item.state, item.reason) == (FAILED, reason)


def test_a_version_that_is_neither_source_nor_target_fails_only_a_running_task() -> None:
    item = task(RUNNING)
    assert tasks.version_reported(item, PLAN, "1.5", NOW)
    assert (item.state, item.reason) == (FAILED, "report version is not conform")
    for version in RETRIED.sources:
        assert not tasks.version_reported(task(RUNNING), RETRIED, version, NOW)


def test_a_hundred_per_cent_is_no_success() -> None:
    item = task(NOTIFIED)
    assert tasks.progress(item, PLAN, 250, "done", NOW)
    assert (item.state, item.progress, item.reason) == (RUNNING, 100, "done")
    assert tasks.version_reported(item, PLAN, "2.0", NOW)
    assert (item.state, item.progress, item.reason) == (DONE, 100, "")


def test_the_same_progress_twice_changes_nothing() -> None:
    item = task(NOTIFIED)
    assert tasks.progress(item, PLAN, 10, "", NOW)
    assert not tasks.progress(item, PLAN, 10, "", NOW + 5)
    assert tasks.progress(item, PLAN, 11, "", NOW + 5)


def test_time_runs_from_the_first_progress_and_a_retry_does_not_extend_it() -> None:
    item = task(NOTIFIED)
    tasks.progress(item, RETRIED, 1, "", NOW)
    tasks.progress(item, RETRIED, 50, "", NOW + 60_000)
    tasks.progress(item, RETRIED, -2, "", NOW + 120_000)
    tasks.push(item, NOW + 720_000)
    tasks.progress(item, RETRIED, 5, "", NOW + 720_000)
    assert item.deadline == NOW + 30 * MINUTE_MS
    assert not tasks.time_out(item, item.deadline - 1)
    assert tasks.time_out(item, NOW + 30 * MINUTE_MS)
    assert (item.state, item.reason) == (FAILED, "timeout")


def test_retries_keep_the_state_until_they_are_used_up() -> None:
    item = task(NOTIFIED)
    for number in (1, 2):
        tasks.progress(item, RETRIED, 10, "", NOW)
        assert tasks.progress(item, RETRIED, -1, "", NOW)
        assert (item.state, item.retries, item.retry_at) == (RUNNING, number, NOW + 10 * MINUTE_MS)
        assert not tasks.progress(item, RETRIED, -1, "", NOW), "the same failure counts once"
        assert not tasks.version_reported(item, RETRIED, "1.5", NOW)
        assert tasks.push(item, NOW + 10 * MINUTE_MS)
        assert item.retry_at is None
    assert tasks.version_reported(item, RETRIED, "1.5", NOW)
    assert (item.state, item.reason) == (FAILED, "report version is not conform")


def test_a_failed_task_that_waits_for_its_retry_succeeds_by_version() -> None:
    item = task(RUNNING, retry_at=NOW + 1)
    assert tasks.version_reported(item, RETRIED, "2.0", NOW)
    assert (item.state, item.retry_at) == (DONE, None)


def test_without_versions_to_start_from_nothing_is_tried_again() -> None:
    plan = Plan(destination="2.0", retry_count=5, retry_interval=0)
    item = task(RUNNING)
    assert tasks.progress(item, plan, -4, "", NOW)
    assert item.state is FAILED


def test_beginning_again_starts_from_nothing() -> None:
    item = task(FAILED, progress=40, reason="timeout", retries=2)
    assert tasks.begin_again(item, Plan(destination="2.0", need_confirm=True), "1.1", NOW)
    assert (item.state, item.source, item.progress, item.reason, item.retries) == (CONFIRM, "1.1", 0, "", 0)


def test_long_reasons_are_cut() -> None:
    item = task(RUNNING)
    tasks.fail(item, "x" * 10_000, NOW)
    assert len(item.reason) == tasks.MAX_REASON

"""A task: the update of one module of one device by one batch, and how its state changes (device-protocol, 7.4).

Everything here is pure. A transition changes the task in place and returns whether anything changed; whoever keeps
tasks writes them down, counts them and tells others.
"""

from enum import IntEnum
from typing import Final

import msgspec

MINUTE_MS: Final = 60_000


class State(IntEnum):
    """The documented states; the numbers are what the database keeps."""

    CONFIRM = 0
    """Waits until an application confirms it."""
    QUEUED = 1
    """Not pushed yet."""
    NOTIFIED = 2
    """Pushed, or fetched by the device."""
    IN_PROGRESS = 3
    """The device has reported progress."""
    SUCCEEDED = 4
    FAILED = 5
    CANCELED = 6


UNFINISHED: Final = (State.CONFIRM, State.QUEUED, State.NOTIFIED, State.IN_PROGRESS)
VISIBLE: Final = (State.QUEUED, State.NOTIFIED, State.IN_PROGRESS)
"""What the device itself may know of."""
LAST_UNFINISHED: Final = State.IN_PROGRESS
"""States up to this one are unfinished."""

TIMEOUT: Final = "timeout"
WRONG_VERSION: Final = "report version is not conform"
"""Reason of failure as the guide prints it (ListOTATaskByJob)."""
BLOCKED: Final = "another update task of the device is not finished"
SOURCE_MISMATCH: Final = "source version mismatch"
OVERWRITTEN: Final = "overwritten by a later batch"
NEWER_POLICY: Final = "replaced by a later dynamic batch"
CANCELED_BY_CALL: Final = "canceled"
BATCH_ENDED: Final = "the planned end of the batch has come"

_FAILURES: Final = {-1: "upgrade failed", -2: "download failed", -3: "verify failed", -4: "flash failed"}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a task has to know of its batch."""

    destination: str
    """Version to reach."""
    sources: tuple[str, ...] = ()
    """Versions to start from; none: any."""
    retry_count: int = 0
    retry_interval: int = 0
    """Minutes until a failed task is pushed again."""
    timeout: int | None = None
    """Minutes from the first progress."""
    need_confirm: bool = False


class Task(msgspec.Struct, kw_only=True, gc=False):
    """One task. Times are epoch milliseconds."""

    id: int
    job_id: int
    device_id: int
    module: str
    state: State
    source: str | None
    """Version that the device ran when the task was made."""
    progress: int = 0
    """Per cent."""
    reason: str = ""
    """Why it failed or was cancelled, or what the device said with its progress."""
    retries: int = 0
    """How often it was tried again."""
    retry_at: int | None = None
    """When it will be pushed again after a failure; the state shown meanwhile stays as it was."""
    deadline: int | None = None
    """When it fails for lack of time; set by the first progress, and never moved."""
    modified_at: int

    @property
    def unfinished(self) -> bool:
        """Whether it can still succeed."""
        return self.state <= LAST_UNFINISHED


def push(task: Task, now: int) -> bool:
    """Note that the device was told of the update, or has fetched it."""
    if task.state not in VISIBLE:
        return False
    retried, task.retry_at = task.retry_at, None
    if task.state is State.QUEUED:
        task.state = State.NOTIFIED
    elif retried is None:
        # Told once more, after a reconnection: nothing changes.
        return False
    task.modified_at = now
    return True


def progress(task: Task, plan: Plan, step: int, description: str, now: int) -> bool:
    """Take a progress report: per cent, or the number of a failure from -1 to -4.

    A report counts also when the task is still queued: the push may have reached the device without being noted.
    """
    if task.state not in VISIBLE:
        return False
    if step < 0:
        if task.retry_at is not None:
            # A device that repeats its report has not failed twice.
            return False
        reason = _FAILURES.get(step, _FAILURES[-1])
        _fail_or_retry(task, plan, f"{reason}: {description}" if description else reason, now)
        return True
    step = min(step, 100)
    if task.state is State.IN_PROGRESS and (task.progress, task.reason) == (step, description):
        return False
    task.state = State.IN_PROGRESS
    task.progress, task.reason, task.modified_at = step, description, now
    if task.deadline is None and plan.timeout is not None:
        task.deadline = now + plan.timeout * MINUTE_MS
    return True


def version_reported(task: Task, plan: Plan, version: str, now: int) -> bool:
    """Take a version report of the task's module: the target version is success, in every unfinished state."""
    if not task.unfinished:
        return False
    if version == plan.destination:
        task.progress = 100
        _finish(task, State.SUCCEEDED, "", now)
        return True
    if task.state is not State.IN_PROGRESS or task.retry_at is not None:
        return False
    if version == task.source or version in plan.sources:
        return False
    _fail_or_retry(task, plan, WRONG_VERSION, now)
    return True


def time_out(task: Task, now: int) -> bool:
    """Fail a task whose time is over; it is not tried again."""
    if not task.unfinished or task.deadline is None or task.deadline > now:
        return False
    _finish(task, State.FAILED, TIMEOUT, now)
    return True


def fail(task: Task, reason: str, now: int) -> bool:
    """Fail for good."""
    if not task.unfinished:
        return False
    _finish(task, State.FAILED, reason, now)
    return True


def cancel(task: Task, reason: str, now: int) -> bool:
    """Cancel."""
    if not task.unfinished:
        return False
    _finish(task, State.CANCELED, reason, now)
    return True


def confirm(task: Task, now: int) -> bool:
    """Let a task that waits for it begin."""
    if task.state is not State.CONFIRM:
        return False
    task.state, task.modified_at = State.QUEUED, now
    return True


def begin_again(task: Task, plan: Plan, source: str | None, now: int) -> bool:
    """Start a failed or cancelled task anew, from the version that the device runs now."""
    if task.state not in {State.FAILED, State.CANCELED}:
        return False
    task.state = State.CONFIRM if plan.need_confirm else State.QUEUED
    task.source = source
    task.progress, task.reason, task.retries = 0, "", 0
    task.retry_at = task.deadline = None
    task.modified_at = now
    return True


def _fail_or_retry(task: Task, plan: Plan, reason: str, now: int) -> None:
    # Only where versions to start from were given it is known that the device can start from where it is.
    if plan.sources and task.retries < plan.retry_count:
        task.retries += 1
        task.retry_at = now + plan.retry_interval * MINUTE_MS
        task.reason, task.modified_at = reason, now
    else:
        _finish(task, State.FAILED, reason, now)


def _finish(task: Task, state: State, reason: str, now: int) -> None:
    task.state, task.reason, task.modified_at = state, reason[:MAX_REASON], now
    task.retry_at = task.deadline = None


MAX_REASON: Final = 512
"""Characters that are kept of what a device says."""

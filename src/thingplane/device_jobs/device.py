"""What devices send to this slice (device-protocol reference, 8.7)."""

from typing import Any, Final

import msgspec

from thingplane.alink import Code, Handler, Uplink
from thingplane.cloud import Services
from thingplane.device_jobs.service import JobService, describe
from thingplane.device_jobs.store import REPORTED, JobStore, Status

NEXT: Final = "$next"
LIST: Final = "$list"
MAX_DETAILS_BYTES: Final = 16 * 1024
DETAILS_ERROR: Final = 71012
"""The statusDetails are no JSON object."""

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Get(msgspec.Struct):
    taskId: str


class _Update(msgspec.Struct):
    taskId: str
    status: str
    progress: int | None = None
    statusDetails: Any = None


_read_get = msgspec.json.Decoder(_Get).decode
_read_update = msgspec.json.Decoder(_Update).decode


class TaskRequests:
    """Handlers of ``thing/job/get``, ``update`` and ``notify_reply``."""

    def __init__(self, store: JobStore) -> None:
        """Take the jobs."""
        self._store = store

    async def get(self, uplink: Uplink) -> None:
        """Tell a device its task with this id, the oldest unfinished one (``$next``), or all unfinished (``$list``).

        Without such a task the answer names none: so devices with the vendor's SDK for C see that it was not found. A
        failure, or an empty task, would not reach them.
        """
        try:
            wanted = _read_get(uplink.params).taskId
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        device_id = uplink.device.id
        if wanted == LIST:
            tasks = await self._store.unfinished(device_id)
            listed = [{"taskId": task.task_id, "status": task.status.value} for task in tasks]
            uplink.reply(data=b'{"taskId":"$list","tasks":%b}' % msgspec.json.encode(listed))
            return
        if wanted == NEXT:
            found = await self._store.unfinished(device_id, 1)
            task = found[0] if found else None
        else:
            task = await self._store.find(device_id, wanted) if wanted.isalnum() else None
        if task is None or task.status is Status.REMOVED:
            uplink.reply(data=_named(wanted))
            return
        if task.status is Status.QUEUED:
            await self._store.told(task)
        uplink.reply(data=b'{"taskId":%b,"task":%b}' % (msgspec.json.encode(wanted), describe(task, sent=True)))

    async def update(self, uplink: Uplink) -> None:
        """Record how far a device is with a task; one that has ended does not begin again.

        A refusal names the task, too: the vendor's SDK for C passes on no other.
        """
        try:
            said = _read_update(uplink.params)
            details = None if said.statusDetails is None else msgspec.json.encode(said.statusDetails)
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        data = _named(said.taskId)
        if said.status not in REPORTED or not 0 <= (said.progress or 0) <= 100:
            uplink.reply(Code.PARAMETER_ERROR, data, "status or progress is not one that devices report")
            return
        if not isinstance(said.statusDetails, dict | None):
            uplink.reply(DETAILS_ERROR, data, "statusDetails is not a JSON object")
            return
        if details is not None and len(details) > MAX_DETAILS_BYTES:
            uplink.reply(Code.PARAMETER_ERROR, data, f"statusDetails has at most {MAX_DETAILS_BYTES} bytes")
            return
        text = None if details is None else details.decode()
        known = said.taskId.isalnum() and await self._store.report(
            uplink.device.id, said.taskId, Status(said.status), said.progress, text
        )
        if known:
            uplink.reply(data=data)
        else:
            uplink.reply(Code.PARAMETER_ERROR, data, "there is no such task, or it has ended")

    def notified(self, uplink: Uplink) -> None:
        """Take note that a device has read a notice; what it does with it comes as an update."""


def _named(task_id: str) -> bytes:
    return b'{"taskId":%b}' % msgspec.json.encode(task_id)


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    requests = TaskRequests(services.get(JobService).store)
    return {
        "thing/job/get": requests.get,
        "thing/job/update": requests.update,
        "thing/job/notify_reply": requests.notified,
    }

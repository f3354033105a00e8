"""Telling devices of their tasks: at once if they are online, otherwise when they connect."""

from typing import Final

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from thingplane import ids
from thingplane.alink import write_request
from thingplane.bus import Background, Bus, Downlink, DownlinkMessage
from thingplane.clock import Clock
from thingplane.device_jobs.store import UNFINISHED, JobStore, Task
from thingplane.devices.service import DeviceConnected, DeviceService
from thingplane.storage.keyed_lock import KeyedLocks
from thingplane.storage.periodic import Periodic
from thingplane.storage.polling import Poller

KEPT_MS: Final = 30 * 86_400_000
"""How long finished jobs are kept."""
SWEEP_EVERY_S: Final = 3600

_log = structlog.get_logger(__name__)


class JobService:
    """Notifies devices of tasks that were made, cancelled or removed."""

    def __init__(  # noqa: PLR0917 - wired in one place
        self,
        store: JobStore,
        devices: DeviceService,
        downlink: Downlink,
        bus: Bus,
        clock: Clock,
        poll_interval_s: float = 1.0,
    ) -> None:
        """Wire the service; ``start`` has to be awaited before devices connect.

        Args:
            store: the jobs.
            devices: the service of devices.
            downlink: the way to them.
            bus: tells of devices that connect.
            clock: tells how old jobs are.
            poll_interval_s: seconds after which a job of the command line is noticed.
        """
        self.store = store
        self._devices = devices
        self._downlink = downlink
        self._clock = clock
        self._untold: set[int] = set()
        self._locks = KeyedLocks()
        self._background = Background("device jobs")
        self._sweeping = Periodic("deletion of old jobs", self._sweep, SWEEP_EVERY_S)
        self._poller = Poller("device jobs", store.changed, self._look, poll_interval_s)
        bus.subscribe(DeviceConnected, self._connected)
        devices.moves.on_move.append(store.leave)

    async def start(self) -> None:
        """Begin to look for changes of jobs."""
        await self._poller.start()
        self._sweeping.start()

    async def close(self) -> None:
        """Look for changes no longer, and finish what was begun."""
        await self._poller.stop()
        await self._sweeping.stop()
        await self._background.settled()

    async def refresh(self) -> None:
        """Tell devices of what has changed since the last look."""
        await self._poller.refresh()

    async def _look(self) -> None:
        self._untold = set(await self.store.untold_devices())
        for device_id in list(self._untold):
            await self._tell(device_id)

    def _connected(self, event: DeviceConnected) -> None:
        if event.device_id in self._untold:
            self._background.run(self._catch_up(event.device_id))

    async def _catch_up(self, device_id: int) -> None:
        try:
            await self._tell(device_id)
        except (SQLAlchemyError, OSError) as error:
            _log.warning("a device was not told of its tasks, trying again at its next connection", error=repr(error))

    async def _tell(self, device_id: int) -> None:
        async with self._locks.of(device_id):
            device = await self._devices.by_id(device_id)
            tasks = [] if device is None else await self.store.untold(device_id)
            for task in tasks:
                if device is None or not self._downlink.online(device_id):
                    if task.status not in UNFINISHED:
                        # It does not show among the tasks that the device asks for.
                        await self.store.told(task)
                        continue
                    return
                params = b'{"task":%b}' % describe(task, sent=True)
                payload = write_request(ids.message_id(), "thing.job.notify", params)
                topic = f"/sys/{device.product_key}/{device.name}/thing/job/notify"
                message = DownlinkMessage(device_id=device_id, topic=topic, payload=payload, qos=1)
                if not await self._downlink.send(message):
                    return
                await self.store.told(task)
            self._untold.discard(device_id)

    async def _sweep(self) -> None:
        await self.store.forget(self._clock.now_ms() - KEPT_MS)


def describe(task: Task, *, sent: bool) -> bytes:
    """Return a task as its device sees it, JSON text of an object.

    Args:
        task: the task.
        sent: whether the device learns of it by this.
    """
    status = "SENT" if sent and task.status == "QUEUED" else task.status.value
    # What is found by its text comes before the document, which may hold any words.
    return b'{"taskId":%b,"status":"%b","jobDocument":%b}' % (
        msgspec.json.encode(task.task_id),
        status.encode(),
        task.document.encode(),
    )

"""What the platform knows from its devices; also the way in for the gateway and for other slices."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence

import structlog

from thingplane.alink import Identity, Uplink
from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.cloud import BusinessError
from thingplane.devices.service import DeviceDeleted
from thingplane.storage.timeseries import GroupCommit, Kind, Point, TimeSeries
from thingplane.telemetry.bulk_reports import BulkReports, FindSubDevice, no_sub_devices
from thingplane.telemetry.calls import SET, Call, CallLog, ServiceRecord, service_records
from thingplane.telemetry.original_data import OriginalData
from thingplane.telemetry.originals import Originals
from thingplane.telemetry.outgoing import Outgoing
from thingplane.telemetry.paging import Page, Read, page
from thingplane.telemetry.property_pages import PropertyPages, property_pages
from thingplane.telemetry.replies import Replies
from thingplane.telemetry.reports import Reports
from thingplane.telemetry.snapshots import CAPACITY, Snapshots
from thingplane.telemetry.sub_devices import SubDevices
from thingplane.things.service import CompiledModel, ThingModelService

__all__ = ["SET", "Call", "Outgoing", "Page", "PropertyPages", "ServiceRecord", "SubDevices", "TelemetryService"]

_log = structlog.get_logger(__name__)


class TelemetryService:
    """Reports, calls and their history. All times are epoch milliseconds; ranges include both ends."""

    def __init__(
        self,
        series: TimeSeries,
        commits: GroupCommit,
        models: ThingModelService,
        clock: Clock,
        bus: Bus,
        *,
        snapshots: int = CAPACITY,
        find_sub_device: FindSubDevice = no_sub_devices,
        outgoing: Outgoing | None = None,
    ) -> None:
        """Wire the service.

        Args:
            series: the history.
            commits: the group commit in front of it.
            models: the thing models of all products.
            clock: time of calls.
            bus: tells of deleted devices.
            snapshots: devices whose last values are kept in memory.
            find_sub_device: finds the sub-devices that gateways post for, see ``SubDevices``; by default there are
                none.
            outgoing: forwards reports and replies; None: nobody gets them.
        """
        self._outgoing = outgoing
        self._models = models
        self.clock = clock
        self._series = series
        self._commits = commits
        self._snapshots = Snapshots(series, commits, snapshots)
        self.calls = CallLog(series, clock)
        """Where whoever calls services of devices records it."""
        originals = Originals(series)
        self.reports = Reports(series, models, self._snapshots, originals, outgoing)
        self.bulk_reports = BulkReports(series, self.reports, self._snapshots, originals, find_sub_device, outgoing)
        self.original_data = OriginalData(series, self._snapshots)
        """Reads what devices sent, verified by their thing model or not."""
        self._forgetting: set[asyncio.Task[None]] = set()
        self.replies = Replies(self.calls, commits, self.forward_reply)
        bus.subscribe(DeviceDeleted, self._deleted)

    def _deleted(self, event: DeviceDeleted) -> None:
        self._snapshots.forget(event.device_id)
        task = asyncio.get_running_loop().create_task(self._series.forget(event.device_id))
        self._forgetting.add(task)
        task.add_done_callback(self._forgotten)

    def _forgotten(self, task: asyncio.Task[None]) -> None:
        self._forgetting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # No device ever gets this id again: what remains is never shown and ages away.
            _log.warning("the history of a deleted device was not dropped", error=str(task.exception()))

    def forward_reply(
        self, device: Identity, call: Call, reply: bytes, uplink: Uplink | None = None
    ) -> Awaitable[None] | None:
        """Forward the reply to an asynchronous call to those who want it; it is durable with the next commit.

        Args:
            device: that was called.
            call: the call.
            reply: JSON text of the whole reply, an object.
            uplink: the reply as it came; None for the platform's own.

        Returns:
            Something to be awaited first, if not all is in memory that is needed.
        """
        outgoing = self._outgoing
        if outgoing is None or not outgoing.forwarder.has_subscribers:
            return None
        model = self._models.cached(device.product_id)
        if model is None or not outgoing.is_ready(device):
            return self._forward_later(outgoing, device, call, reply, uplink)
        outgoing.reply(device, call, reply, model, uplink)
        return None

    async def _forward_later(
        self, outgoing: Outgoing, device: Identity, call: Call, reply: bytes, uplink: Uplink | None
    ) -> None:
        await outgoing.prepare(device)
        try:
            model: CompiledModel | None = await self.reports.published(device.product_id)
        except BusinessError:
            model = None  # the product is gone, and nothing will be forwarded
        outgoing.reply(device, call, reply, model, uplink)

    async def close(self) -> None:
        """Wait until the history of deleted devices is dropped; to be called before the history is closed."""
        if self._forgetting:
            await asyncio.wait(self._forgetting)

    async def durable(self) -> None:
        """Return when everything recorded up to now is durable; raises what made the commit fail."""
        await self._commits.durable()

    async def properties(
        self, device_id: int, identifier: str, start: int, end: int, size: int, *, ascending: bool
    ) -> Page[Point]:
        """Return a page of the values of one property."""
        read = self._reader(device_id, Kind.PROPERTY, [identifier], ascending=ascending)
        return await page(read, list, start, end, size, ascending=ascending)

    async def several_properties(
        self, device_id: int, identifiers: Sequence[str], start: int, end: int, size: int, *, ascending: bool
    ) -> PropertyPages:
        """Return a page of each of several properties, all of them up to the same millisecond."""
        reads = {name: self._reader(device_id, Kind.PROPERTY, [name], ascending=ascending) for name in identifiers}
        return await property_pages(reads, start, end, size, ascending=ascending)

    async def events(
        self, device_id: int, identifiers: Sequence[str] | None, start: int, end: int, size: int, *, ascending: bool
    ) -> Page[Point]:
        """Return a page of events, of all identifiers when None."""
        read = self._reader(device_id, Kind.EVENT, identifiers, ascending=ascending)
        return await page(read, list, start, end, size, ascending=ascending)

    async def service_calls(
        self, device_id: int, identifiers: Sequence[str] | None, start: int, end: int, size: int, *, ascending: bool
    ) -> Page[ServiceRecord]:
        """Return a page of the calls of services, of all identifiers when None."""
        read = self._reader(device_id, Kind.SERVICE, identifiers, ascending=ascending)
        return await page(read, service_records, start, end, size, ascending=ascending, points_per_record=2)

    async def last_properties(self, device_id: int) -> Mapping[str, Point]:
        """Return the last value of each property that has one."""
        return await self._snapshots.of(device_id)

    def _reader(self, device_id: int, kind: Kind, identifiers: Sequence[str] | None, *, ascending: bool) -> Read:
        return lambda start, end, limit: self._series.query(
            device_id, kind, identifiers, start, end, limit, ascending=ascending
        )

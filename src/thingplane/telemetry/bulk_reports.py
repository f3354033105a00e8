"""Handlers of posts that hold many samples: batch, history and pack posts (device-protocol, 5.6 to 5.8)."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from thingplane.alink import Code, Identity, Uplink
from thingplane.cloud import BusinessError
from thingplane.storage.timeseries import Kind, TimeSeries
from thingplane.telemetry.bulk_posts import (
    MALFORMED,
    Checked,
    Owner,
    RefusedPostError,
    Samples,
    check,
    read_batch,
    read_history,
    read_pack,
)
from thingplane.telemetry.originals import Originals
from thingplane.telemetry.outgoing import Outgoing
from thingplane.telemetry.posts import reasons
from thingplane.telemetry.reports import Reports
from thingplane.telemetry.snapshots import Snapshots
from thingplane.things.model.checks import Failure
from thingplane.things.service import CompiledModel

MAX_SUB_DEVICES: Final = 20
"""Sub-devices of one pack post."""
MAX_PACK_EVENTS: Final = 20
"""Events of one device in a pack post."""

TOO_MANY_SUB_DEVICES: Final = Failure(6357, "sub device size must less than 20")
DEVICE_NOT_FOUND: Final = Failure(Code.DEVICE_NOT_FOUND, "device not found")
RELATION_MISSING: Final = Failure(6401, "topo relation not exist")
PRODUCT_NOT_FOUND: Final = Failure(Code.PRODUCT_NOT_FOUND, "product not found")

FindSubDevice = Callable[[Identity, str, str], Awaitable[Identity | None]]
"""Finds the device with a ProductKey and a DeviceName for a gateway.

Raises ``LookupError`` when there is no such device; None: it is none of the gateway's sub-devices.
"""

_log = structlog.get_logger(__name__)


async def no_sub_devices(_gateway: Identity, _product_key: str, _name: str) -> Identity | None:
    """Find nothing: for a platform without gateways."""
    return None


class BulkReports:
    """Stores samples of devices, and of the sub-devices of gateways."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        series: TimeSeries,
        reports: Reports,
        snapshots: Snapshots,
        originals: Originals,
        find_sub_device: FindSubDevice,
        outgoing: Outgoing | None = None,
    ) -> None:
        """Take what the handlers need.

        Args:
            series: the history.
            reports: knows the thing models.
            snapshots: last values to keep up to date.
            originals: takes what the models do not verify.
            find_sub_device: finds the sub-devices that a gateway posts for.
            outgoing: forwards reports; None: nobody gets them.
        """
        self._outgoing = outgoing
        self._series = series
        self._reports = reports
        self._snapshots = snapshots
        self._originals = originals
        self._find_sub_device = find_sub_device

    async def batch_post(self, uplink: Uplink) -> None:
        """Handle ``thing/event/property/batch/post``: many samples of each property and event of the device.

        Samples that the model refuses are left out and named in the reply's ``data``.
        """
        try:
            samples = read_batch(uplink.params)
            model = await self._model(uplink.device)
            checked = check(model, samples, uplink.received)
        except RefusedPostError as error:
            _refuse(uplink, error.failure)
            return
        self._store(uplink.device, uplink.received, checked)
        if self._outgoing is not None:
            self._outgoing.batch(uplink, checked, model)
        uplink.reply(data=reasons(checked.failures))

    async def history_post(self, uplink: Uplink) -> None:
        """Handle ``thing/event/property/history/post``: samples that were taken in the past.

        A device posts for itself, a gateway also for its sub-devices. The latest values stay what they are. Samples
        that the model refuses are left out and named in the reply's ``data``; an identity that is not the device's or
        that of a sub-device fails the whole post.
        """
        try:
            entries = [
                (await self._owner(uplink.device, owner), samples) for owner, samples in read_history(uplink.params)
            ]
            models = [await self._model(device) for device, _ in entries]
            checked = [
                (device, model, check(model, samples, uplink.received, history=True))
                for (device, samples), model in zip(entries, models, strict=True)
            ]
        except RefusedPostError as error:
            _refuse(uplink, error.failure)
            return
        failures: dict[str, Failure] = {}
        for device, model, part in checked:
            self._store(device, uplink.received, part)
            if self._outgoing is not None:
                self._outgoing.history(uplink, device, part, model)
            failures |= part.failures
        uplink.reply(data=reasons(failures))

    async def pack_post(self, uplink: Uplink) -> None:
        """Handle ``thing/event/property/pack/post``: values and events of a gateway and of sub-devices.

        Whatever fails, fails the whole post.
        """
        try:
            parts = []
            for device, samples in await self._pack(uplink):
                model = await self._model(device)
                parts.append((device, model, _check_strictly(model, samples, uplink.received)))
        except RefusedPostError as error:
            _refuse(uplink, error.failure)
            return
        for device, model, part in parts:
            self._store(device, uplink.received, part)
            if self._outgoing is not None:
                self._outgoing.pack(uplink, device, part, model)
        uplink.reply()

    async def _pack(self, uplink: Uplink) -> list[tuple[Identity, Samples]]:
        """Return the samples of a pack post by their devices."""
        own, others = read_pack(uplink.params)
        if len(others) > MAX_SUB_DEVICES:
            raise RefusedPostError(TOO_MANY_SUB_DEVICES)
        if any(owner is None for owner, _ in others):
            raise RefusedPostError(MALFORMED)
        return [
            (uplink.device, own),
            *[(await self._owner(uplink.device, owner), samples) for owner, samples in others],
        ]

    async def _owner(self, device: Identity, owner: Owner | None) -> Identity:
        """Return the device that samples belong to."""
        if owner is None or (owner.productKey, owner.deviceName) == (device.product_key, device.name):
            return device
        try:
            found = await self._find_sub_device(device, owner.productKey, owner.deviceName)
        except LookupError as error:
            raise RefusedPostError(DEVICE_NOT_FOUND) from error
        if found is None:
            raise RefusedPostError(RELATION_MISSING)
        return found

    async def _model(self, device: Identity) -> CompiledModel:
        try:
            if self._outgoing is not None:
                await self._outgoing.prepare(device)
            return await self._reports.published(device.product_id)
        except BusinessError as error:
            _log.info("a report of a device has no product", device=device.name, code=error.code)
            raise RefusedPostError(PRODUCT_NOT_FOUND) from error

    def _store(self, device: Identity, received: int, checked: Checked) -> None:
        """Append what was checked; with nothing awaited in between, one commit makes all of it durable."""
        for kind, points in checked.points:
            self._series.append(device.id, kind, received, points)
            if kind is Kind.PROPERTY:
                self._snapshots.report(device.id, received, points)
        for params, identifiers in checked.unverified:
            self._originals.properties(device.id, received, params, identifiers)
        for identifier, output, time in checked.unverified_events:
            self._originals.event(device.id, received, identifier, output, time)


def _check_strictly(model: CompiledModel, samples: Samples, received: int) -> Checked:
    checked = check(model, samples, received, max_events=MAX_PACK_EVENTS)
    if checked.failures:
        raise RefusedPostError(next(iter(checked.failures.values())))
    return checked


def _refuse(uplink: Uplink, failure: Failure) -> None:
    uplink.reply(failure.code, message=failure.message)

"""What devices report: properties and events, checked against the thing model and appended to the history.

The reply to a report leaves when the report is durable; the gateway commits once a loop turn (see ``GroupCommit``).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from thingplane.alink import Code, Uplink
from thingplane.cloud import BusinessError
from thingplane.storage.timeseries import Kind, TimeSeries
from thingplane.telemetry.originals import Originals
from thingplane.telemetry.outgoing import Outgoing
from thingplane.telemetry.posts import UNREADABLE, decode_object, event_point, kept, read_event, reasons
from thingplane.telemetry.snapshots import Snapshots
from thingplane.things.model.checks import CheckLevel, Failure
from thingplane.things.service import CompiledModel, ThingModelService

MAX_PROPERTIES: Final = 200
"""Properties of one post (device-protocol, 12)."""

_log = structlog.get_logger(__name__)


class Reports:
    """Handlers of property and event posts.

    They are plain functions as long as the product's model is in memory, which it is after its first message.
    """

    def __init__(
        self,
        series: TimeSeries,
        models: ThingModelService,
        snapshots: Snapshots,
        originals: Originals,
        outgoing: Outgoing | None = None,
    ) -> None:
        """Take what the handlers need.

        Args:
            series: the history.
            models: the thing models of all products.
            snapshots: last values to keep up to date.
            originals: takes what the models do not verify.
            outgoing: forwards reports; None: nobody gets them.
        """
        self._series = series
        self._outgoing = outgoing
        self._models = models
        self._snapshots = snapshots
        self._originals = originals
        self._loading: dict[int, asyncio.Task[CompiledModel]] = {}

    def property_post(self, uplink: Uplink) -> Awaitable[None] | None:
        """Handle ``thing/event/property/post`` (device-protocol, 5.1).

        Properties that the model refuses are left out and named in the reply's ``data`` with the reason; the reply is
        a success all the same. What the model refuses, and all data of products without data check (ValidateType 2), is
        kept for the queries of original data only.
        """
        model = self._models.cached(uplink.device.product_id)
        if model is None or not self._is_ready(uplink):
            return self.with_model(self._properties, uplink)
        self._properties(uplink, model)
        return None

    def event_post(self, uplink: Uplink) -> Awaitable[None] | None:
        """Handle ``thing/event/{event}/post`` (device-protocol, 5.4).

        An event is refused with the code of its first failure when the product is checked strictly or does not have
        it. Otherwise parameters that the model refuses are left out and named in the reply's ``data``.
        """
        model = self._models.cached(uplink.device.product_id)
        if model is None or not self._is_ready(uplink):
            return self.with_model(self._event, uplink)
        self._event(uplink, model)
        return None

    async def with_model(self, handle: Callable[[Uplink, CompiledModel], None], uplink: Uplink) -> None:
        """Handle a message when the model of its product is loaded; 6250 if the product is gone."""
        try:
            if self._outgoing is not None:
                await self._outgoing.prepare(uplink.device)
            model = await self.published(uplink.device.product_id)
        except BusinessError as error:
            _log.info("a report of a device has no product", device=uplink.device.name, code=error.code)
            uplink.reply(Code.PRODUCT_NOT_FOUND)
            return
        handle(uplink, model)

    def _is_ready(self, uplink: Uplink) -> bool:
        return self._outgoing is None or self._outgoing.is_ready(uplink.device)

    async def published(self, product_id: int) -> CompiledModel:
        """Return a model, loaded once for all devices that report meanwhile: there may be thousands.

        Raises:
            BusinessError: iot.prod.NotExistedProduct.
        """
        model = self._models.cached(product_id)
        if model is not None:
            return model
        loading = self._loading.get(product_id)
        if loading is None:
            loading = asyncio.get_running_loop().create_task(self._models.published(product_id))
            self._loading[product_id] = loading
            loading.add_done_callback(lambda _: self._loading.pop(product_id))
        return await asyncio.shield(loading)

    def _properties(self, uplink: Uplink, model: CompiledModel) -> None:
        params = uplink.params
        try:
            values = decode_object(params)
        except UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        if len(values) > MAX_PROPERTIES:
            uplink.reply(Code.TOO_MANY_PROPERTIES)
            return
        failures = model.properties.check_post(values, uplink.received)
        if failures is None:
            if model.level is not CheckLevel.NONE:
                # The text goes to the history as it came, unless it only resembles the form that is kept there.
                span = _span(values, uplink.received)
                self._store(uplink, params if span else kept(params, values, ()), span)
            else:
                self._originals.properties(uplink.device.id, uplink.received, params, values)
            uplink.reply()
        else:
            if len(failures) < len(values):
                self._store(uplink, kept(params, values, failures))
            self._originals.properties(uplink.device.id, uplink.received, params, failures)
            uplink.reply(data=reasons(failures))
        if self._outgoing is not None and self._outgoing.forwarder.has_subscribers:
            self._outgoing.properties(uplink, values, failures, model.level)

    def _store(self, uplink: Uplink, points: bytes, span: tuple[int, int] | None = None) -> None:
        self._series.append(uplink.device.id, Kind.PROPERTY, uplink.received, points, span)
        self._snapshots.report(uplink.device.id, uplink.received, points)

    def _event(self, uplink: Uplink, model: CompiledModel) -> None:
        try:
            post = read_event(model, uplink.capture, uplink.params, uplink.received)
        except UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        if post.verified:
            point = event_point(uplink.capture, post.verified, post.time)
            self._series.append(uplink.device.id, Kind.EVENT, uplink.received, point)
        if post.verified != post.output:
            self._originals.event(uplink.device.id, uplink.received, uplink.capture, post.output, post.time)
        if post.refusal is not None:
            self._refuse(uplink, post.refusal)
        else:
            uplink.reply(data=b"{}" if post.failures is None else reasons(post.failures))
        if self._outgoing is not None and self._outgoing.forwarder.has_subscribers:
            self._outgoing.event(uplink, post, model)

    def _refuse(self, uplink: Uplink, failure: Failure) -> None:
        uplink.reply(failure.code, message=failure.message)


def _span(values: dict[str, Any], received: int) -> tuple[int, int] | None:
    """Return the earliest and the latest time of a checked post; None if a value/time pair has further members."""
    earliest = latest = -1
    for value in values.values():
        time = received
        if type(value) is dict and "value" in value and len(value) > 1:
            if len(value) > 2 or "time" not in value:
                return None
            if value["time"] is not None:
                time = value["time"]
        if latest < 0:
            earliest = latest = time
        elif time < earliest:
            earliest = time
        elif time > latest:
            latest = time
    return (earliest, latest) if values else (received, received)

"""What devices report: properties and events, checked against the thing model and appended to the history.

The reply to a report leaves when the report is durable; the gateway commits once a loop turn (see ``GroupCommit``).
"""

import asyncio
from collections.abc import Awaitable, Callable, Container
from typing import Any, Final

import msgspec
import structlog

from thingplane.alink import Code, Uplink
from thingplane.cloud import BusinessError
from thingplane.storage.timeseries import Kind, TimeSeries
from thingplane.telemetry.snapshots import Snapshots
from thingplane.things.model.checks import CheckLevel, Failure
from thingplane.things.model.validator import check_time
from thingplane.things.service import CompiledModel, ThingModelService

MAX_PROPERTIES: Final = 200
"""Properties of one post (device-protocol, 12)."""
EVENT_NOT_FOUND: Final = Failure(6320, "event not found")

_log = structlog.get_logger(__name__)

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.encode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Reports:
    """Handlers of property and event posts.

    They are plain functions as long as the product's model is in memory, which it is after its first message.
    """

    def __init__(self, series: TimeSeries, models: ThingModelService, snapshots: Snapshots) -> None:
        """Take what the handlers need.

        Args:
            series: the history.
            models: the thing models of all products.
            snapshots: last values to keep up to date.
        """
        self._series = series
        self._models = models
        self._snapshots = snapshots
        self._loading: dict[int, asyncio.Task[CompiledModel]] = {}

    def property_post(self, uplink: Uplink) -> Awaitable[None] | None:
        """Handle ``thing/event/property/post`` (device-protocol, 5.1).

        Properties that the model refuses are left out and named in the reply's ``data`` with the reason; the reply is
        a success all the same. Products without data check (ValidateType 2) get their data forwarded, not stored.
        """
        model = self._models.cached(uplink.device.product_id)
        if model is None:
            return self._with_model(self._properties, uplink)
        self._properties(uplink, model)
        return None

    def event_post(self, uplink: Uplink) -> Awaitable[None] | None:
        """Handle ``thing/event/{event}/post`` (device-protocol, 5.4).

        An event is refused with the code of its first failure when the product is checked strictly or does not have
        it. Otherwise parameters that the model refuses are left out and named in the reply's ``data``.
        """
        model = self._models.cached(uplink.device.product_id)
        if model is None:
            return self._with_model(self._event, uplink)
        self._event(uplink, model)
        return None

    async def _with_model(self, handle: Callable[[Uplink, CompiledModel], None], uplink: Uplink) -> None:
        try:
            model = await self._published(uplink.device.product_id)
        except BusinessError as error:
            _log.info("a report of a device has no product", device=uplink.device.name, code=error.code)
            uplink.reply(Code.PRODUCT_NOT_FOUND)
            return
        handle(uplink, model)

    async def _published(self, product_id: int) -> CompiledModel:
        """Load a model once for all devices that report meanwhile: there may be thousands."""
        loading = self._loading.get(product_id)
        if loading is None:
            loading = asyncio.get_running_loop().create_task(self._models.published(product_id))
            self._loading[product_id] = loading
            loading.add_done_callback(lambda _: self._loading.pop(product_id))
        return await asyncio.shield(loading)

    def _properties(self, uplink: Uplink, model: CompiledModel) -> None:
        params = uplink.params
        try:
            values = _decode_object(params)
        except _UNREADABLE:
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
                self._store(uplink, params if span else _kept(params, values, ()), span)
            uplink.reply()
        else:
            if len(failures) < len(values):
                self._store(uplink, _kept(params, values, failures))
            uplink.reply(data=_reasons(failures))

    def _store(self, uplink: Uplink, points: bytes, span: tuple[int, int] | None = None) -> None:
        self._series.append(uplink.device.id, Kind.PROPERTY, uplink.received, points, span)
        self._snapshots.report(uplink.device.id, uplink.received, points)

    def _event(self, uplink: Uplink, model: CompiledModel) -> None:
        try:
            values = _decode_object(uplink.params)
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        # Some SDKs send the output itself in the place of {"value": output, "time": ms}.
        wrapped = type(values.get("value")) is dict
        output = values["value"] if wrapped else values
        time = values.get("time") if wrapped else None
        if model.level is CheckLevel.NONE:
            uplink.reply()
            return
        event = model.event(uplink.capture)
        if event is None:
            self._refuse(uplink, EVENT_NOT_FOUND)
            return
        refused = None if time is None else check_time(time, uplink.received, uplink.capture)
        if refused is not None:
            self._refuse(uplink, refused)
            return
        failures = event.output.check_each(output)
        if failures is not None and model.level is CheckLevel.STRONG:
            self._refuse(uplink, next(iter(failures.values())))
            return
        if failures is None or len(failures) < len(output):
            text = _member(uplink.params, "value") if wrapped else uplink.params
            if failures is not None:
                text = _encode({name: raw for name, raw in _decode_raw_object(text).items() if name not in failures})
            self._store_event(uplink, text, uplink.received if time is None else time)
        uplink.reply(data=b"{}" if failures is None else _reasons(failures))

    def _store_event(self, uplink: Uplink, output: bytes, time: int) -> None:
        point = b'{%b:{"value":%b,"time":%d}}' % (_encode(uplink.capture), output, time)
        self._series.append(uplink.device.id, Kind.EVENT, uplink.received, point)

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


def _kept(params: bytes, values: dict[str, Any], without: Container[str]) -> bytes:
    """Return the JSON text of a post without some properties, and without extra members of value/time pairs."""
    kept: dict[str, Any] = {}
    for identifier, raw in _decode_raw_object(params).items():
        if identifier in without:
            continue
        value = values[identifier]
        if type(value) is dict and "value" in value:
            pair = _decode_raw_object(raw)
            kept[identifier] = {name: pair[name] for name in ("value", "time") if name in pair}
        else:
            kept[identifier] = raw
    return _encode(kept)


def _member(text: bytes, name: str) -> bytes:
    return bytes(_decode_raw_object(text)[name])


def _reasons(failures: dict[str, Failure]) -> bytes:
    return _encode({identifier: failure.message for identifier, failure in failures.items()})

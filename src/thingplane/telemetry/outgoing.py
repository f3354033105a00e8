"""Reports and replies of devices as they leave the platform (rules-and-subscription reference, 3.2 to 3.7, 3.11)."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from thingplane.alink import Identity, Uplink
from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices.service import Device, DeviceDeleted
from thingplane.forwarding import bodies
from thingplane.forwarding.service import Forwarder, Kind, Source
from thingplane.products.service import Product, ProductService
from thingplane.telemetry.bulk_posts import Checked, PropertyPost
from thingplane.telemetry.calls import SET, Call
from thingplane.telemetry.posts import EventPost, decode_raw_object
from thingplane.things.model.checks import CheckLevel, Failure
from thingplane.things.model.deduplication import Deduplicator
from thingplane.things.model.validator import check_time
from thingplane.things.service import CompiledModel

SUCCESS: Final = 200

Failed = tuple[str, int, bytes, int, str]


class _Reply(msgspec.Struct):
    code: Any = None
    message: Any = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


_decode_reply = msgspec.json.Decoder(_Reply).decode


class Outgoing:
    """Forwards what devices report, and how they answer, to those who want it.

    What is forwarded is written with the history of the same message: whoever was told that the platform has it, has
    it forwarded, too.
    """

    def __init__(self, forwarder: Forwarder, products: ProductService, clock: Clock, bus: Bus) -> None:
        """Wire.

        Args:
            forwarder: takes the messages.
            products: know the device type, and which repetitions are left out.
            clock: tells when messages are made.
            bus: tells of deleted devices.
        """
        self.forwarder = forwarder
        self._products = products
        self._clock = clock
        self._repeated = Deduplicator()
        bus.subscribe(DeviceDeleted, lambda event: self._repeated.forget(event.device_id))

    def is_ready(self, device: Identity) -> bool:
        """Tell whether what is needed of a device's product is in memory; otherwise ``prepare`` has to be awaited."""
        return not self.forwarder.has_subscribers or self._products.cached_id(device.product_id) is not None

    async def prepare(self, device: Identity) -> None:
        """Read what is needed of a device's product; of one that is gone nothing will be forwarded."""
        if self.forwarder.has_subscribers:
            await self._products.find_id(device.product_id)

    # Reports

    def properties(
        self, uplink: Uplink, values: Mapping[str, Any], failures: Mapping[str, Failure] | None, level: CheckLevel
    ) -> None:
        """Forward a report of properties (hot path).

        Args:
            uplink: the post, on its own topic.
            values: its decoded params.
            failures: what the model refuses.
            level: how the product is checked.
        """
        topic = uplink.topic[4:]  # without /sys
        if not self.forwarder.wanted(Kind.PROPERTY, uplink.device.product_id, topic):
            return
        post = PropertyPost(uplink.params, values, failures or {})
        self._report(uplink, uplink.device, topic, post, level)

    def event(self, uplink: Uplink, post: EventPost, model: CompiledModel) -> None:
        """Forward a report of an event, on its own topic."""
        topic = uplink.topic[4:]
        if self.forwarder.wanted(Kind.EVENT, uplink.device.product_id, topic):
            self._event(Kind.EVENT, uplink, uplink.device, topic, uplink.capture, post, model)

    def pack(self, uplink: Uplink, device: Identity, checked: Checked, model: CompiledModel) -> None:
        """Forward a device's part of a pack post: as if the device had posted it alone."""
        prefix = f"/{device.product_key}/{device.name}/thing/event"
        topic = f"{prefix}/property/post"
        if checked.posts and self.forwarder.wanted(Kind.PROPERTY, device.product_id, topic):
            for post in checked.posts:
                self._report(uplink, device, topic, post, model.level)
        for identifier, event in checked.events:
            topic = f"{prefix}/{identifier}/post"
            if self.forwarder.wanted(Kind.EVENT, device.product_id, topic):
                self._event(Kind.EVENT, uplink, device, topic, identifier, event, model)

    def history(self, uplink: Uplink, device: Identity, checked: Checked, model: CompiledModel) -> None:
        """Forward a device's part of a history post: a message for each set of properties and each event."""
        prefix = f"/{device.product_key}/{device.name}/thing/event"
        topic = f"{prefix}/property/history/post"
        product = self._product(device)
        if product is None:
            return
        if checked.posts and self.forwarder.wanted(Kind.PROPERTY_HISTORY, device.product_id, topic):
            for post in checked.posts:
                items, failed = _split(post, uplink.received, model.level)
                if items or failed:
                    source, now = source_of(device, product), self._clock.now_ms()
                    body = bodies.properties(source, uplink.request_id, now, items, _failed(failed))
                    self._forward(Kind.PROPERTY_HISTORY, uplink, source, topic, body, now)
        for identifier, event in checked.events:
            topic = f"{prefix}/{identifier}/history/post"
            if self.forwarder.wanted(Kind.EVENT_HISTORY, device.product_id, topic):
                self._event(Kind.EVENT_HISTORY, uplink, device, topic, identifier, event, model)

    def batch(self, uplink: Uplink, checked: Checked, model: CompiledModel) -> None:
        """Forward a batch post: its properties and its events as a message each."""
        device = uplink.device
        product = self._product(device)
        if product is None:
            return
        prefix = f"/{device.product_key}/{device.name}/thing"
        topic = f"{prefix}/property/batch/post"
        if checked.posts and self.forwarder.wanted(Kind.PROPERTY_BATCH, device.product_id, topic):
            items: list[bodies.Reading] = []
            failed: list[Failed] = []
            for post in checked.posts:
                kept, refused = _split(post, uplink.received, model.level)
                items += kept
                failed += refused
            self._batch(Kind.PROPERTY_BATCH, uplink, source_of(device, product), topic, items, failed)
        topic = f"{prefix}/event/batch/post"
        if checked.events and self.forwarder.wanted(Kind.EVENT_BATCH, device.product_id, topic):
            items, failed = [], []
            for identifier, event in checked.events:
                value, failure = _outcome(event, model.level)
                if value:
                    items.append((identifier, event.time, value))
                if failure is not None:
                    failed.append((identifier, event.time, event.output, failure.code, failure.message))
            self._batch(Kind.EVENT_BATCH, uplink, source_of(device, product), topic, items, failed)

    def _report(self, uplink: Uplink, device: Identity, topic: str, post: PropertyPost, level: CheckLevel) -> None:
        product = self._product(device)
        if product is None:
            return
        is_filtered = product.filter_by_timestamp or product.filter_by_value
        if not is_filtered and not post.failures and level is not CheckLevel.NONE and _is_as_forwarded(post.values):
            source, now = source_of(device, product), self._clock.now_ms()
            body = bodies.posted(source, uplink.request_id, now, post.params)
            self._forward(Kind.PROPERTY, uplink, source, topic, body, now)
            return
        items, failed = _split(post, uplink.received, level)
        if is_filtered:
            items = self._repeated.deduplicate(
                device.id, items, by_timestamp=product.filter_by_timestamp, by_value=product.filter_by_value
            )
        if items or failed:
            source, now = source_of(device, product), self._clock.now_ms()
            body = bodies.properties(source, uplink.request_id, now, items, _failed(failed))
            self._forward(Kind.PROPERTY, uplink, source, topic, body, now)

    def _event(  # noqa: PLR0917 - of different types
        self,
        kind: Kind,
        uplink: Uplink,
        device: Identity,
        topic: str,
        identifier: str,
        post: EventPost,
        model: CompiledModel,
    ) -> None:
        product = self._product(device)
        value, failure = _outcome(post, model.level)
        if product is None or (not value and failure is None):
            return
        event = model.event(identifier)
        source, now = source_of(device, product), self._clock.now_ms()
        body = bodies.event(
            source,
            uplink.request_id,
            now,
            identifier,
            identifier if event is None else event.definition.name,
            "info" if event is None else event.definition.type.value,
            value or b"{}",
            post.time,
            bodies.NO_FAILURE if failure is None else bodies.failed_value(post.output, failure.code, failure.message),
        )
        self._forward(kind, uplink, source, topic, body, now)

    def _batch(  # noqa: PLR0917 - of different types
        self,
        kind: Kind,
        uplink: Uplink,
        source: Source,
        topic: str,
        items: Iterable[bodies.Reading],
        failed: list[Failed],
    ) -> None:
        payload: dict[str, list[tuple[int, bytes]]] = {}
        for identifier, time, value in items:
            payload.setdefault(identifier, []).append((time, value))
        if payload or failed:
            # One failure for each identifier: the last.
            latest = {failure[0]: failure for failure in failed}.values()
            now = self._clock.now_ms()
            body = bodies.batch(source, uplink.request_id, now, payload, _failed(latest))
            self._forward(kind, uplink, source, topic, body, now)

    # Replies

    def reply(
        self, device: Identity, call: Call, reply: bytes, model: CompiledModel | None, uplink: Uplink | None = None
    ) -> None:
        """Forward the reply to an asynchronous call.

        Args:
            device: that was called.
            call: the call.
            reply: JSON text of the whole reply, an object.
            model: of the product, if it has one; an output that it refuses shows in checkFailedData.
            uplink: the reply as it came; None for the platform's own.
        """
        product = self._product(device)
        topic = _reply_topic(device)
        if product is None or not self.forwarder.wanted(Kind.REPLY, device.product_id, topic):
            return
        said = _decode_reply(reply)
        data, failed = bytes(said.data), bodies.NO_FAILURE
        if data == b"null":
            data = b"{}"
        failure = _output_failure(model, call, data) if model is not None and said.code == SUCCESS else None
        if failure is not None:
            data, failed = b"{}", bodies.failed_value(data, failure.code, failure.message)
        path = "property/set" if call.identifier == SET else call.identifier
        source, now = source_of(device, product), self._clock.now_ms()
        body = bodies.reply(
            source,
            now,
            call.message_id,
            said.code if type(said.code) is int else 0,
            said.message if type(said.message) is str else "",
            f"/sys/{device.product_key}/{device.name}/thing/service/{path}",
            data,
            failed,
        )
        if uplink is None:
            self.forwarder.forward(Kind.REPLY, source, topic, body, generated=now)
        else:
            self._forward(Kind.REPLY, uplink, source, topic, body, now)

    # What they share

    def _product(self, device: Identity) -> Product | None:
        return self._products.cached_id(device.product_id)

    def _forward(  # noqa: PLR0917 - of different types
        self, kind: Kind, uplink: Uplink, source: Source, topic: str, body: bytes, now: int
    ) -> None:
        message_id = self.forwarder.forward(
            kind, source, topic, body, qos=uplink.qos, generated=now, properties=uplink.properties
        )
        if message_id is not None and not uplink.message_id:
            uplink.message_id = message_id


def source_of(device: Identity, product: Product) -> Source:
    """Return whom messages of a device are from."""
    return cast("Device", device).source(product.device_type)


def _is_as_forwarded(values: Mapping[str, Any]) -> bool:
    """Tell whether values that the model takes were posted in the very form in which they are forwarded."""
    for value in values.values():
        if type(value) is not dict or len(value) != 2 or "value" not in value or type(value.get("time")) is not int:
            return False
    return bool(values)


def _split(post: PropertyPost, received: int, level: CheckLevel) -> tuple[list[bodies.Reading], list[Failed]]:
    """Return the values of a post that the model takes, and those that it refuses as far as they are shown."""
    items: list[bodies.Reading] = []
    failed: list[Failed] = []
    failures = post.failures
    for identifier, raw in decode_raw_object(post.params).items():
        value = post.values[identifier]
        text, time = bytes(raw), received
        if type(value) is dict and "value" in value:
            text = bytes(decode_raw_object(raw)["value"])
            said = value.get("time")
            if said is not None and check_time(said, received, identifier) is None:
                time = said
        failure = failures.get(identifier)
        if failure is None:
            items.append((identifier, time, text))
        elif level is not CheckLevel.STRONG:
            failed.append((identifier, time, text, failure.code, failure.message))
    return items, failed


def _outcome(post: EventPost, level: CheckLevel) -> tuple[bytes, Failure | None]:
    """Return the output of an event that is forwarded (empty: nothing), and what is shown as refused."""
    if level is CheckLevel.NONE:
        return post.output, None
    failure = post.refusal or (next(iter(post.failures.values())) if post.failures else None)
    if failure is None:
        return post.verified, None
    # Checked strictly, what fails does not leave the platform.
    return (b"", None) if level is CheckLevel.STRONG else (b"" if post.refusal else post.verified, failure)


def _failed(failed: Collection[Failed]) -> bytes:
    return bodies.failed_properties(failed) if failed else bodies.NO_FAILURE


def _output_failure(model: CompiledModel, call: Call, data: bytes) -> Failure | None:
    """Return why the model refuses the output of a service."""
    service = None if call.identifier == SET else model.service(call.identifier)
    return None if service is None else service.output.check(msgspec.json.decode(data))


def _reply_topic(device: Identity) -> str:
    return f"/{device.product_key}/{device.name}/thing/downlink/reply/message"

"""Posts of many samples at once: what their params say, and whether the thing model knows it."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from thingplane.storage.timeseries import Kind
from thingplane.telemetry.posts import UNREADABLE, EventPost, decode_object, event_point, kept, read_event
from thingplane.things.model.checks import CheckLevel, Failure
from thingplane.things.service import CompiledModel

MAX_PROPERTIES: Final = 200
"""Properties that one device posts at once (device-protocol, 5.6)."""
MAX_EVENTS: Final = 200
"""Events that one device posts at once."""

TOO_MANY_PROPERTIES: Final = Failure(6106, "map size must less than 200")
TOO_MANY_EVENTS: Final = Failure(6356, "event size must less than 200")
MALFORMED: Final = Failure(460, "request parameter error")


class RefusedPostError(Exception):
    """A post that is refused as a whole: nothing of it is stored."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Owner(msgspec.Struct, frozen=True):
    """The device that samples belong to."""

    productKey: str = ""
    deviceName: str = ""


class Samples(msgspec.Struct):
    """Samples of one device."""

    properties: list[dict[str, msgspec.Raw]] = []
    """JSON text of values or value/time pairs by identifier; each dictionary as one post of properties."""
    events: list[tuple[str, msgspec.Raw]] = []
    """Identifiers and JSON texts, each as one post of an event."""


class _Batch(msgspec.Struct):
    properties: dict[str, list[msgspec.Raw]] = {}
    events: dict[str, list[msgspec.Raw]] = {}


class _History(msgspec.Struct):
    identity: Owner | None = None
    properties: list[dict[str, msgspec.Raw]] = []
    events: list[dict[str, msgspec.Raw]] = []


class _Part(msgspec.Struct):
    identity: Owner | None = None
    properties: dict[str, msgspec.Raw] = {}
    events: dict[str, msgspec.Raw] = {}


class _Pack(_Part):
    subDevices: list[_Part] = []


_decode_batch = msgspec.json.Decoder(_Batch).decode
_decode_history = msgspec.json.Decoder(list[_History]).decode
_decode_pack = msgspec.json.Decoder(_Pack).decode


def read_batch(params: bytes) -> Samples:
    """Return the samples of a batch post: lists by identifier (device-protocol, 5.7).

    Raises:
        RefusedPostError: 460.
    """
    batch = _read(_decode_batch, params)
    rounds: list[dict[str, msgspec.Raw]] = []
    for identifier, samples in batch.properties.items():
        for number, sample in enumerate(samples):
            if number == len(rounds):
                rounds.append({})
            rounds[number][identifier] = sample
    return Samples(rounds, [(identifier, event) for identifier, events in batch.events.items() for event in events])


def read_history(params: bytes) -> list[tuple[Owner | None, Samples]]:
    """Return the samples of a history post by their owners (device-protocol, 5.8); None: whoever posts.

    Raises:
        RefusedPostError: 460.
    """
    return [
        (entry.identity, Samples(entry.properties, [event for events in entry.events for event in events.items()]))
        for entry in _read(_decode_history, params)
    ]


def read_pack(params: bytes) -> tuple[Samples, list[tuple[Owner | None, Samples]]]:
    """Return the samples of a pack post (device-protocol, 5.6): of whoever posts, and of sub-devices.

    Raises:
        RefusedPostError: 460.
    """
    pack = _read(_decode_pack, params)
    return _samples(pack), [(part.identity, _samples(part)) for part in pack.subDevices]


class PropertyPost(NamedTuple):
    """A set of properties that was posted together."""

    params: bytes
    """As posted: values or value/time pairs by identifier."""
    values: Mapping[str, Any]
    """The same, decoded."""
    failures: Mapping[str, Failure]
    """Why the model refuses some of them."""


class Checked(msgspec.Struct):
    """What becomes of the samples of one device."""

    points: list[tuple[Kind, bytes]] = []
    """What goes to the history: points of a kind, as ``TimeSeries.append`` takes them."""
    failures: dict[str, Failure] = {}
    """Why samples or parameters of events are left out, by identifier."""
    unverified: list[tuple[bytes, list[str]]] = []
    """Posts of properties, and those of their identifiers that no model has verified."""
    unverified_events: list[tuple[str, bytes, int]] = []
    """Identifier, output and time of events that no model has verified."""
    posts: list[PropertyPost] = []
    """All sets of properties, in order."""
    events: list[tuple[str, EventPost]] = []
    """All events by identifier, in order."""


def check(
    model: CompiledModel, samples: Samples, received: int, *, history: bool = False, max_events: int = MAX_EVENTS
) -> Checked:
    """Check samples against the model of their device's product.

    Args:
        model: the product's.
        samples: as read.
        received: arrival in epoch milliseconds: the time of samples that have none.
        history: whether they were taken in the past and leave the latest values alone.
        max_events: most events.

    Raises:
        RefusedPostError: 6106, 6356, or 460 for an event that is no object.
    """
    if len({identifier for post in samples.properties for identifier in post}) > MAX_PROPERTIES:
        raise RefusedPostError(TOO_MANY_PROPERTIES)
    if len(samples.events) > max_events:
        raise RefusedPostError(TOO_MANY_EVENTS)
    checked = Checked()
    try:
        for post in samples.properties:
            _check_properties(model, msgspec.json.encode(post), received, checked, history=history)
        for identifier, event in samples.events:
            _check_event(model, identifier, bytes(event), received, checked, history=history)
    except UNREADABLE as error:
        raise RefusedPostError(MALFORMED) from error
    return checked


def _check_properties(model: CompiledModel, params: bytes, received: int, checked: Checked, *, history: bool) -> None:
    values = decode_object(params)
    failures = model.properties.check_post(values, received) or {}
    checked.failures.update(failures)
    checked.posts.append(PropertyPost(params, values, failures))
    unverified = list(values if model.level is CheckLevel.NONE else failures)
    if len(unverified) < len(values):
        kind = Kind.PROPERTY_HISTORY if history else Kind.PROPERTY
        checked.points.append((kind, kept(params, values, unverified)))
    if unverified:
        checked.unverified.append((params, unverified))


def _check_event(
    model: CompiledModel, identifier: str, params: bytes, received: int, checked: Checked, *, history: bool
) -> None:
    post = read_event(model, identifier, params, received)
    checked.events.append((identifier, post))
    if post.refusal is not None:
        checked.failures[identifier] = post.refusal
    elif post.failures is not None:
        checked.failures |= {f"{identifier}.{name}": failure for name, failure in post.failures.items()}
    if post.verified:
        kind = Kind.EVENT_HISTORY if history else Kind.EVENT
        checked.points.append((kind, event_point(identifier, post.verified, post.time)))
    if post.verified != post.output:
        checked.unverified_events.append((identifier, post.output, post.time))


def _samples(part: _Part) -> Samples:
    return Samples([part.properties] if part.properties else [], list(part.events.items()))


def _read(decode: Any, params: bytes) -> Any:
    try:
        return decode(params)
    except UNREADABLE as error:
        raise RefusedPostError(MALFORMED) from error

"""Reading what devices post, and what of it goes to the history.

Values keep the JSON text that the device sent: nothing here rounds a number.
"""

from collections.abc import Container
from typing import Any, Final, NamedTuple

import msgspec

from thingplane.things.model.checks import CheckLevel, Failure
from thingplane.things.model.validator import check_time
from thingplane.things.service import CompiledModel

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for text that is not what it should be."""
EVENT_NOT_FOUND: Final = Failure(6320, "event not found")

decode_object = msgspec.json.Decoder(dict[str, Any]).decode
decode_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.encode


class EventPost(NamedTuple):
    """What becomes of one event."""

    refusal: Failure | None
    """Why all of it is refused."""
    failures: dict[str, Failure] | None
    """Why parameters were left out, by their identifiers."""
    verified: bytes
    """JSON text of the output as far as the model knows it; empty: nothing of it, or it is not checked."""
    output: bytes
    """JSON text of the output as it was sent."""
    time: int
    """Epoch milliseconds: as the device says, otherwise when the post arrived."""


def kept(params: bytes, values: dict[str, Any], without: Container[str]) -> bytes:
    """Return the JSON text of a post without some properties, and without extra members of value/time pairs."""
    left: dict[str, Any] = {}
    for identifier, raw in decode_raw_object(params).items():
        if identifier in without:
            continue
        value = values[identifier]
        if type(value) is dict and "value" in value:
            pair = decode_raw_object(raw)
            left[identifier] = {name: pair[name] for name in ("value", "time") if name in pair}
        else:
            left[identifier] = raw
    return _encode(left)


def reasons(failures: dict[str, Failure]) -> bytes:
    """Return the ``data`` of a reply that names what was left out (device-protocol, 5.1)."""
    return _encode({identifier: failure.message for identifier, failure in failures.items()})


def read_event(model: CompiledModel, identifier: str, params: bytes, received: int) -> EventPost:
    """Check one event.

    Args:
        model: of the product.
        identifier: qualified identifier of the event.
        params: JSON text ``{"value": output, "time": ms}``, or of the output itself, as some SDKs send it.
        received: arrival in epoch milliseconds.

    Raises:
        msgspec.DecodeError: the text is no JSON object; also the other ``UNREADABLE``.
    """
    values = decode_object(params)
    wrapped = type(values.get("value")) is dict
    output = values["value"] if wrapped else values
    text = bytes(decode_raw_object(params)["value"]) if wrapped else params
    time = values.get("time") if wrapped else None
    refused = None if time is None else check_time(time, received, identifier)
    at = received if time is None or refused is not None else time
    if model.level is CheckLevel.NONE:
        return EventPost(None, None, b"", text, at)
    event = model.event(identifier)
    if event is None:
        return EventPost(EVENT_NOT_FOUND, None, b"", text, at)
    if refused is not None:
        return EventPost(refused, None, b"", text, at)
    failures = event.output.check_each(output)
    if failures is None:
        return EventPost(None, None, text, text, at)
    if model.level is CheckLevel.STRONG:
        return EventPost(next(iter(failures.values())), None, b"", text, at)
    left = {name: raw for name, raw in decode_raw_object(text).items() if name not in failures}
    return EventPost(None, failures, _encode(left) if left else b"", text, at)


def event_point(identifier: str, output: bytes, time: int) -> bytes:
    """Return an event as it goes to the history."""
    return b'{%b:{"value":%b,"time":%d}}' % (_encode(identifier), output, time)

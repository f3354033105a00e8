"""Reading the points of a message.

A message is a JSON object, identifier → bare value or ``{"value": v, "time": ms}``, as the Alink property post has it.
Values stay JSON text: nothing here rounds a number or reorders an object.
"""

from typing import Any

import msgspec

from thingplane.storage.timeseries.errors import MalformedPointsError

_BRACE = ord("{")
_INT64 = 1 << 63
_LONGEST_IDENTIFIER = 2000
"""Bytes of UTF-8: what fits in an index page of PostgreSQL. No thing model comes near it."""


class _Timed(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    value: msgspec.Raw
    time: Any = None


class _Anything(msgspec.Struct):
    """Decoding to it checks that the text is a JSON object and makes nothing of it."""


_check = msgspec.json.Decoder(_Anything).decode
_decode_values = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_timed = msgspec.json.Decoder(_Timed).decode
_decode_all_timed = msgspec.json.Decoder(dict[str, _Timed]).decode


def explode(points: bytes, received: int) -> list[tuple[str, int, bytes]]:
    """Return (identifier, time in epoch ms, JSON text of the value) for each point of a message.

    Raises:
        MalformedPointsError: ``points`` is not a JSON object, or an identifier holds NUL or is far too long.
    """
    result = []
    for identifier, raw in _values(points).items():
        value, time = bytes(raw), received
        if value[0] == _BRACE:
            try:
                timed = _decode_timed(value)
            except msgspec.ValidationError:
                pass  # an object of the device's own: a bare value
            else:
                value = bytes(timed.value)
                if timed.time is not None:
                    time = _time(timed.time, received)
        result.append((identifier, time, value))
    return result


def bare_values(points: bytes) -> dict[str, msgspec.Raw] | None:
    """Return the JSON text of the values by identifier if all have the time of the message; None asks for ``explode``.

    Raises:
        MalformedPointsError: As for ``explode``.
    """
    return None if points.rfind(b"{") > 0 else _values(points)


def span(points: bytes, received: int) -> tuple[int, int]:
    """Return the earliest and the latest time of a message's points, in epoch ms; checks them on the way.

    Runs for every message, so it looks inside only when a value may be an object or an identifier may be odd.

    Raises:
        MalformedPointsError: As for ``explode``.
    """
    if points.rfind(b"{") > 0:
        return _span_inside(points, received)
    if len(points) <= _LONGEST_IDENTIFIER and points.isascii() and points.find(b"\\") < 0:
        try:
            _check(points)
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedPointsError(f"Points are not a JSON object: {error}") from error
    else:
        _values(points)
    return received, received


def _span_inside(points: bytes, received: int) -> tuple[int, int]:
    try:
        times = [_time(timed.time, received) for timed in _decode_all_timed(points).values()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        times = [time for _, time, _ in explode(points, received)]
    else:
        if b"\\u0000" in points or len(points) > _LONGEST_IDENTIFIER:
            _values(points)
    return min(times, default=received), max(times, default=received)


def _values(points: bytes) -> dict[str, msgspec.Raw]:
    try:
        values = _decode_values(points)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPointsError(f"Points are not a JSON object: {error}") from error
    # PostgreSQL has no NUL in text; what one database refuses the other must not take.
    if b"\\u0000" in points and any("\0" in identifier for identifier in values):
        raise MalformedPointsError("An identifier contains NUL")
    if len(points) > _LONGEST_IDENTIFIER and any(len(name.encode()) > _LONGEST_IDENTIFIER for name in values):
        raise MalformedPointsError(f"An identifier is longer than {_LONGEST_IDENTIFIER} bytes")
    return values


def _time(time: object, received: int) -> int:
    if type(time) is int and -_INT64 <= time < _INT64:
        return time
    return received

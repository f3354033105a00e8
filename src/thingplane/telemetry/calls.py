"""Records of what devices were asked to do: each call of a service with its input and, once it is there, its output.

The history only grows, so a record has two points of the same identifier and millisecond (that of the call): the call
``{"call": id, "message": id, "input": {…}}`` and the reply ``{"call": id, "output": {…}}``. Setting properties is the
service ``set`` that every thing model has (device-protocol, 5.2).
"""

import itertools
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import structlog

from thingplane.alink.requests import IDS
from thingplane.clock import Clock
from thingplane.storage.timeseries import Kind, Point, TimeSeries

SET: Final = "set"
"""Identifier under which the setting of properties is recorded."""
REPLY_WITHIN_MS: Final = 24 * 60 * 60 * 1000
"""How long after a call its reply is still recorded when the platform was restarted in between."""
MAX_PENDING: Final = 100_000
"""Calls remembered in memory; the reply to an older one is matched through the history."""
_MAX_LOOKED_THROUGH: Final = 1000

_log = structlog.get_logger(__name__)


class Call(NamedTuple):
    """One call of a service of one device."""

    device_id: int
    identifier: str
    alink_id: int
    """The id of the request the device sees: 31 bits, because the vendor's SDK for C reads no more than 32, and its
    sample scripts for data parsing read them with a sign."""
    message_id: int
    """The MessageId the caller sees."""
    time: int
    """When it was made, in epoch milliseconds."""


class ServiceRecord(msgspec.Struct):
    """A call as it is answered to queries."""

    identifier: str
    time: int
    input: str
    """JSON text of the parameters."""
    output: str | None
    """JSON text of the device's whole reply; None while there is none."""


class _Half(msgspec.Struct):
    call: str
    message: str = ""
    input: msgspec.Raw = msgspec.Raw(b"")
    output: msgspec.Raw = msgspec.Raw(b"")


_decode_half = msgspec.json.Decoder(_Half).decode


class CallLog:
    """Writes calls and replies to the history. What is written is durable with the next commit."""

    def __init__(self, series: TimeSeries, clock: Clock) -> None:
        """Start with no call pending.

        Args:
            series: the history.
            clock: time of the calls.
        """
        self._series = series
        self._clock = clock
        # The random start keeps replies to calls from before a restart from matching new ones.
        self._ids = itertools.count(secrets.randbelow(IDS))
        self._pending: OrderedDict[tuple[int, int], Call] = OrderedDict()

    def begin(self, device_id: int, identifier: str, message_id: int, params: bytes) -> Call:
        """Record a call.

        Args:
            device_id: who is called.
            identifier: the service; must be one of the model.
            message_id: what the caller of the cloud API knows the call by.
            params: JSON text of the input, an object.
        """
        call = Call(device_id, identifier, next(self._ids) % IDS, message_id, self._clock.now_ms())
        half = b'{"call":"%d","message":"%d","input":%b}' % (call.alink_id, message_id, params)
        self._append(call, half)
        self._pending[device_id, call.alink_id] = call
        if len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)
        return call

    def finish(self, call: Call, reply: bytes) -> None:
        """Record the reply to a call.

        Args:
            call: the call.
            reply: JSON text of the whole reply, an object.
        """
        self._pending.pop((call.device_id, call.alink_id), None)
        self._append(call, b'{"call":"%d","output":%b}' % (call.alink_id, reply))

    def pending(self, device_id: int, alink_id: int) -> Call | None:
        """Return the call that waits for the reply with this id, if it is in memory."""
        return self._pending.get((device_id, alink_id))

    async def find(self, device_id: int, identifier: str | None, alink_id: int) -> Call | None:
        """Return the unanswered call with this id from the history: one made before a restart.

        Args:
            device_id: who was called.
            identifier: the service; None: whichever it was.
            alink_id: the id of the request.
        """
        now = self._clock.now_ms()
        identifiers = None if identifier is None else [identifier]
        points = await self._series.query(
            device_id, Kind.SERVICE, identifiers, now - REPLY_WITHIN_MS, now, _MAX_LOOKED_THROUGH, ascending=False
        )
        wanted = str(alink_id)
        found: Call | None = None
        for point in points:
            half = _decode_half(point.value)
            if half.call == wanted:
                if half.output:
                    return None
                found = Call(device_id, point.identifier, alink_id, int(half.message), point.time)
        return found

    def _append(self, call: Call, half: bytes) -> None:
        points = b"{%b:%b}" % (msgspec.json.encode(call.identifier), half)
        self._series.append(call.device_id, Kind.SERVICE, call.time, points)


def service_records(points: Sequence[Point]) -> list[ServiceRecord]:
    """Make records of the points of one millisecond; a reply that came twice counts once."""
    records: dict[tuple[str, str], ServiceRecord] = {}
    replies: list[tuple[tuple[str, str], str]] = []
    for point in points:
        half = _decode_half(point.value)
        key = (point.identifier, half.call)
        if half.output:
            replies.append((key, bytes(half.output).decode()))
        else:
            records[key] = ServiceRecord(point.identifier, point.time, bytes(half.input).decode(), None)
    for key, output in replies:
        record = records.get(key)
        if record is None:
            _log.error("a reply in the history has no call", identifier=key[0], call=key[1])
        elif record.output is None:
            record.output = output
    return list(records.values())

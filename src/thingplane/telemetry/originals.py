"""What devices sent that no thing model has verified, kept beside the history for the queries of original data.

That is what the model refuses, and everything of products whose data is not checked (ValidateType 2). Names are the
device's own here, so names that no query could ask for are left out.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from thingplane.storage.timeseries import Kind, TimeSeries
from thingplane.telemetry.posts import decode_raw_object, event_point
from thingplane.things.model.validator import check_time

LONGEST_IDENTIFIER: Final = 128
"""Characters of an identifier that can be asked for."""


class Originals:
    """Appends unverified data to the history."""

    def __init__(self, series: TimeSeries) -> None:
        """Take the history."""
        self._series = series

    def properties(self, device_id: int, received: int, params: bytes, identifiers: Iterable[str]) -> None:
        """Append properties of a post; a time that is no time of the past or of the next 24 hours is replaced.

        Args:
            device_id: who sent them.
            received: arrival in epoch milliseconds.
            params: JSON object, as posted.
            identifiers: those of its members that no model has verified.
        """
        sent = decode_raw_object(params)
        points = {name: _point(name, sent[name], received) for name in identifiers if _is_name(name)}
        if points:
            self._series.append(device_id, Kind.PROPERTY_UNVERIFIED, received, msgspec.json.encode(points))

    def event(self, device_id: int, received: int, identifier: str, output: bytes, time: int) -> None:
        """Append an event.

        Args:
            device_id: who sent it.
            received: arrival in epoch milliseconds.
            identifier: its name.
            output: JSON object.
            time: when it happened, in epoch milliseconds.
        """
        if _is_name(identifier):
            self._series.append(device_id, Kind.EVENT_UNVERIFIED, received, event_point(identifier, output, time))


def _is_name(identifier: str) -> bool:
    return 0 < len(identifier) <= LONGEST_IDENTIFIER and "\0" not in identifier


def _point(identifier: str, raw: msgspec.Raw, received: int) -> dict[str, Any]:
    """Return a value with its time; the form leaves no doubt about objects that happen to have these members."""
    if bytes(raw).startswith(b"{"):
        pair = decode_raw_object(raw)
        if "value" in pair:
            time = msgspec.json.decode(pair["time"]) if "time" in pair else None
            if check_time(time, received, identifier) is not None:
                time = received
            return {"value": pair["value"], "time": time}
    return {"value": raw, "time": received}

"""What the queries of original data over a range of time have in common: they go on with a token."""

from typing import Any

from thingplane.devices.addressing import DeviceRequest
from thingplane.telemetry.page_token import Scope, read_token, write_token
from thingplane.telemetry.paging import Page
from thingplane.telemetry.parameters import Ascending, Milliseconds, check_range


class OriginalRequest(DeviceRequest):
    """A query over a range of time; StartTime is the earlier end in either order."""

    Asc: Ascending
    StartTime: Milliseconds
    EndTime: Milliseconds
    NextPageToken: str | None = None


def window_of(req: OriginalRequest, scope: Scope) -> tuple[int, int]:
    """Return the part of the range that is still to be read.

    Raises:
        BusinessError: iot.check.ParameterIsNotLessThanMax, iot.device.PageTokenIsIllegal.
    """
    check_range(req.StartTime, req.EndTime)
    if not req.NextPageToken:
        return req.StartTime, req.EndTime
    following: int = read_token(scope, req.NextPageToken, int)
    if req.Asc == 1:
        return max(req.StartTime, following), req.EndTime
    return req.StartTime, min(req.EndTime, following)


def token_of(page: Page[Any], scope: Scope) -> str | None:
    """Return the token of the page behind this one; None when there is none."""
    return write_token(scope, page.next_time) if page.next_valid else None

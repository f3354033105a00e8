"""QueryDeviceOriginalPropertyData and QueryDeviceOriginalPropertyStatus."""

from typing import Annotated

from thingplane.cloud import Context, Field, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.devices.addressing import DeviceRequest
from thingplane.telemetry.errors import INVALID_IDENTIFIER_IN_PROPERTY
from thingplane.telemetry.operations.original_paging import OriginalRequest, token_of, window_of
from thingplane.telemetry.originals import LONGEST_IDENTIFIER
from thingplane.telemetry.page_token import Scope, read_token, write_token
from thingplane.telemetry.parameters import Ascending, Entries, modelled_device, value_text
from thingplane.telemetry.service import TelemetryService


class QueryDeviceOriginalPropertyDataRequest(OriginalRequest):
    Identifier: Annotated[
        str,
        Field(
            invalid=INVALID_IDENTIFIER_IN_PROPERTY,
            min_length=1,
            max_length=LONGEST_IDENTIFIER,
            doc="As the device sends it.",
        ),
    ]
    PageSize: Annotated[int, Field(minimum=1, maximum=100, invalid=INVALID_PAGE_PARAMS)]


class OriginalValue(Struct):
    Time: str
    Value: str


class OriginalValues(Struct):
    PropertyInfo: list[OriginalValue]


class OriginalPropertyData(Struct):
    List: OriginalValues
    NextValid: bool
    nextPageToken: str | None = None


class QueryDeviceOriginalPropertyDataResponse(Response):
    Data: OriginalPropertyData


@operation(qps=50)
async def QueryDeviceOriginalPropertyData(
    ctx: Context, req: QueryDeviceOriginalPropertyDataRequest
) -> QueryDeviceOriginalPropertyDataResponse:
    device = await modelled_device(ctx, req)
    scope: Scope = ("property", device.id, req.Identifier, req.Asc)
    start, end = window_of(req, scope)
    page = await ctx.service(TelemetryService).original_data.properties(
        device.id, req.Identifier, start, end, req.PageSize, ascending=req.Asc == 1
    )
    values = [OriginalValue(Time=str(point.time), Value=value_text(point)) for point in page.records]
    return QueryDeviceOriginalPropertyDataResponse(
        Data=OriginalPropertyData(
            List=OriginalValues(PropertyInfo=values), NextValid=page.next_valid, nextPageToken=token_of(page, scope)
        )
    )


class QueryDeviceOriginalPropertyStatusRequest(DeviceRequest):
    Asc: Ascending
    PageSize: Entries
    NextPageToken: str | None = None


class OriginalStatus(Struct):
    Identifier: str
    Time: int
    Value: str


class OriginalStatuses(Struct):
    PropertyStatusDataInfo: list[OriginalStatus]


class OriginalStatusData(Struct):
    List: OriginalStatuses
    NextValid: bool
    NextPageToken: str | None = None


class QueryDeviceOriginalPropertyStatusResponse(Response):
    Data: OriginalStatusData


@operation(qps=50)
async def QueryDeviceOriginalPropertyStatus(
    ctx: Context, req: QueryDeviceOriginalPropertyStatusRequest
) -> QueryDeviceOriginalPropertyStatusResponse:
    device = await modelled_device(ctx, req)
    scope: Scope = ("status", device.id, req.Asc)
    telemetry = ctx.service(TelemetryService)
    points = await telemetry.original_data.last_properties(device.id, telemetry.clock.now_ms())
    order = sorted(((point.time, identifier) for identifier, point in points.items()), reverse=req.Asc == 0)
    if req.NextPageToken:
        after: tuple[int, str] = read_token(scope, req.NextPageToken, tuple[int, str])
        order = [place for place in order if (place > after if req.Asc == 1 else place < after)]
    shown = order[: req.PageSize]
    valid = len(order) > len(shown)
    values = [
        OriginalStatus(Identifier=identifier, Time=time, Value=value_text(points[identifier]))
        for time, identifier in shown
    ]
    return QueryDeviceOriginalPropertyStatusResponse(
        Data=OriginalStatusData(
            List=OriginalStatuses(PropertyStatusDataInfo=values),
            NextValid=valid,
            NextPageToken=write_token(scope, shown[-1]) if valid else None,
        )
    )

"""QueryDeviceOriginalEventData."""

from thingplane.cloud import Context, Response, Struct, operation
from thingplane.telemetry.operations.original_paging import OriginalRequest, token_of, window_of
from thingplane.telemetry.page_token import Scope
from thingplane.telemetry.parameters import Entries, FeatureIdentifier, modelled_device
from thingplane.telemetry.service import TelemetryService
from thingplane.things.service import ThingModelService


class QueryDeviceOriginalEventDataRequest(OriginalRequest):
    Identifier: FeatureIdentifier
    PageSize: Entries


class OriginalEvent(Struct):
    Time: str
    Identifier: str
    OutputData: str
    Name: str | None = None
    EventType: str | None = None


class OriginalEvents(Struct):
    EventInfo: list[OriginalEvent]


class OriginalEventData(Struct):
    List: OriginalEvents
    NextValid: bool
    NextPageToken: str | None = None


class QueryDeviceOriginalEventDataResponse(Response):
    Data: OriginalEventData


@operation(qps=50)
async def QueryDeviceOriginalEventData(
    ctx: Context, req: QueryDeviceOriginalEventDataRequest
) -> QueryDeviceOriginalEventDataResponse:
    device = await modelled_device(ctx, req)
    scope: Scope = ("event", device.id, req.Identifier, req.Asc)
    start, end = window_of(req, scope)
    # An event that the model does not have has neither name nor type.
    known = (await ctx.service(ThingModelService).published(device.product_id)).event(req.Identifier)
    page = await ctx.service(TelemetryService).original_data.events(
        device.id, req.Identifier, start, end, req.PageSize, ascending=req.Asc == 1
    )
    events = [
        OriginalEvent(
            Time=str(point.time),
            Identifier=point.identifier,
            OutputData=point.value.decode(),
            Name=None if known is None else known.definition.name,
            EventType=None if known is None else known.definition.type.value,
        )
        for point in page.records
    ]
    return QueryDeviceOriginalEventDataResponse(
        Data=OriginalEventData(
            List=OriginalEvents(EventInfo=events), NextValid=page.next_valid, NextPageToken=token_of(page, scope)
        )
    )

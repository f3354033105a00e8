"""QueryDeviceOriginalServiceData."""

from thingplane.cloud import Context, Response, Struct, operation
from thingplane.telemetry.calls import SET
from thingplane.telemetry.operations.original_paging import OriginalRequest, token_of, window_of
from thingplane.telemetry.page_token import Scope
from thingplane.telemetry.parameters import Entries, FeatureIdentifier, modelled_device
from thingplane.telemetry.service import TelemetryService
from thingplane.things.service import ThingModelService


class QueryDeviceOriginalServiceDataRequest(OriginalRequest):
    Identifier: FeatureIdentifier
    PageSize: Entries


class OriginalCall(Struct):
    Time: str
    Identifier: str
    InputData: str
    OutputData: str | None = None
    Name: str | None = None


class OriginalCalls(Struct):
    ServiceInfo: list[OriginalCall]


class OriginalServiceData(Struct):
    List: OriginalCalls
    NextValid: bool
    NextPageToken: str | None = None


class QueryDeviceOriginalServiceDataResponse(Response):
    Data: OriginalServiceData


@operation(qps=50)
async def QueryDeviceOriginalServiceData(
    ctx: Context, req: QueryDeviceOriginalServiceDataRequest
) -> QueryDeviceOriginalServiceDataResponse:
    device = await modelled_device(ctx, req)
    scope: Scope = ("service", device.id, req.Identifier, req.Asc)
    start, end = window_of(req, scope)
    service = (await ctx.service(ThingModelService).published(device.product_id)).service(req.Identifier)
    name = SET if req.Identifier == SET else None if service is None else service.definition.name
    # The reply of a device is recorded as it came, whatever the model says of it.
    page = await ctx.service(TelemetryService).service_calls(
        device.id, [req.Identifier], start, end, req.PageSize, ascending=req.Asc == 1
    )
    calls = [
        OriginalCall(
            Time=str(call.time),
            Identifier=call.identifier,
            InputData=call.input,
            OutputData=call.output,
            Name=name,
        )
        for call in page.records
    ]
    return QueryDeviceOriginalServiceDataResponse(
        Data=OriginalServiceData(
            List=OriginalCalls(ServiceInfo=calls), NextValid=page.next_valid, NextPageToken=token_of(page, scope)
        )
    )

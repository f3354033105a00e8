"""QueryDeviceServiceData."""

from typing import Annotated

from thingplane.cloud import Context, Field, Response, Struct, operation
from thingplane.devices.addressing import DeviceRequest
from thingplane.telemetry.calls import SET
from thingplane.telemetry.parameters import Ascending, Entries, Milliseconds, check_range, modelled_device
from thingplane.telemetry.service import TelemetryService
from thingplane.things.service import ThingModelService


class QueryDeviceServiceDataRequest(DeviceRequest):
    StartTime: Milliseconds
    EndTime: Milliseconds
    Identifier: Annotated[
        str | None, Field(min_length=1, doc="Absent: all services; set: the settings of properties.")
    ] = None
    Asc: Ascending = 0
    PageSize: Entries = 10


class CallRecord(Struct):
    Time: str
    Identifier: str
    InputData: str
    OutputData: str | None = None
    Name: str | None = None


class CallRecords(Struct):
    ServiceInfo: list[CallRecord]


class ServiceData(Struct):
    List: CallRecords
    NextTime: int
    NextValid: bool


class QueryDeviceServiceDataResponse(Response):
    Data: ServiceData


@operation(qps=500)
async def QueryDeviceServiceData(ctx: Context, req: QueryDeviceServiceDataRequest) -> QueryDeviceServiceDataResponse:
    check_range(req.StartTime, req.EndTime)
    device = await modelled_device(ctx, req)
    modules = (await ctx.service(ThingModelService).published(device.product_id)).modules
    names = {
        module.qualified(service.identifier): service.name for module in modules for service in module.services
    } | {SET: SET}
    page = await ctx.service(TelemetryService).service_calls(
        device.id,
        None if req.Identifier is None else [req.Identifier],
        req.StartTime,
        req.EndTime,
        req.PageSize,
        ascending=req.Asc == 1,
    )
    infos = [
        CallRecord(
            Time=str(call.time),
            Identifier=call.identifier,
            InputData=call.input,
            OutputData=call.output,
            Name=names.get(call.identifier),
        )
        for call in page.records
    ]
    return QueryDeviceServiceDataResponse(
        Data=ServiceData(List=CallRecords(ServiceInfo=infos), NextTime=page.next_time, NextValid=page.next_valid)
    )

"""QueryDeviceEventData."""

from typing import Annotated

from thingplane.cloud import Context, Field, Response, Struct, operation
from thingplane.devices.addressing import DeviceRequest
from thingplane.storage.timeseries import Point
from thingplane.telemetry.parameters import Ascending, Entries, Milliseconds, check_range, modelled_device
from thingplane.telemetry.service import TelemetryService
from thingplane.things.model.compiled import CompiledEvent
from thingplane.things.service import CompiledModel, ThingModelService


class QueryDeviceEventDataRequest(DeviceRequest):
    StartTime: Milliseconds
    EndTime: Milliseconds
    PageSize: Entries = 10
    Identifier: Annotated[str | None, Field(min_length=1, doc="Absent: all events.")] = None
    EventType: Annotated[str | None, Field(choices=("info", "alert", "error"))] = None
    Asc: Ascending = 0


class EventRecord(Struct):
    Time: str
    Identifier: str
    OutputData: str
    Name: str | None = None
    EventType: str | None = None


class EventRecords(Struct):
    EventInfo: list[EventRecord]


class EventData(Struct):
    List: EventRecords
    NextTime: int
    NextValid: bool


class QueryDeviceEventDataResponse(Response):
    Data: EventData


@operation(qps=50)
async def QueryDeviceEventData(ctx: Context, req: QueryDeviceEventDataRequest) -> QueryDeviceEventDataResponse:
    check_range(req.StartTime, req.EndTime)
    device = await modelled_device(ctx, req)
    model = await ctx.service(ThingModelService).published(device.product_id)
    page = await ctx.service(TelemetryService).events(
        device.id,
        _wanted(req, model),
        req.StartTime,
        req.EndTime,
        req.PageSize,
        ascending=req.Asc == 1,
    )
    infos = [_info(point, model.event(point.identifier)) for point in page.records]
    return QueryDeviceEventDataResponse(
        Data=EventData(List=EventRecords(EventInfo=infos), NextTime=page.next_time, NextValid=page.next_valid)
    )


def _wanted(req: QueryDeviceEventDataRequest, model: CompiledModel) -> list[str] | None:
    """Return the identifiers asked for, None for all; types are those of the model in force, not of the past."""
    if req.EventType is None:
        return None if req.Identifier is None else [req.Identifier]
    of_type = [
        module.qualified(event.identifier)
        for module in model.modules
        for event in module.events
        if event.type == req.EventType
    ]
    return [identifier for identifier in of_type if req.Identifier in {None, identifier}]


def _info(point: Point, event: CompiledEvent | None) -> EventRecord:
    """Return one event; one that the model has no longer has neither name nor type."""
    return EventRecord(
        Time=str(point.time),
        Identifier=point.identifier,
        OutputData=point.value.decode(),
        Name=None if event is None else event.definition.name,
        EventType=None if event is None else event.definition.type.value,
    )

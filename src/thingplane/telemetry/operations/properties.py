"""QueryDevicePropertyData and QueryDevicePropertiesData."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.devices.addressing import DeviceRequest
from thingplane.devices.errors import NULL_DEVICE_NAME
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.storage.timeseries import Point
from thingplane.telemetry.errors import INVALID_TIME_BUCKET
from thingplane.telemetry.parameters import (
    Ascending,
    Entries,
    FeatureIdentifier,
    Milliseconds,
    check_range,
    modelled_device,
    value_text,
)
from thingplane.telemetry.service import TelemetryService


class QueryDevicePropertyDataRequest(DeviceRequest):
    Asc: Ascending
    StartTime: Milliseconds
    EndTime: Milliseconds
    Identifier: FeatureIdentifier
    PageSize: Entries


class PropertyValue(Struct):
    Time: str
    Value: str


class PropertyValues(Struct):
    PropertyInfo: list[PropertyValue]


class PropertyData(Struct):
    List: PropertyValues
    NextTime: int
    NextValid: bool


class QueryDevicePropertyDataResponse(Response):
    Data: PropertyData


@operation(qps=50)
async def QueryDevicePropertyData(ctx: Context, req: QueryDevicePropertyDataRequest) -> QueryDevicePropertyDataResponse:
    check_range(req.StartTime, req.EndTime)
    device = await modelled_device(ctx, req)
    page = await ctx.service(TelemetryService).properties(
        device.id, req.Identifier, req.StartTime, req.EndTime, req.PageSize, ascending=req.Asc == 1
    )
    infos = [PropertyValue(Time=str(point.time), Value=value_text(point)) for point in page.records]
    return QueryDevicePropertyDataResponse(
        Data=PropertyData(List=PropertyValues(PropertyInfo=infos), NextTime=page.next_time, NextValid=page.next_valid)
    )


class QueryDevicePropertiesDataRequest(Request):
    Asc: Ascending
    ProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
    DeviceName: Annotated[str, Field(empty=NULL_DEVICE_NAME)]
    IotId: str | None = None
    StartTime: Milliseconds
    EndTime: Milliseconds
    Identifier: Annotated[list[str], Field(min_items=1, max_items=10, unique=True, min_length=1)]
    PageSize: Annotated[int, Field(minimum=1, maximum=100, invalid=INVALID_PAGE_PARAMS, doc="Of each property.")]


class TimedValue(Struct):
    Time: int
    Value: str


class TimedValues(Struct):
    PropertyInfo: list[TimedValue]


class PropertySeries(Struct):
    Identifier: str
    List: TimedValues


class PropertySeriesList(Struct):
    PropertyDataInfo: list[PropertySeries]


class QueryDevicePropertiesDataResponse(Response):
    NextTime: int
    NextValid: bool
    PropertyDataInfos: PropertySeriesList


@operation(qps=10)
async def QueryDevicePropertiesData(
    ctx: Context, req: QueryDevicePropertiesDataRequest
) -> QueryDevicePropertiesDataResponse:
    ascending = req.Asc == 1
    # Reading starts at StartTime and ends at EndTime in either order, unlike in the other operations (guide).
    start, end = (req.StartTime, req.EndTime) if ascending else (req.EndTime, req.StartTime)
    if start > end:
        earlier = "earlier" if ascending else "later"
        raise INVALID_TIME_BUCKET(f"StartTime must be {earlier} than EndTime when Asc is {req.Asc}.")
    device = await modelled_device(
        ctx, DeviceRequest(ProductKey=req.ProductKey, DeviceName=req.DeviceName, IotId=req.IotId)
    )
    pages = await ctx.service(TelemetryService).several_properties(
        device.id, req.Identifier, start, end, req.PageSize, ascending=ascending
    )
    infos = [
        PropertySeries(Identifier=identifier, List=TimedValues(PropertyInfo=_numbered(points)))
        for identifier, points in pages.values.items()
    ]
    return QueryDevicePropertiesDataResponse(
        NextTime=pages.next_time,
        NextValid=pages.next_valid,
        PropertyDataInfos=PropertySeriesList(PropertyDataInfo=infos),
    )


def _numbered(points: list[Point]) -> list[TimedValue]:
    return [TimedValue(Time=point.time, Value=value_text(point)) for point in points]

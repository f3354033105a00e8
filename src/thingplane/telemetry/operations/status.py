"""QueryDevicePropertyStatus."""

from collections.abc import Iterable, Mapping
from typing import Annotated

from thingplane.cloud import Context, Field, Response, Struct, operation
from thingplane.devices.addressing import DeviceRequest
from thingplane.storage.timeseries import Point
from thingplane.telemetry.errors import QUERY_DEVICE_ATTR_STATUS_FAILED
from thingplane.telemetry.parameters import modelled_device, value_text
from thingplane.telemetry.service import TelemetryService
from thingplane.things.model.types import Property, ThingModel
from thingplane.things.service import ThingModelService


class QueryDevicePropertyStatusRequest(DeviceRequest):
    FunctionBlockId: Annotated[str | None, Field(doc="A custom module; absent: the default module.")] = None


class PropertyStatus(Struct):
    Identifier: str
    Name: str
    DataType: str
    Unit: str | None = None
    Value: str | None = None
    Time: str | None = None


class PropertyStatuses(Struct):
    PropertyStatusInfo: list[PropertyStatus]


class PropertyStatusData(Struct):
    List: PropertyStatuses


class QueryDevicePropertyStatusResponse(Response):
    Data: PropertyStatusData


@operation(qps=200)
async def QueryDevicePropertyStatus(
    ctx: Context, req: QueryDevicePropertyStatusRequest
) -> QueryDevicePropertyStatusResponse:
    device = await modelled_device(ctx, req)
    compiled = await ctx.service(ThingModelService).published(device.product_id)
    model = _module(compiled.modules, req.FunctionBlockId or None)
    points = await ctx.service(TelemetryService).last_properties(device.id)
    infos = [_info(prop, model.qualified(prop.identifier), points) for prop in model.properties]
    return QueryDevicePropertyStatusResponse(Data=PropertyStatusData(List=PropertyStatuses(PropertyStatusInfo=infos)))


def _module(modules: Iterable[ThingModel], block_id: str | None) -> ThingModel:
    for module in modules:
        if (None if module.block is None else module.block.id) == block_id:
            return module
    raise QUERY_DEVICE_ATTR_STATUS_FAILED(f"The published thing model has no module {block_id}.")


def _info(prop: Property, identifier: str, points: Mapping[str, Point]) -> PropertyStatus:
    """Return one property; one that was never reported has neither value nor time."""
    point = points.get(identifier)
    return PropertyStatus(
        Identifier=identifier,
        Name=prop.name,
        DataType=str(prop.type.__struct_config__.tag),
        Unit=getattr(prop.type, "unit", None),
        Value=None if point is None else value_text(point),
        Time=None if point is None else str(point.time),
    )

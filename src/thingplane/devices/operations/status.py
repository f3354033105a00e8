"""GetDeviceStatus and BatchGetDeviceState."""

from typing import Annotated

import msgspec

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.cloud.times import gmt
from thingplane.devices import errors
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.devices.service import Device, DeviceService
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.products.service import ProductService


class GetDeviceStatusRequest(DeviceRequest):
    pass


class DeviceStatusSince(Struct):
    Status: str
    Timestamp: int


class GetDeviceStatusResponse(Response):
    Data: DeviceStatusSince


@operation(qps=500)
async def GetDeviceStatus(ctx: Context, req: GetDeviceStatusRequest) -> GetDeviceStatusResponse:
    devices = ctx.service(DeviceService)
    device = await addressed(ctx, req)
    return GetDeviceStatusResponse(
        Data=DeviceStatusSince(Status=devices.status(device), Timestamp=devices.status_since(device))
    )


class BatchGetDeviceStateRequest(Request):
    ProductKey: str | None = None
    DeviceName: Annotated[
        list[str], Field(empty=errors.NULL_DEVICE_NAME, max_items=50, doc="Names without a device are left out.")
    ] = msgspec.field(default_factory=list)
    IotId: Annotated[
        list[str],
        Field(
            invalid=errors.INVALID_IOT_ID,
            pattern="[A-Za-z0-9]{1,64}",
            max_items=50,
            too_many=INVALID_FORMATTED_PARAMETER,
            doc="Outranks ProductKey and DeviceName. IotIds without a device are left out.",
        ),
    ] = msgspec.field(default_factory=list)


class DeviceStatus(Struct):
    IotId: str
    DeviceId: str
    DeviceName: str
    Status: str
    Timestamp: int
    AsAddress: str | None = None
    LastOnlineTime: str | None = None


class DeviceStatuses(Struct):
    DeviceStatus: list[DeviceStatus]


class BatchGetDeviceStateResponse(Response):
    DeviceStatusList: DeviceStatuses


@operation(qps=50)
async def BatchGetDeviceState(ctx: Context, req: BatchGetDeviceStateRequest) -> BatchGetDeviceStateResponse:
    devices = ctx.service(DeviceService)
    return BatchGetDeviceStateResponse(
        DeviceStatusList=DeviceStatuses(
            DeviceStatus=[
                DeviceStatus(
                    IotId=device.iot_id,
                    DeviceId=device.device_id,
                    DeviceName=device.name,
                    Status=devices.status(device),
                    Timestamp=devices.status_since(device),
                    AsAddress=device.ip,
                    LastOnlineTime=gmt(device.online_at),
                )
                for device in await _named(ctx, req)
            ]
        )
    )


async def _named(ctx: Context, req: BatchGetDeviceStateRequest) -> list[Device]:
    devices = ctx.service(DeviceService)
    if req.IotId:
        return await devices.several_by_iot_id(ctx.instance.id, req.IotId)
    if not req.ProductKey:
        raise NULL_PRODUCT_KEY()
    if not req.DeviceName:
        raise errors.NONE_DEVICE_NAME_ELEMENT()
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    return await devices.several(product, req.DeviceName)

"""QueryDeviceInfo, QueryDeviceDetail and BatchQueryDeviceDetail."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.times import gmt, utc
from thingplane.devices import errors
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.devices.service import DeviceService
from thingplane.ota.service import OtaVersionService
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.products.service import ProductService


class QueryDeviceInfoRequest(DeviceRequest):
    pass


class DeviceInfo(Struct):
    IotId: str
    DeviceSecret: str
    ProductKey: str
    DeviceName: str
    Nickname: str | None = None


class QueryDeviceInfoResponse(Response):
    Data: DeviceInfo


@operation(qps=500)
async def QueryDeviceInfo(ctx: Context, req: QueryDeviceInfoRequest) -> QueryDeviceInfoResponse:
    device = await addressed(ctx, req)
    return QueryDeviceInfoResponse(
        Data=DeviceInfo(
            IotId=device.iot_id,
            DeviceSecret=device.secret,
            ProductKey=device.product_key,
            DeviceName=device.name,
            Nickname=device.nickname,
        )
    )


class QueryDeviceDetailRequest(DeviceRequest):
    pass


class DeviceDetail(Struct):
    Owner: bool
    DeviceName: str
    ProductKey: str
    DeviceSecret: str
    IotId: str
    Status: str
    Region: str
    NodeType: int
    ProductName: str
    GmtCreate: str | None
    UtcCreate: str | None
    GmtActive: str | None = None
    UtcActive: str | None = None
    GmtOnline: str | None = None
    UtcOnline: str | None = None
    IpAddress: str | None = None
    FirmwareVersion: str | None = None
    Nickname: str | None = None


class QueryDeviceDetailResponse(Response):
    Data: DeviceDetail


@operation(qps=50)
async def QueryDeviceDetail(ctx: Context, req: QueryDeviceDetailRequest) -> QueryDeviceDetailResponse:
    devices = ctx.service(DeviceService)
    device = await addressed(ctx, req)
    product = await ctx.service(ProductService).get(ctx.instance.id, device.product_key)
    versions = await ctx.service(OtaVersionService).of_default([device.id])
    return QueryDeviceDetailResponse(
        Data=DeviceDetail(
            # An instance belongs to one account: whoever gets this far owns the device.
            Owner=True,
            DeviceName=device.name,
            ProductKey=device.product_key,
            DeviceSecret=device.secret,
            IotId=device.iot_id,
            Status=devices.status(device),
            Region=devices.region,
            NodeType=device.node_type,
            ProductName=product.name,
            GmtCreate=gmt(device.created_at),
            UtcCreate=utc(device.created_at),
            GmtActive=gmt(device.activated_at),
            UtcActive=utc(device.activated_at),
            GmtOnline=gmt(device.online_at),
            UtcOnline=utc(device.online_at),
            IpAddress=device.ip,
            # Of the default module (guide 4.8.6); ListOTAModuleVersionsByDevice tells those of all modules.
            FirmwareVersion=versions.get(device.id),
            Nickname=device.nickname,
        )
    )


class BatchQueryDeviceDetailRequest(Request):
    ProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
    DeviceName: Annotated[
        list[str], Field(empty=errors.NULL_DEVICE_NAME, max_items=100, doc="Names without a device are left out.")
    ]


class BatchDeviceDetail(Struct):
    DeviceName: str
    ProductKey: str
    DeviceSecret: str
    IotId: str
    Status: str
    Region: str
    NodeType: int
    ProductName: str
    GmtCreate: str | None
    UtcCreate: str | None
    GmtActive: str | None = None
    UtcActive: str | None = None
    FirmwareVersion: str | None = None
    Nickname: str | None = None


class BatchDeviceDetails(Struct):
    Data: list[BatchDeviceDetail]


class BatchQueryDeviceDetailResponse(Response):
    Data: BatchDeviceDetails


@operation(qps=5)
async def BatchQueryDeviceDetail(ctx: Context, req: BatchQueryDeviceDetailRequest) -> BatchQueryDeviceDetailResponse:
    devices = ctx.service(DeviceService)
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    found = await devices.several(product, req.DeviceName)
    versions = await ctx.service(OtaVersionService).of_default([device.id for device in found])
    return BatchQueryDeviceDetailResponse(
        Data=BatchDeviceDetails(
            Data=[
                BatchDeviceDetail(
                    DeviceName=device.name,
                    ProductKey=device.product_key,
                    DeviceSecret=device.secret,
                    IotId=device.iot_id,
                    Status=devices.status(device),
                    Region=devices.region,
                    NodeType=device.node_type,
                    ProductName=product.name,
                    GmtCreate=gmt(device.created_at),
                    UtcCreate=utc(device.created_at),
                    GmtActive=gmt(device.activated_at),
                    UtcActive=utc(device.activated_at),
                    FirmwareVersion=versions.get(device.id),
                    Nickname=device.nickname,
                )
                for device in found
            ]
        )
    )

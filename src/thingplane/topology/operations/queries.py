"""GetThingTopo and GetGatewayBySubDevice."""

from typing import Annotated, Final

from thingplane.cloud import Context, Field, Response, Struct, operation
from thingplane.cloud.times import gmt, utc
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.devices.page_token import read_token, write_token
from thingplane.devices.service import DeviceService
from thingplane.ota.service import OtaVersionService
from thingplane.products.service import ProductService
from thingplane.topology.errors import QUERY_TOPO_RELATION_FAILED
from thingplane.topology.service import TopologyService

MAX_REACHED: Final = 10_000
"""Sub-devices that pages reach without a NextToken (guide 4.8.26)."""


class GetThingTopoRequest(DeviceRequest):
    PageSize: Annotated[int, Field(invalid=QUERY_TOPO_RELATION_FAILED, minimum=1, maximum=50)]
    PageNo: Annotated[int, Field(invalid=QUERY_TOPO_RELATION_FAILED, minimum=1)] = 1
    NextToken: Annotated[
        str | None,
        Field(doc="From the previous answer: the page goes on after its last sub-device, whatever PageNo says."),
    ] = None


class ListedSubDevice(Struct):
    DeviceName: str
    IotId: str
    ProductKey: str


class ListedSubDevices(Struct):
    deviceInfo: list[ListedSubDevice]


class ThingTopo(Struct):
    CurrentPage: int
    PageSize: int
    PageCount: int
    Total: int
    NextToken: str
    List: ListedSubDevices


class GetThingTopoResponse(Response):
    Data: ThingTopo


@operation(qps=500)
async def GetThingTopo(ctx: Context, req: GetThingTopoRequest) -> GetThingTopoResponse:
    topology = ctx.service(TopologyService)
    gateway = await addressed(ctx, req)
    size = req.PageSize
    if req.NextToken:
        total, page, end = await topology.page(gateway, size, after=read_token(gateway.id, req.NextToken))
    else:
        if req.PageNo * size > MAX_REACHED:
            raise QUERY_TOPO_RELATION_FAILED(f"PageSize times PageNo above {MAX_REACHED} needs a NextToken.")
        total, page, end = await topology.page(gateway, size, offset=(req.PageNo - 1) * size)
        if req.PageNo > max(-(-total // size), 1):
            raise QUERY_TOPO_RELATION_FAILED(f"PageNo is above the number of pages, {-(-total // size)}.")
    return GetThingTopoResponse(
        Data=ThingTopo(
            CurrentPage=req.PageNo,
            PageSize=size,
            PageCount=-(-total // size),
            Total=total,
            NextToken="" if end is None else write_token(gateway.id, end),
            List=ListedSubDevices(
                deviceInfo=[
                    ListedSubDevice(DeviceName=device.name, IotId=device.iot_id, ProductKey=device.product_key)
                    for device in page
                ]
            ),
        )
    )


class GetGatewayBySubDeviceRequest(DeviceRequest):
    pass


class GatewayDetail(Struct):
    DeviceName: str
    ProductKey: str
    DeviceSecret: str
    iotId: str
    NodeType: str
    ProductName: str
    Status: str
    region: str
    GmtCreate: str | None
    UtcCreate: str | None
    GmtActive: str | None = None
    UtcActive: str | None = None
    GmtOnline: str | None = None
    UtcOnline: str | None = None
    IpAddress: str | None = None
    FirmwareVersion: str | None = None


class GetGatewayBySubDeviceResponse(Response):
    Data: GatewayDetail


@operation(qps=50)
async def GetGatewayBySubDevice(ctx: Context, req: GetGatewayBySubDeviceRequest) -> GetGatewayBySubDeviceResponse:
    devices = ctx.service(DeviceService)
    device = await addressed(ctx, req)
    gateway = await ctx.service(TopologyService).gateway_of(device.id)
    if gateway is None:
        raise QUERY_TOPO_RELATION_FAILED("The device is not attached to a gateway.")
    product = await ctx.service(ProductService).get(ctx.instance.id, gateway.product_key)
    versions = await ctx.service(OtaVersionService).of_default([gateway.id])
    return GetGatewayBySubDeviceResponse(
        Data=GatewayDetail(
            DeviceName=gateway.name,
            ProductKey=gateway.product_key,
            DeviceSecret=gateway.secret,
            iotId=gateway.iot_id,
            NodeType=str(gateway.node_type),
            ProductName=product.name,
            # In lower case here, and only here (guide 4.8.21).
            Status=devices.status(gateway).lower(),
            region=devices.region,
            GmtCreate=gmt(gateway.created_at),
            UtcCreate=utc(gateway.created_at),
            GmtActive=gmt(gateway.activated_at),
            UtcActive=utc(gateway.activated_at),
            GmtOnline=gmt(gateway.online_at),
            UtcOnline=utc(gateway.online_at),
            IpAddress=gateway.ip,
            FirmwareVersion=versions[gateway.id],
        )
    )

"""BatchAddThingTopo and RemoveThingTopo."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.devices.errors import NULL_DEVICE_NAME
from thingplane.devices.service import DeviceService
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.topology import errors
from thingplane.topology.service import GATEWAY, TopologyService, is_signed


class TopoAddItem(Struct):
    ProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
    DeviceName: Annotated[str, Field(empty=NULL_DEVICE_NAME)]
    Sign: Annotated[
        str,
        Field(
            invalid=errors.VERIFY_DEVICE_FAILED,
            min_length=1,
            doc="Signature with the DeviceSecret over name and value of all other fields, sorted by name.",
        ),
    ]
    SignMethod: Annotated[
        str, Field(pattern="(?i:hmacSha1|hmacSha256|hmacMd5|Sha256)", doc="Sha256 is the same as hmacSha256.")
    ]
    Timestamp: Annotated[str | None, Field(min_length=1, max_length=64, doc="Milliseconds; signed if sent.")] = None
    ClientId: Annotated[str | None, Field(min_length=1, max_length=256, doc="Any; signed if sent.")] = None


class BatchAddThingTopoRequest(Request):
    GwProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
    GwDeviceName: Annotated[str, Field(empty=NULL_DEVICE_NAME)]
    TopoAddItem: Annotated[
        list[TopoAddItem],
        Field(min_items=1, max_items=10, too_many=errors.TOPO_RELATION_COUNT_EXCEEDED, doc="All or none are added."),
    ]


class BatchAddThingTopoResponse(Response):
    pass


@operation(qps=10)
async def BatchAddThingTopo(ctx: Context, req: BatchAddThingTopoRequest) -> BatchAddThingTopoResponse:
    devices = ctx.service(DeviceService)
    gateway = await devices.resolve(ctx.instance.id, product_key=req.GwProductKey, name=req.GwDeviceName)
    sub_devices = []
    for item in req.TopoAddItem:
        device = await devices.resolve(ctx.instance.id, product_key=item.ProductKey, name=item.DeviceName)
        if not is_signed(device.secret, item.SignMethod, _signed_fields(item), item.Sign):
            raise errors.VERIFY_DEVICE_FAILED(f"The signature of {device.product_key}/{device.name} is wrong.")
        sub_devices.append(device)
    await ctx.service(TopologyService).add(gateway, sub_devices)
    return BatchAddThingTopoResponse()


def _signed_fields(item: TopoAddItem) -> dict[str, str]:
    fields = {"productKey": item.ProductKey, "deviceName": item.DeviceName}
    if item.ClientId is not None:
        fields["clientId"] = item.ClientId
    if item.Timestamp is not None:
        fields["timestamp"] = item.Timestamp
    return fields


class RemoveThingTopoRequest(DeviceRequest):
    pass


class RemoveThingTopoResponse(Response):
    Data: bool


@operation(qps=500)
async def RemoveThingTopo(ctx: Context, req: RemoveThingTopoRequest) -> RemoveThingTopoResponse:
    topology = ctx.service(TopologyService)
    device = await addressed(ctx, req)
    if device.node_type == GATEWAY:
        removed = await topology.remove_all(device)
    else:
        gateway = await topology.gateway_of(device.id)
        removed = [] if gateway is None else await topology.remove(gateway, [device])
    if not removed:
        raise errors.REMOVE_TOPO_RELATION_FAILED()
    return RemoveThingTopoResponse(Data=True)

"""NotifyAddThingTopo."""

from typing import Annotated

import msgspec

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.devices.service import Device, DeviceService
from thingplane.topology.errors import ADD_TOPO_RELATION_FAILED, TOPO_RELATION_COUNT_EXCEEDED
from thingplane.topology.notices import TopologyNotices
from thingplane.topology.service import GATEWAY, TopologyService


class NotifyAddThingTopoRequest(Request):
    GwIotId: str | None = None
    GwProductKey: str | None = None
    GwDeviceName: str | None = None
    DeviceListStr: Annotated[
        str | None, Field(doc='JSON array of {"productKey": …, "deviceName": …} and {"IotId": …}; needed.')
    ] = None


class NotifiedTopo(Struct):
    MessageId: str


class NotifyAddThingTopoResponse(Response):
    Data: NotifiedTopo


class NamedDevice(msgspec.Struct):
    """An entry of DeviceListStr. Keys of both spellings occur in the guide's samples."""

    product_key: str | None = msgspec.field(default=None, name="productKey")
    device_name: str | None = msgspec.field(default=None, name="deviceName")
    IotId: str | None = None
    iot_id: str | None = msgspec.field(default=None, name="iotId")


@operation(qps=500)
async def NotifyAddThingTopo(ctx: Context, req: NotifyAddThingTopoRequest) -> NotifyAddThingTopoResponse:
    gateway = await ctx.service(DeviceService).resolve(
        ctx.instance.id, product_key=req.GwProductKey, name=req.GwDeviceName, iot_id=req.GwIotId
    )
    if gateway.node_type != GATEWAY:
        raise ADD_TOPO_RELATION_FAILED(f"{gateway.name} is not a device of a gateway product.")
    devices = await _listed(ctx, req.DeviceListStr)
    message_id = await ctx.service(TopologyNotices).ask_to_add(gateway, devices)
    return NotifyAddThingTopoResponse(Data=NotifiedTopo(MessageId=message_id))


async def _listed(ctx: Context, text: str | None) -> list[Device]:
    try:
        named = msgspec.json.decode(text or "", type=list[NamedDevice])
    except (msgspec.DecodeError, RecursionError) as error:
        raise INVALID_FORMATTED_PARAMETER("DeviceListStr is not a JSON array of devices.") from error
    if not named:
        raise INVALID_FORMATTED_PARAMETER("DeviceListStr names no device.")
    most = ctx.service(TopologyService).max_sub_devices
    if len(named) > most:
        raise TOPO_RELATION_COUNT_EXCEEDED(f"A gateway has at most {most} sub-devices.")
    devices = ctx.service(DeviceService)
    return [
        await devices.resolve(
            ctx.instance.id,
            product_key=entry.product_key,
            name=entry.device_name,
            iot_id=entry.IotId or entry.iot_id,
        )
        for entry in named
    ]

"""UpdateDeviceShadow and GetDeviceShadow (guide 4.16)."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, operation
from thingplane.devices.errors import NULL_DEVICE_NAME
from thingplane.devices.service import Device, DeviceService
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.shadows.document import ShadowError
from thingplane.shadows.errors import NULL_SHADOW_MESSAGE, RATE_LIMIT
from thingplane.shadows.messages import document
from thingplane.shadows.service import ShadowService
from thingplane.shadows.shadow_message import read_shadow_message, refusal_code

ProductKeyText = Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
DeviceNameText = Annotated[str, Field(empty=NULL_DEVICE_NAME)]


class UpdateDeviceShadowRequest(Request):
    ProductKey: ProductKeyText
    DeviceName: DeviceNameText
    ShadowMessage: Annotated[
        str, Field(empty=NULL_SHADOW_MESSAGE, doc="JSON text of method (update), state and version; at most 16 KB.")
    ]
    DeltaUpdate: Annotated[bool, Field(doc="Whether state.desired is merged into what is desired, or replaces it.")] = (
        False
    )


class UpdateDeviceShadowResponse(Response):
    pass


@operation(qps=500)
async def UpdateDeviceShadow(ctx: Context, req: UpdateDeviceShadowRequest) -> UpdateDeviceShadowResponse:
    device = await _device(ctx, req.ProductKey, req.DeviceName)
    change = read_shadow_message(req.ShadowMessage, delta=req.DeltaUpdate)
    try:
        await ctx.service(ShadowService).update(device, change)
    except ShadowError as error:
        code = refusal_code(error)
        raise code(f"{code.message} ({error})") from error
    return UpdateDeviceShadowResponse()


class GetDeviceShadowRequest(Request):
    ProductKey: ProductKeyText
    DeviceName: DeviceNameText


class GetDeviceShadowResponse(Response):
    ShadowMessage: str


@operation(qps=500)
async def GetDeviceShadow(ctx: Context, req: GetDeviceShadowRequest) -> GetDeviceShadowResponse:
    device = await _device(ctx, req.ProductKey, req.DeviceName)
    return GetDeviceShadowResponse(ShadowMessage=document(await ctx.service(ShadowService).read(device)))


async def _device(ctx: Context, product_key: str, name: str) -> Device:
    device = await ctx.service(DeviceService).resolve(ctx.instance.id, product_key=product_key, name=name)
    if ctx.service(ShadowService).rate.exceeded(device.id):
        raise RATE_LIMIT()
    return device

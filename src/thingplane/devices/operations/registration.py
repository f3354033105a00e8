"""RegisterDevice and DeleteDevice."""

from typing import Annotated, Final

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.devices import errors
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.devices.service import DeviceService
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.products.service import ProductService

_LORA_PARAMETERS: Final = {
    "ALIYUNDEFINED": ("DevEui", "PinCode"),
    "USERDEFINED": ("DevEui", "JoinEui", "AppKey"),
}


class RegisterDeviceRequest(Request):
    ProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
    DeviceName: Annotated[
        str | None,
        Field(
            empty=errors.NULL_DEVICE_NAME,
            invalid=errors.INVALID_FORMATTED_DEVICE_NAME,
            pattern=r"[A-Za-z0-9_@.:\-]{4,32}",
            doc="Chosen by the platform when it is left out.",
        ),
    ] = None
    Nickname: Annotated[str | None, Field(min_length=4, max_length=64, length="wide", pattern=r"\w*")] = None
    LoraNodeType: Annotated[str | None, Field(choices=tuple(_LORA_PARAMETERS))] = None
    DevEui: Annotated[str | None, Field(doc="LoRaWAN devices only, which this platform does not offer.")] = None
    PinCode: Annotated[str | None, Field(secret=True)] = None
    JoinEui: str | None = None
    AppKey: Annotated[str | None, Field(secret=True)] = None


class RegisteredDevice(Struct):
    ProductKey: str
    DeviceName: str
    DeviceSecret: str
    IotId: str
    Nickname: str


class RegisterDeviceResponse(Response):
    Data: RegisteredDevice


@operation(qps=30)
async def RegisterDevice(ctx: Context, req: RegisterDeviceRequest) -> RegisterDeviceResponse:
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    _refuse_lora(req)
    device = await ctx.service(DeviceService).register(product, req.DeviceName, req.Nickname)
    return RegisterDeviceResponse(
        Data=RegisteredDevice(
            ProductKey=device.product_key,
            DeviceName=device.name,
            DeviceSecret=device.secret,
            IotId=device.iot_id,
            Nickname=device.nickname or "",
        )
    )


def _refuse_lora(req: RegisterDeviceRequest) -> None:
    """A LoRaWAN device is reached through a network server, which the platform does not have."""
    needed = ("DevEui",) if req.LoraNodeType is None else _LORA_PARAMETERS[req.LoraNodeType]
    if req.LoraNodeType is None and not (req.DevEui or req.PinCode or req.JoinEui or req.AppKey):
        return
    for name in needed:
        if not getattr(req, name):
            raise INVALID_FORMATTED_PARAMETER(f"A LoRaWAN device needs {' and '.join(needed)}; {name} is missing.")
    raise errors.CREATE_DEVICE_FAILED("LoRaWAN devices are not offered: the platform has no LoRaWAN network server.")


class DeleteDeviceRequest(DeviceRequest):
    pass


class DeleteDeviceResponse(Response):
    pass


@operation(qps=50)
async def DeleteDevice(ctx: Context, req: DeleteDeviceRequest) -> DeleteDeviceResponse:
    await ctx.service(DeviceService).delete(await addressed(ctx, req))
    return DeleteDeviceResponse()

"""How calls name the device they are about."""

from thingplane.cloud import Context, Request
from thingplane.devices.service import Device, DeviceService


class DeviceRequest(Request):
    """A call about one device: by IotId, or by ProductKey and DeviceName; IotId outranks.

    Which of the three is missing or wrong is told by ``DeviceService.resolve``, so nothing is mandatory here.
    """

    ProductKey: str | None = None
    DeviceName: str | None = None
    IotId: str | None = None


async def addressed(ctx: Context, req: DeviceRequest) -> Device:
    """Return the device of the call's instance that the call names.

    Raises:
        BusinessError: as ``DeviceService.resolve``.
    """
    return await ctx.service(DeviceService).resolve(
        ctx.instance.id, product_key=req.ProductKey, name=req.DeviceName, iot_id=req.IotId
    )

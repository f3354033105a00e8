"""BatchUpdateDeviceNickname."""

import asyncio
from itertools import islice
from typing import Annotated

import msgspec

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.devices import errors
from thingplane.devices.batching import MAX_KEYS
from thingplane.devices.service import Device, DeviceService


class OtherNickname(Struct):
    ProductKey: str | None = None
    DeviceName: str | None = None
    IotId: Annotated[str | None, Field(doc="Outranks ProductKey and DeviceName.")] = None
    Nickname: Annotated[
        str | None,
        Field(
            invalid=errors.INVALID_DEVICE_NICK_NAME_EXISTED,
            min_length=4,
            max_length=32,
            length="wide",
            pattern=r"\w*",
            doc="Without it the nickname is removed.",
        ),
    ] = None


class BatchUpdateDeviceNicknameRequest(Request):
    DeviceNicknameInfo: Annotated[
        list[OtherNickname],
        Field(doc="All or none are changed; of a device that is listed twice the last counts."),
    ] = msgspec.field(default_factory=list)


class BatchUpdateDeviceNicknameResponse(Response):
    pass


@operation(qps=10)
async def BatchUpdateDeviceNickname(
    ctx: Context, req: BatchUpdateDeviceNicknameRequest
) -> BatchUpdateDeviceNicknameResponse:
    if not req.DeviceNicknameInfo:
        raise INVALID_FORMATTED_PARAMETER("DeviceNicknameInfo: at least one device is needed.")
    nicknames: dict[int, str | None] = {}
    entries = iter(req.DeviceNicknameInfo)
    # All at once would hold up the event loop.
    while some := list(islice(entries, MAX_KEYS)):
        found = await asyncio.gather(*(_device(ctx, entry) for entry in some))
        nicknames |= {device.id: entry.Nickname for device, entry in zip(found, some, strict=True)}
    await ctx.service(DeviceService).rename(nicknames)
    return BatchUpdateDeviceNicknameResponse()


async def _device(ctx: Context, entry: OtherNickname) -> Device:
    return await ctx.service(DeviceService).resolve(
        ctx.instance.id, product_key=entry.ProductKey, name=entry.DeviceName, iot_id=entry.IotId
    )

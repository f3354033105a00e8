"""QueryClientIds, TransformClientId and DeleteClientIds."""

from typing import Annotated, Final, TypeAlias

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.devices import errors
from thingplane.devices.service import Device, DeviceService

IotIdParameter: TypeAlias = Annotated[str, Field(invalid=errors.INVALID_IOT_ID, pattern="[A-Za-z0-9]{1,64}")]

# Two of the operations say so (guide 4.8.3, 4.8.4).
_SUCCESS: Final = "Success"


class QueryClientIdsRequest(Request):
    IotId: IotIdParameter


class DynamicRegClientId(Struct):
    ClientId: str
    CreateTime: int


class DeviceClientIds(Struct):
    IotId: str
    DynamicRegClientIds: list[DynamicRegClientId]


class QueryClientIdsResponse(Response):
    Data: DeviceClientIds


@operation(qps=10)
async def QueryClientIds(ctx: Context, req: QueryClientIdsRequest) -> QueryClientIdsResponse:
    device = await _device(ctx, req.IotId)
    known = await ctx.service(DeviceService).client_ids.list(device)
    return QueryClientIdsResponse(
        Data=DeviceClientIds(
            IotId=device.iot_id,
            DynamicRegClientIds=[
                DynamicRegClientId(ClientId=entry.client_id, CreateTime=entry.created_at) for entry in known
            ],
        )
    )


class TransformClientIdRequest(Request):
    IotId: IotIdParameter
    ClientId: Annotated[str, Field(doc="The one that stays; the device's others are barred.")]


class TransformClientIdResponse(Response):
    Code: str


@operation(qps=10)
async def TransformClientId(ctx: Context, req: TransformClientIdRequest) -> TransformClientIdResponse:
    await ctx.service(DeviceService).client_ids.keep(await _device(ctx, req.IotId), req.ClientId)
    return TransformClientIdResponse(Code=_SUCCESS)


class DeleteClientIdsRequest(Request):
    IotId: IotIdParameter


class DeleteClientIdsResponse(Response):
    Code: str


@operation(qps=10)
async def DeleteClientIds(ctx: Context, req: DeleteClientIdsRequest) -> DeleteClientIdsResponse:
    await ctx.service(DeviceService).client_ids.clear(await _device(ctx, req.IotId))
    return DeleteClientIdsResponse(Code=_SUCCESS)


async def _device(ctx: Context, iot_id: str) -> Device:
    return await ctx.service(DeviceService).resolve(ctx.instance.id, iot_id=iot_id)

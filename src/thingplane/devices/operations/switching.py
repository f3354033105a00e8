"""DisableThing, EnableThing and ResetThing."""

from thingplane.cloud import Context, Response, operation
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.devices.service import DeviceService


class DisableThingRequest(DeviceRequest):
    pass


class DisableThingResponse(Response):
    pass


@operation(qps=500)
async def DisableThing(ctx: Context, req: DisableThingRequest) -> DisableThingResponse:
    await ctx.service(DeviceService).disable(await addressed(ctx, req))
    return DisableThingResponse()


class EnableThingRequest(DeviceRequest):
    pass


class EnableThingResponse(Response):
    pass


@operation(qps=500)
async def EnableThing(ctx: Context, req: EnableThingRequest) -> EnableThingResponse:
    await ctx.service(DeviceService).enable(await addressed(ctx, req))
    return EnableThingResponse()


class ResetThingRequest(DeviceRequest):
    pass


class ResetThingResponse(Response):
    pass


@operation(qps=500)
async def ResetThing(ctx: Context, req: ResetThingRequest) -> ResetThingResponse:
    await ctx.service(DeviceService).reset(await addressed(ctx, req))
    return ResetThingResponse()

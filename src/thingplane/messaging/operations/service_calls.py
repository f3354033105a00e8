"""InvokeThingService and InvokeThingsService."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.messaging.errors import INVOKE_THING_SERVICE_FAILED
from thingplane.messaging.parameters import DeviceNames, ProductKeyText, QosLevel
from thingplane.messaging.service import MessagingService

ServiceIdentifier = Annotated[
    str, Field(invalid=INVOKE_THING_SERVICE_FAILED, doc="Services of a custom module are written module:identifier.")
]
ArgsText = Annotated[
    str, Field(invalid=INVOKE_THING_SERVICE_FAILED, doc="JSON object, parameter to value; {} without parameters.")
]


class InvokeThingServiceRequest(DeviceRequest):
    Identifier: ServiceIdentifier
    Args: ArgsText
    Qos: QosLevel = 0


class ServiceResult(Struct):
    MessageId: str
    Result: str | None = None


class InvokeThingServiceResponse(Response):
    Data: ServiceResult


@operation(qps=500)
async def InvokeThingService(ctx: Context, req: InvokeThingServiceRequest) -> InvokeThingServiceResponse:
    device = await addressed(ctx, req)
    message_id, result = await ctx.service(MessagingService).invoke(device, req.Identifier, req.Args, req.Qos)
    return InvokeThingServiceResponse(Data=ServiceResult(MessageId=message_id, Result=result))


class InvokeThingsServiceRequest(Request):
    ProductKey: ProductKeyText
    DeviceName: DeviceNames
    Identifier: ServiceIdentifier
    Args: ArgsText
    Qos: QosLevel = 0


class InvokeThingsServiceResponse(Response):
    pass


@operation(qps=10)
async def InvokeThingsService(ctx: Context, req: InvokeThingsServiceRequest) -> InvokeThingsServiceResponse:
    await ctx.service(MessagingService).invoke_on_all(
        ctx.instance.id, req.ProductKey, req.DeviceName, service=req.Identifier, args=req.Args, qos=req.Qos
    )
    return InvokeThingsServiceResponse()

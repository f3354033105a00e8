"""SetDeviceProperty and SetDevicesProperty."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.messaging.errors import SET_DEVICE_PROPERTY_FAILED
from thingplane.messaging.parameters import DeviceNames, ProductKeyText, QosLevel
from thingplane.messaging.service import MessagingService

ItemsText = Annotated[
    str, Field(invalid=SET_DEVICE_PROPERTY_FAILED, doc="JSON object, identifier to value; at most 200 properties.")
]


class SetDevicePropertyRequest(DeviceRequest):
    Items: ItemsText
    Qos: QosLevel = 0


class SentMessage(Struct):
    MessageId: str


class SetDevicePropertyResponse(Response):
    Data: SentMessage


@operation(qps=500)
async def SetDeviceProperty(ctx: Context, req: SetDevicePropertyRequest) -> SetDevicePropertyResponse:
    device = await addressed(ctx, req)
    message_id = await ctx.service(MessagingService).set_properties(device, req.Items, req.Qos)
    return SetDevicePropertyResponse(Data=SentMessage(MessageId=message_id))


class SetDevicesPropertyRequest(Request):
    ProductKey: ProductKeyText
    DeviceName: DeviceNames
    Items: ItemsText
    Qos: QosLevel = 0


class SetDevicesPropertyResponse(Response):
    pass


@operation(qps=10)
async def SetDevicesProperty(ctx: Context, req: SetDevicesPropertyRequest) -> SetDevicesPropertyResponse:
    await ctx.service(MessagingService).set_properties_of_all(
        ctx.instance.id, req.ProductKey, req.DeviceName, items=req.Items, qos=req.Qos
    )
    return SetDevicesPropertyResponse()

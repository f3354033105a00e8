"""PubBroadcast (guide 4.14.3) and SubscribeTopic."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, operation
from thingplane.devices.service import DeviceService
from thingplane.messaging.broadcasts import BroadcastService
from thingplane.messaging.operations.mqtt5 import MessageContentText
from thingplane.messaging.parameters import DeviceNameText, ProductKeyText, base64_bytes
from thingplane.topics.errors import NULL_TOPIC_NAME


class PubBroadcastRequest(Request):
    ProductKey: ProductKeyText
    MessageContent: MessageContentText
    TopicFullName: Annotated[
        str | None,
        Field(
            empty=NULL_TOPIC_NAME,
            doc="/broadcast/{ProductKey}/…: to the devices that have subscribed it; absent: to all that are online.",
        ),
    ] = None


class PubBroadcastResponse(Response):
    MessageId: int


@operation(qps=1)
async def PubBroadcast(ctx: Context, req: PubBroadcastRequest) -> PubBroadcastResponse:
    broadcasts = ctx.service(BroadcastService)
    payload = base64_bytes(req.MessageContent)
    if req.TopicFullName is None:
        message_id = await broadcasts.to_all(ctx.instance.id, req.ProductKey, payload, ctx.caller.account_id)
    else:
        message_id = await broadcasts.to_subscribers(ctx.instance.id, req.ProductKey, payload, req.TopicFullName)
    return PubBroadcastResponse(MessageId=message_id)


class SubscribeTopicRequest(Request):
    ProductKey: ProductKeyText
    DeviceName: DeviceNameText
    Topic: Annotated[
        list[Annotated[str, Field(min_length=1, invalid=NULL_TOPIC_NAME)]],
        Field(empty=NULL_TOPIC_NAME, min_items=1, max_items=10, doc="Topics of the device that it may subscribe."),
    ]


class SubscribeTopicResponse(Response):
    pass


@operation(qps=10)
async def SubscribeTopic(ctx: Context, req: SubscribeTopicRequest) -> SubscribeTopicResponse:
    device = await ctx.service(DeviceService).resolve(ctx.instance.id, product_key=req.ProductKey, name=req.DeviceName)
    await ctx.service(BroadcastService).subscribe(device, req.Topic)
    return SubscribeTopicResponse()

"""RRpc."""

import base64
from typing import Annotated

from thingplane import ids
from thingplane.cloud import BusinessError, Context, Field, Request, Response, operation
from thingplane.devices.service import DeviceService
from thingplane.messaging import errors
from thingplane.messaging.parameters import DeviceNameText, ProductKeyText, base64_bytes
from thingplane.messaging.service import MessagingService
from thingplane.topics.errors import NULL_TOPIC_NAME

OUTCOMES = {errors.OFFLINE.code: "OFFLINE", errors.TIMEOUT.code: "TIMEOUT", errors.HALFCONN.code: "HALFCONN"}
"""What RrpcCode says beside the code of a failed call."""


class RRpcRequest(Request):
    ProductKey: ProductKeyText
    DeviceName: DeviceNameText
    RequestBase64Byte: Annotated[
        str, Field(base64=True, empty=errors.NULL_MESSAGE_CONTENT, invalid=errors.MESSAGE_CONTENT_IS_NOT_BASE64)
    ]
    Timeout: Annotated[
        int, Field(minimum=1000, maximum=8000, invalid=errors.INVALID_TIMEOUT_VALUE, doc="In milliseconds.")
    ]
    Topic: Annotated[
        str | None, Field(empty=NULL_TOPIC_NAME, doc="A custom topic of the device; absent: the system's own.")
    ] = None
    ContentType: Annotated[str | None, Field(max_length=128, doc="MQTT 5 content type.")] = None


class RRpcResponse(Response):
    RrpcCode: str
    MessageId: int
    PayloadBase64Byte: str | None = None


@operation(qps=1000)
async def RRpc(ctx: Context, req: RRpcRequest) -> RRpcResponse:
    device = await ctx.service(DeviceService).resolve(ctx.instance.id, product_key=req.ProductKey, name=req.DeviceName)
    message_id = ids.message_id()
    request = base64_bytes(req.RequestBase64Byte)
    try:
        answer = await ctx.service(MessagingService).rrpc(
            device, message_id, request, req.Timeout, topic=req.Topic, content_type=req.ContentType
        )
    except BusinessError as error:
        outcome = OUTCOMES.get(error.code)
        if outcome is None:
            raise
        fields = RRpcResponse(RrpcCode=outcome, MessageId=message_id)
        raise BusinessError(error.code, error.message, fields) from error
    return RRpcResponse(RrpcCode="SUCCESS", MessageId=message_id, PayloadBase64Byte=base64.b64encode(answer).decode())

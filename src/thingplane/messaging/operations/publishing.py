"""Pub and BatchPub (guide 4.14.1 and 4.14.2)."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, operation
from thingplane.messaging import errors
from thingplane.messaging.operations.mqtt5 import (
    ContentTypeText,
    CorrelationDataText,
    ExpirySeconds,
    FormatIndicator,
    MessageContentText,
    Retain,
    UserProperties,
    read_properties,
)
from thingplane.messaging.parameters import DeviceNames, ProductKeyText, QosLevel, base64_bytes
from thingplane.messaging.service import CustomMessage, MessagingService
from thingplane.messaging.topics import is_topic
from thingplane.topics.errors import NULL_TOPIC_NAME


class PubRequest(Request):
    ProductKey: ProductKeyText
    TopicFullName: Annotated[str, Field(empty=NULL_TOPIC_NAME, doc="/{ProductKey}/{DeviceName}/user/…")]
    MessageContent: MessageContentText
    Qos: QosLevel = 0
    ResponseTopic: Annotated[str | None, Field(doc="MQTT 5 response topic.")] = None
    CorrelationData: CorrelationDataText = None
    UserProp: UserProperties = []
    ContentType: ContentTypeText = None
    MessageExpiryInterval: ExpirySeconds = None
    PayloadFormatIndicator: FormatIndicator = None
    Retained: Retain = None
    TopicAlias: Annotated[
        int | None, Field(minimum=1, maximum=65535, doc="MQTT 5 topic alias, for clients that accept one.")
    ] = None
    DeviceName: Annotated[str | None, Field(doc="Accepted; the topic names the device.")] = None


class PubResponse(Response):
    MessageId: str


@operation(qps=1600)
async def Pub(ctx: Context, req: PubRequest) -> PubResponse:
    properties = read_properties(req)
    if req.ResponseTopic is not None:
        if not is_topic(req.ResponseTopic):
            raise errors.INVALID_MQTT_RESPONSE_TOPIC()
        properties["response_topic"] = req.ResponseTopic
    if req.TopicAlias is not None:
        properties["topic_alias"] = req.TopicAlias
    message = CustomMessage(
        topic=req.TopicFullName,
        payload=base64_bytes(req.MessageContent),
        qos=req.Qos,
        retain=bool(req.Retained),
        expiry=req.MessageExpiryInterval,
        properties=properties,
    )
    message_id = await ctx.service(MessagingService).publish(ctx.instance.id, req.ProductKey, message)
    return PubResponse(MessageId=message_id)


class BatchPubRequest(Request):
    ProductKey: ProductKeyText
    DeviceName: DeviceNames
    TopicShortName: Annotated[
        str, Field(empty=NULL_TOPIC_NAME, doc="What follows /{ProductKey}/{DeviceName}/user/ in the topic.")
    ]
    MessageContent: MessageContentText
    Qos: QosLevel = 0
    CorrelationData: CorrelationDataText = None
    UserProp: UserProperties = []
    ContentType: ContentTypeText = None
    MessageExpiryInterval: ExpirySeconds = None
    PayloadFormatIndicator: FormatIndicator = None
    Retained: Retain = None
    TopicTemplateName: Annotated[
        str | None,
        Field(
            empty=NULL_TOPIC_NAME,
            doc="Instead of TopicShortName: a whole topic with ${productKey} and ${deviceName} in place of the names.",
        ),
    ] = None
    ResponseTopicTemplateName: Annotated[
        str | None, Field(doc="MQTT 5 response topic, with ${productKey} and ${deviceName} in place of the names.")
    ] = None


class BatchPubResponse(Response):
    pass


@operation(qps=50)
async def BatchPub(ctx: Context, req: BatchPubRequest) -> BatchPubResponse:
    message = CustomMessage(
        topic=req.TopicTemplateName or f"/${{productKey}}/${{deviceName}}/user/{req.TopicShortName}",
        payload=base64_bytes(req.MessageContent),
        qos=req.Qos,
        retain=bool(req.Retained),
        expiry=req.MessageExpiryInterval,
        properties=read_properties(req),
    )
    await ctx.service(MessagingService).publish_to_all(
        ctx.instance.id, req.ProductKey, req.DeviceName, message, response_topic=req.ResponseTopicTemplateName
    )
    return BatchPubResponse()

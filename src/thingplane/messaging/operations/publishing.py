"""Pub."""

from typing import Annotated, Any

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.messaging import errors
from thingplane.messaging.parameters import ProductKeyText, QosLevel, base64_bytes
from thingplane.messaging.service import CustomMessage, MessagingService
from thingplane.messaging.topics import is_topic
from thingplane.topics.errors import NULL_TOPIC_NAME

MAX_USER_PROPERTIES = 20
MAX_USER_PROPERTY_CHARACTERS = 8192


class UserProperty(Struct):
    Key: Annotated[str | None, Field(invalid=errors.INVALID_USER_PROPERTY)] = None
    Value: Annotated[str | None, Field(invalid=errors.INVALID_USER_PROPERTY)] = None


class PubRequest(Request):
    ProductKey: ProductKeyText
    TopicFullName: Annotated[str, Field(empty=NULL_TOPIC_NAME, doc="/{ProductKey}/{DeviceName}/user/…")]
    MessageContent: Annotated[
        str, Field(base64=True, empty=errors.NULL_MESSAGE_CONTENT, invalid=errors.MESSAGE_CONTENT_IS_NOT_BASE64)
    ]
    Qos: QosLevel = 0
    ResponseTopic: Annotated[str | None, Field(doc="MQTT 5 response topic.")] = None
    CorrelationData: Annotated[
        str | None,
        Field(
            base64=True,
            empty=errors.NULL_CORRELATION_DATA,
            invalid=errors.CORRELATION_DATA_NOT_BASE64,
            doc="MQTT 5 correlation data; at most 128 characters of Base64.",
        ),
    ] = None
    UserProp: Annotated[
        list[UserProperty],
        Field(max_items=MAX_USER_PROPERTIES, too_many=errors.TOO_MANY_USER_PROPERTIES, doc="MQTT 5 user properties."),
    ] = []
    ContentType: Annotated[str | None, Field(max_length=128, doc="MQTT 5 content type.")] = None
    MessageExpiryInterval: Annotated[
        int | None, Field(minimum=0, maximum=2**32 - 1, doc="MQTT 5 message expiry interval in seconds.")
    ] = None
    PayloadFormatIndicator: Annotated[
        int | None, Field(choices=(0, 1), doc="MQTT 5 payload format indicator: 1 for UTF-8 text.")
    ] = None
    Retained: Annotated[bool | None, Field(doc="The retain bit of the publish.")] = None
    TopicAlias: Annotated[
        int | None, Field(minimum=1, maximum=65535, doc="MQTT 5 topic alias, for clients that accept one.")
    ] = None
    DeviceName: Annotated[str | None, Field(doc="Accepted; the topic names the device.")] = None


class PubResponse(Response):
    MessageId: str


@operation(qps=1600)
async def Pub(ctx: Context, req: PubRequest) -> PubResponse:
    message = CustomMessage(
        topic=req.TopicFullName,
        payload=base64_bytes(req.MessageContent),
        qos=req.Qos,
        retain=bool(req.Retained),
        expiry=req.MessageExpiryInterval,
        properties=_properties(req),
    )
    message_id = await ctx.service(MessagingService).publish(ctx.instance.id, req.ProductKey, message)
    return PubResponse(MessageId=message_id)


def _properties(req: PubRequest) -> dict[str, object]:
    """Return the MQTT 5 properties of a publish, checked as documented."""
    properties: dict[str, Any] = {}
    if req.ResponseTopic is not None:
        if not is_topic(req.ResponseTopic):
            raise errors.INVALID_MQTT_RESPONSE_TOPIC()
        properties["response_topic"] = req.ResponseTopic
    if req.CorrelationData is not None:
        if len(req.CorrelationData) > 128:
            raise errors.CORRELATION_DATA_EXCEED_MAX_LENGTH()
        properties["correlation_data"] = base64_bytes(req.CorrelationData)
    if req.UserProp:
        properties["user"] = _user_properties(req.UserProp)
    if req.ContentType is not None:
        properties["content_type"] = req.ContentType
    if req.PayloadFormatIndicator is not None:
        properties["payload_format"] = req.PayloadFormatIndicator
    if req.TopicAlias is not None:
        properties["topic_alias"] = req.TopicAlias
    return properties


def _user_properties(given: list[UserProperty]) -> list[tuple[str, str]]:
    pairs = []
    for entry in given:
        if not entry.Key or entry.Value is None:
            raise errors.INVALID_USER_PROPERTY()
        pairs.append((entry.Key, entry.Value))
    if sum(len(key) + len(value) for key, value in pairs) > MAX_USER_PROPERTY_CHARACTERS:
        raise errors.USER_PROPERTY_LIST_EXCEED_MAX_LENGTH()
    return pairs

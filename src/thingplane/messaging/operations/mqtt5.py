"""MQTT 5 properties of messages that back ends publish."""

from typing import Annotated, Any, Protocol

from thingplane.cloud import Field, Struct
from thingplane.messaging import errors
from thingplane.messaging.parameters import base64_bytes

MAX_USER_PROPERTIES = 20
MAX_USER_PROPERTY_CHARACTERS = 8192
MAX_CORRELATION_CHARACTERS = 128


class UserProperty(Struct):
    Key: Annotated[str | None, Field(invalid=errors.INVALID_USER_PROPERTY)] = None
    Value: Annotated[str | None, Field(invalid=errors.INVALID_USER_PROPERTY)] = None


MessageContentText = Annotated[
    str, Field(base64=True, empty=errors.NULL_MESSAGE_CONTENT, invalid=errors.MESSAGE_CONTENT_IS_NOT_BASE64)
]
CorrelationDataText = Annotated[
    str | None,
    Field(
        base64=True,
        empty=errors.NULL_CORRELATION_DATA,
        invalid=errors.CORRELATION_DATA_NOT_BASE64,
        doc="MQTT 5 correlation data; at most 128 characters of Base64.",
    ),
]
UserProperties = Annotated[
    list[UserProperty],
    Field(max_items=MAX_USER_PROPERTIES, too_many=errors.TOO_MANY_USER_PROPERTIES, doc="MQTT 5 user properties."),
]
ContentTypeText = Annotated[str | None, Field(max_length=128, pattern=r"[^\0]*", doc="MQTT 5 content type.")]
ExpirySeconds = Annotated[
    int | None, Field(minimum=0, maximum=2**32 - 1, doc="MQTT 5 message expiry interval in seconds.")
]
FormatIndicator = Annotated[int | None, Field(choices=(0, 1), doc="MQTT 5 payload format indicator: 1 for UTF-8 text.")]
Retain = Annotated[bool | None, Field(doc="The retain bit of the publish.")]


class WithProperties(Protocol):
    """A request that carries them."""

    CorrelationData: str | None
    UserProp: list[UserProperty]
    ContentType: str | None
    PayloadFormatIndicator: int | None


def read_properties(req: WithProperties) -> dict[str, Any]:
    """Return the MQTT 5 properties of a request, named as in ``bus.DownlinkMessage``, checked as documented.

    Raises:
        BusinessError: iot.messagebroker.CorrelationDataExceedMaxLength, iot.messagebroker.InvalidUserProperty,
            iot.messagebroker.UserPropertyListExceedMaxLength.
    """
    properties: dict[str, Any] = {}
    if req.CorrelationData is not None:
        if len(req.CorrelationData) > MAX_CORRELATION_CHARACTERS:
            raise errors.CORRELATION_DATA_EXCEED_MAX_LENGTH()
        properties["correlation_data"] = base64_bytes(req.CorrelationData)
    if req.UserProp:
        properties["user"] = _user_properties(req.UserProp)
    if req.ContentType is not None:
        properties["content_type"] = req.ContentType
    if req.PayloadFormatIndicator is not None:
        properties["payload_format"] = req.PayloadFormatIndicator
    return properties


def _user_properties(given: list[UserProperty]) -> list[tuple[str, str]]:
    pairs = []
    for entry in given:
        # A null character would make the client drop the connection (MQTT 5.0, 1.5.4).
        if not entry.Key or entry.Value is None or "\0" in entry.Key + entry.Value:
            raise errors.INVALID_USER_PROPERTY()
        pairs.append((entry.Key, entry.Value))
    if sum(len(key) + len(value) for key, value in pairs) > MAX_USER_PROPERTY_CHARACTERS:
        raise errors.USER_PROPERTY_LIST_EXCEED_MAX_LENGTH()
    return pairs

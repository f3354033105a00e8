"""Codes of Alink replies and of the platform's log (device-protocol reference, 3.2)."""

from enum import IntEnum


class Code(IntEnum):
    """Codes that more than one slice uses; those of one slice's messages stand beside its handlers."""

    SUCCESS = 200
    ERROR = 400
    TOO_MANY_REQUESTS = 429
    PARAMETER_ERROR = 460
    SYSTEM_ERROR = 500
    PRODUCT_NOT_FOUND = 6250
    DEVICE_NOT_FOUND = 6100
    TOO_MANY_PROPERTIES = 6106
    TOPIC_PARSE_ERROR = 6203
    DEVICE_DISABLED = 6204
    NOT_JSON = 6207
    METHOD_MISSING = 6300
    NOT_DEFINED = 6831
    """Log only: topic or method that Alink does not define."""
    TOPIC_NOT_PERMITTED = 9236
    """Log only: publish or subscribe without permission."""


MESSAGES: dict[int, str] = {
    Code.SUCCESS: "success",
    Code.ERROR: "request error",
    Code.TOO_MANY_REQUESTS: "too many requests",
    Code.PARAMETER_ERROR: "request parameter error",
    Code.SYSTEM_ERROR: "system error",
    Code.PRODUCT_NOT_FOUND: "product not found",
    Code.DEVICE_NOT_FOUND: "device not found",
    Code.TOO_MANY_PROPERTIES: "map size must less than 200",
    Code.TOPIC_PARSE_ERROR: "topic parse error",
    Code.DEVICE_DISABLED: "device disabled",
    Code.NOT_JSON: "data is not json",
    Code.METHOD_MISSING: "method missing",
    Code.NOT_DEFINED: "topic or method not defined",
    Code.TOPIC_NOT_PERMITTED: "topic permission denied",
}
"""What replies with these codes say."""

"""Documented error codes of device shadows (guide: error codes, messages and device shadows)."""

from thingplane.cloud import ErrorCode

DESIRE_INFO_IS_NOT_JSON = ErrorCode(
    "iot.messagebroker.DesireInfoInShadowMessageIsNotJson", "The desired part of the shadow is not a JSON object."
)
DESIRE_VALUE_IS_NULL = ErrorCode(
    "iot.messagebroker.DesireValueIsNullInShadowMessage", "The desired part of the shadow is empty."
)
ELEMENT_IS_NULL_IN_DESIRE = ErrorCode(
    "iot.messagebroker.ElementKeyOrValueIsNullInDesire", "The desired part has an empty name or the value null."
)
ELEMENT_IS_NULL_IN_REPORT = ErrorCode(
    "iot.messagebroker.ElementKeyOrValueIsNullInReport", "The reported part has an empty name or the value null."
)
INVALID_VERSION_VALUE = ErrorCode(
    "iot.messagebroker.InvalidVersionValueInShadowMessage", "The version of the shadow is not valid."
)
METHOD_VALUE_IS_NOT_UPDATE = ErrorCode(
    "iot.messagebroker.MethodValueIsNotUpdate", "The method of the shadow must be update."
)
NONE_ELEMENT_IN_DESIRE = ErrorCode(
    "iot.messagebroker.NoneElementInDesire", "The desired part of the shadow holds no attribute."
)
NONE_ELEMENT_IN_REPORT = ErrorCode(
    "iot.messagebroker.NoneElementInReport", "The reported part of the shadow holds no attribute."
)
NOT_FOUND_DESIRE = ErrorCode(
    "iot.messagebroker.NotFoundDesireInShadowMessage", "The state of the shadow has no desired part."
)
NOT_FOUND_METHOD = ErrorCode("iot.messagebroker.NotFoundMethodInShadowMessage", "The shadow has no method.")
NOT_FOUND_STATE = ErrorCode("iot.messagebroker.NotFoundStateInShadowMessage", "The shadow has no state.")
NOT_FOUND_VERSION = ErrorCode("iot.messagebroker.NotFoundVersionOrNullVersionValue", "The shadow has no version.")
NULL_SHADOW_MESSAGE = ErrorCode("iot.messagebroker.NullShadowMessage", "The text of the shadow is missing.")
RATE_LIMIT = ErrorCode("iot.messagebroker.RateLimit", "The shadow of this device is used too often.")
REPORT_IS_NOT_JSON = ErrorCode(
    "iot.messagebroker.ReportInShadowMessageIsNotJson", "The reported part of the shadow is not a JSON object."
)
SHADOW_MESSAGE_IS_NOT_JSON = ErrorCode(
    "iot.messagebroker.ShadowMessageIsNotJson", "The text of the shadow is not a JSON object."
)
SHADOW_MESSAGE_LENGTH_IS_LARGE = ErrorCode(
    "iot.messagebroker.ShadowMessageLengthIsLarge", "A shadow has at most 16 KB."
)
TOO_MANY_ELEMENT_IN_DESIRE = ErrorCode(
    "iot.messagebroker.TooManyElementInDesire", "The desired part of a shadow has at most 128 attributes."
)
TOO_MANY_ELEMENT_IN_REPORT = ErrorCode(
    "iot.messagebroker.TooManyElementInReport", "The reported part of a shadow has at most 128 attributes."
)
UPDATE_DEVICE_SHADOW_MESSAGE_FAILED = ErrorCode(
    "iot.messagebroker.UpdateDeviceShadowMessageFailed", "The shadow cannot be changed."
)

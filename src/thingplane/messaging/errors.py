"""Documented error codes of sending to devices (guide: error codes, device-related and messages)."""

from thingplane.cloud import ErrorCode

INACTIVE_DEVICE = ErrorCode("iot.device.InactiveDevice", "The device has never connected.")
INVOKE_THING_SERVICE_FAILED = ErrorCode("iot.device.InvokeThingServiceFailed", "The service cannot be called.")
NONE_DEVICE_PROPERTIES = ErrorCode(
    "iot.device.NoneDeviceProperties", "Items names no property of the product's published thing model."
)
SET_DEVICE_PROPERTY_FAILED = ErrorCode("iot.device.SetDevicePropertyFailed", "The properties cannot be set.")
TOO_MANY_DEVICE_PROPERTIES = ErrorCode(
    "iot.device.TooManyDevicePropertiesPerTime", "At most 200 properties can be set at once."
)

CORRELATION_DATA_EXCEED_MAX_LENGTH = ErrorCode(
    "iot.messagebroker.CorrelationDataExceedMaxLength", "CorrelationData is longer than 128 characters."
)
CORRELATION_DATA_NOT_BASE64 = ErrorCode(
    "iot.messagebroker.CorrelationDataNotBase64Encode", "CorrelationData is not Base64."
)
HALFCONN = ErrorCode("iot.messagebroker.HALFCONN", "The device lost its connection before it answered.")
INVALID_MQTT_RESPONSE_TOPIC = ErrorCode(
    "iot.messagebroker.InvalidMqttResponseTopic",
    "ResponseTopic must be a topic of at most 128 bytes and 7 slashes, without wildcards.",
)
INVALID_TIMEOUT_VALUE = ErrorCode("iot.messagebroker.InvalidTimeoutValue", "Timeout must be 1000 to 8000 milliseconds.")
INVALID_USER_PROPERTY = ErrorCode("iot.messagebroker.InvalidUserProperty", "A user property needs a key and a value.")
MESSAGE_CONTENT_IS_NOT_BASE64 = ErrorCode(
    "iot.messagebroker.MessageContentIsNotBase64Encode", "The message content is not Base64."
)
NULL_CORRELATION_DATA = ErrorCode("iot.messagebroker.NullCorrelationData", "CorrelationData is empty.")
NULL_MESSAGE_CONTENT = ErrorCode("iot.messagebroker.NullMessageContent", "The message content is missing.")
OFFLINE = ErrorCode("iot.messagebroker.OFFLINE", "The device is offline.")
PUBLISH_MESSAGE_FAILED = ErrorCode("iot.messagebroker.PublishMessageFailed", "The message cannot be sent.")
RATE_LIMIT = ErrorCode("iot.messagebroker.RateLimit", "There are too many messages in a short time.")
RRPC_FAILED = ErrorCode("iot.messagebroker.RrpcFailed", "The request cannot be sent to the device.")
TIMEOUT = ErrorCode("iot.messagebroker.TIMEOUT", "The device did not answer in time.")
TOO_MANY_USER_PROPERTIES = ErrorCode(
    "iot.messagebroker.TooManyUserProperties", "A message has at most 20 user properties."
)
USER_PROPERTY_LIST_EXCEED_MAX_LENGTH = ErrorCode(
    "iot.messagebroker.UserPropertyListExceedMaxLength",
    "The keys and values of all user properties together have at most 8192 characters.",
)

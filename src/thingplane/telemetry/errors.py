"""Documented error codes of reading what devices reported (guide: error codes, common and device-related)."""

from thingplane.cloud import ErrorCode

INVALID_IDENTIFIER_IN_PROPERTY = ErrorCode(
    "iot.tsl.InvalidIdentifierInPropertyError", "No property can have this identifier."
)
INVALID_TIME_BUCKET = ErrorCode("iot.device.InvalidTimeBucket", "The time range is not valid.")
PARAMETER_IS_NOT_LESS_THAN_MAX = ErrorCode(
    "iot.check.ParameterIsNotLessThanMax", "StartTime must not be later than EndTime."
)
QUERY_DEVICE_ATTR_STATUS_FAILED = ErrorCode(
    "iot.device.QueryDeviceAttrStatusFailed", "The properties of the device cannot be read."
)

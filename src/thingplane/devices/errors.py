"""Documented error codes of devices (guide: error codes, device-related)."""

from thingplane.cloud import ErrorCode

ALREADY_EXISTED_DEVICE_NAME = ErrorCode(
    "iot.device.AlreadyExistedDeviceName", "Another device of the product has this DeviceName."
)
CREATE_DEVICE_FAILED = ErrorCode("iot.device.CreateDeviceFailed", "The device cannot be created.")
INVALID_FORMATTED_DEVICE_NAME = ErrorCode(
    "iot.device.InvalidFormattedDeviceName",
    "A DeviceName has 4 to 32 letters, digits and characters of '-', '_', '@', '.' and ':'.",
)
INVALID_IOT_ID = ErrorCode("iot.device.InvalidIoTId", "The IotId is malformed.")
NONE_DEVICE_NAME_ELEMENT = ErrorCode("iot.device.NoneDeviceNameElement", "The list of DeviceNames is empty.")
NOT_EXISTED_DEVICE = ErrorCode("iot.device.NotExistedDevice", "The device does not exist.")
NULL_DEVICE_NAME = ErrorCode("iot.device.NullDeviceName", "A DeviceName is needed beside the ProductKey.")
PAGE_TOKEN_IS_ILLEGAL = ErrorCode("iot.device.PageTokenIsIllegal", "The NextToken is not one of this list.")

"""Documented error codes of devices (guide: error codes, device-related)."""

from thingplane.cloud import ErrorCode

ALREADY_EXISTED_DEVICE_NAME = ErrorCode(
    "iot.device.AlreadyExistedDeviceName", "Another device of the product has this DeviceName."
)
APPLY_MANY_DEVICES_FAILED = ErrorCode(
    "iot.device.ApplyManyDevicesFailed", "The devices of this application cannot be created."
)
CREATE_DEVICE_FAILED = ErrorCode("iot.device.CreateDeviceFailed", "The device cannot be created.")
CREATE_DEVICE_TASK_IS_RUNNING = ErrorCode(
    "iot.device.CreateDeviceTaskIsRunning", "The devices of this application are being created."
)
DEVICE_APPLY_IS_NOT_FOUND = ErrorCode(
    "iot.device.DeviceApplyIsNotFound", "The instance has no application with this ApplyId."
)
DEVICE_COUNT_EXCEEDED = ErrorCode(
    "iot.device.DeviceCountExceeded", "So many devices cannot be created with one application."
)
INCORRENT_DEVICE_APPLY_INFO = ErrorCode(
    "iot.device.IncorrentDeviceApplyInfo", "The application with this ApplyId is for devices of another product."
)
INVALID_DEVICE_NICK_NAME_EXISTED = ErrorCode(
    "iot.device.InvalidDeviceNickNameExisted", "There is a malformed nickname in the list."
)
INVALID_FORMATTED_APPLY_ID = ErrorCode("iot.device.InvalidFormattedApplyId", "The ApplyId is malformed.")
INVALID_FORMATTED_DEVICE_NAME = ErrorCode(
    "iot.device.InvalidFormattedDeviceName",
    "A DeviceName has 4 to 32 letters, digits and characters of '-', '_', '@', '.' and ':'.",
)
INVALID_FORMATTED_DEVICE_PROPERTIES_STRING = ErrorCode(
    "iot.device.InvalidFormattedDevicePropertiesString",
    "Tags are a JSON object with keys of tags and their values: 1 to 128 printable characters each.",
)
INVALID_FORMATTED_DEVICE_PROPERTY_KEY = ErrorCode(
    "iot.device.InvalidFormattedDevicePropertyKey",
    "The key of a tag has 1 to 64 letters, digits and characters of '_-.#@%&*'.",
)
INVALID_IOT_ID = ErrorCode("iot.device.InvalidIoTId", "The IotId is malformed.")
LONG_DEVICE_PROPERTIES_STRING = ErrorCode(
    "iot.device.LongDevicePropertiesString", "The tags of one call have at most 5 KB."
)
NONE_DEVICE_NAME_ELEMENT = ErrorCode("iot.device.NoneDeviceNameElement", "The list of DeviceNames is empty.")
NONE_DEVICE_PROPERTIES = ErrorCode("iot.device.NoneDeviceProperties", "At least one tag is needed.")
HAS_DISTRIBUTED = ErrorCode(
    "iot.device.DeviceHasDistributed", "The product has a device with this DeviceName in another instance."
)
NOT_EXISTED_DEVICE = ErrorCode("iot.device.NotExistedDevice", "The device does not exist.")
NULL_APPLY_ID = ErrorCode("iot.device.NullApplyId", "The ApplyId is missing.")
NULL_DEVICE_NAME = ErrorCode("iot.device.NullDeviceName", "A DeviceName is needed beside the ProductKey.")
NULL_DEVICE_PROPERTIES_STRING = ErrorCode("iot.device.NullDevicePropertiesString", "The tags are missing.")
NULL_DEVICE_PROPERTY_KEY = ErrorCode("iot.device.NullDevicePropertyKey", "The key of the tag is missing.")
PAGE_TOKEN_IS_ILLEGAL = ErrorCode("iot.device.PageTokenIsIllegal", "The NextToken is not one of this list.")
SAVE_OR_UPDATE_DEVICE_PROPERTIES_FAILED = ErrorCode(
    "iot.device.SaveOrUpdateDevicePropertiesFailed", "The device would have too many tags."
)
TOO_MANY_DEVICE_PROPERTIES_PER_TIME = ErrorCode(
    "iot.device.TooManyDevicePropertiesPerTime", "There are too many tags in one call."
)
VERIFY_DEVICE_FAILED = ErrorCode(
    "iot.device.VerifyDeviceFailed", "The device cannot register itself under this client id."
)

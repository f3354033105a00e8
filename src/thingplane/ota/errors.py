"""Documented error codes of OTA (guide: error codes)."""

from thingplane.cloud import ErrorCode

# Packages.
ALREADY_EXISTED_FIRMWARE_NAME = ErrorCode(
    "iot.firmware.AlreadyExistedFirmwareName", "The instance has a package with this name already."
)
ALREADY_EXISTED_FIRMWARE_VERSION = ErrorCode(
    "iot.firmware.AlreadyExistedFirmwareVersion", "The product has such a package of this version already."
)
BLANK_FIRMWARE_NAME = ErrorCode("iot.firmware.BlankFirmwareName", "The package name is empty.")
INCORRECT_FORMATTED_FIRMWARE_NAME = ErrorCode(
    "iot.firmware.IncorrectFormattedFirmwareName",
    "A package name has 1 to 40 letters, digits, hyphens, underscores and parentheses, and begins with a letter or"
    " digit.",
)
INCORRECT_FORMATTED_FIRMWARE_VERSION = ErrorCode(
    "iot.firmware.IncorrectFormattedFirmwareVersion",
    "A version has 1 to 64 letters, digits, periods, hyphens and underscores.",
)
INCORRECT_FORMATTED_MODULE_NAME = ErrorCode(
    "iot.firmware.IncorrectFormattedModuleName",
    "A module name has 1 to 64 letters, digits, periods, hyphens and underscores.",
)
INCORRECT_FORMATTED_SRC_VERSION = ErrorCode(
    "iot.firmware.IncorrectFormattedSrcVersion",
    "A source version has 1 to 64 letters, digits, periods, hyphens and underscores.",
)
NULL_FIRMWARE_VERSION = ErrorCode("iot.firmware.NullFirmwareVersion", "The package version is missing.")
NULL_FIRMWARE_URL = ErrorCode("iot.firmware.NullFirmwareUrl", "The package has neither a file nor several.")
NULL_FIRMWARE_ID = ErrorCode("iot.firmware.NullFirmwareId", "The package ID is missing.")
MALFORMED_FIRMWARE_URL = ErrorCode("iot.firmware.MalformedFirmwareUrl", "The URL is not one that this node gave out.")
INVALID_FIRMWARE_URL = ErrorCode(
    "iot.firmware.InvalidFirmwareUrl", "Nothing was uploaded under this URL, or it was deleted already."
)
EMPTY_FIRMWARE_FILE = ErrorCode("iot.firmware.EmptyFirmwareFile", "The file is empty.")
INVALID_FIRMWARE_SIGN = ErrorCode(
    "iot.firmware.InvalidFirmwareSign", "The digest is not that of the file that was uploaded."
)
INVALID_FIRMWARE_SIGN_METHOD = ErrorCode(
    "iot.firmware.InvalidFirmwareSignMethod", "The sign method is neither MD5 nor SHA256."
)
INVALID_FIRMWARE_SIZE = ErrorCode("iot.firmware.InvalidFirmwareSize", "The size is not that of the uploaded file.")
INVALID_FIRMWARE_TYPE = ErrorCode(
    "iot.firmware.InvalidFirmwareType", "The type is neither 0 (full) nor 1 (difference)."
)
FIRMWARE_DESCRIPTION_EXCEED_MAX_LENGTH = ErrorCode(
    "iot.firmware.FirmwareDescriptionExceedMaxLength", "The package description has more than 100 characters."
)
FIRMWARE_COUNT_EXCEED_MAX = ErrorCode(
    "iot.firmware.FirmwareCountExceedMax", "The instance has as many packages as it may."
)
FIRMWARE_NOT_FOUND = ErrorCode("iot.firmware.FirmwareNotFound", "The instance has no package with this ID.")
FIRMWARE_NOT_VERIFIED = ErrorCode("iot.firmware.FirmwareNotVerified", "The package is not verified yet.")
FIRMWARE_AND_PRODUCT_KEY_MISMATCH = ErrorCode(
    "iot.firmware.FirmwareAndProductKeyMismatch", "The package belongs to another product."
)
DELETE_FIRMWARE_FAILURE = ErrorCode(
    "iot.firmware.DeleteFirmwareFailure", "The package has batches that are not finished. Cancel them first."
)
SRC_VERSION_IS_MANDATORY = ErrorCode(
    "iot.firmware.SrcVersionIsMandatory", "A package of differences needs the version that it starts from."
)
SRC_DEST_VERSION_MATCHED = ErrorCode(
    "iot.firmware.SrcDestVersionMatched", "Source and target version must not be the same."
)
PACKAGE_FILE_AMOUNT_EXCEED = ErrorCode("iot.ota.PackageFileAmountExceed", "A package has at most 20 files.")
PACKAGE_FILE_PARAM_CONFLICT = ErrorCode(
    "iot.ota.PackageFileParamConflict", "A package is described by one file or by MultiFiles, not by both."
)
PACKAGE_FILE_NAME_DUPLICATED = ErrorCode("iot.ota.PackageFileNameDuplicated", "Two files have the same name.")
PACKAGE_FILE_URL_DUPLICATED = ErrorCode("iot.ota.PackageFileUrlDuplicated", "Two files have the same URL.")
PACKAGE_FILE_SIGN_DUPLICATED = ErrorCode("iot.ota.PackageFileSignDuplicated", "Two files have the same digest.")
INVALID_GENERATE_UPLOAD_URL_PARAM = ErrorCode(
    "iot.firmware.InvalidGenerateOTAUploadURLParam",
    "The file suffix is none of bin, dav, apk, tar, gz, tar.gz, zip and gzip.",
)

# Modules.
CREATE_MODULE_PARAM_ERROR = ErrorCode("iot.ota.CreateOTAModuleParamError", "A parameter of the module is malformed.")
CREATE_MODULE_EXCEED_LIMIT = ErrorCode(
    "iot.ota.CreateOTAModuleExceedLimit", "The product has as many custom modules as it may."
)
CREATE_MODULE_NAME_EXIST = ErrorCode("iot.ota.CreateOTAModuleNameExist", "The product has a module with this name.")
UPDATE_MODULE_PARAM_ERROR = ErrorCode("iot.ota.UpdateOTAModuleParamError", "A parameter of the module is malformed.")
DELETE_MODULE_PARAM_ERROR = ErrorCode("iot.ota.DeleteOTAModuleParamError", "A parameter of the module is malformed.")
DELETE_MODULE_PACKAGE_EXIST = ErrorCode(
    "iot.ota.DeleteOTAModulePackageExist", "The module still has packages. Delete them first."
)
DELETE_DEFAULT_MODULE = ErrorCode("iot.ota.DeleteOtaDefaultModule", "The default module cannot be deleted.")
MODULE_NOT_EXIST = ErrorCode("iot.ota.OTAModuleNotExist", "The product has no module with this name.")

# Batches.
NULL_JOB_ID = ErrorCode("iot.firmware.NullOTAJobId", "The batch ID is missing.")
INVALID_JOB_ID = ErrorCode("iot.firmware.InvalidOTAJobId", "The instance has no batch with this ID.")
UNKNOWN_JOB = ErrorCode("iot.ota.InvalidJobId", "The instance has no batch with this ID.")
VERIFY_NO_NEED = ErrorCode("iot.firmware.VerifyFirmwareNoNeed", "The package needs no verification, or not any more.")
IN_PROGRESS_VERIFY_JOB_EXISTED = ErrorCode(
    "iot.firmware.InProgressVerifyJobExisted", "The package is being verified already."
)
IN_PROGRESS_DYNAMIC_JOB_EXISTED = ErrorCode(
    "iot.firmware.InProgressDynamicJobExisted", "The package has a running dynamic batch already."
)
NULL_TARGET_DEVICE_NAMES = ErrorCode("iot.firmware.NullTargetDeviceNames", "The devices to update are missing.")
TARGET_DEVICE_NAMES_NOT_ALLOWED = ErrorCode(
    "iot.firmware.TargetDeviceNamesNotAllowed", "Devices are named only for TargetSelection SPECIFIC, in one way."
)
PARAMETER_SIZE_EXCEED_MAX = ErrorCode("iot.firmware.ParameterSizeExceedMax", "A list has too many entries.")
NULL_TARGET_SELECTION = ErrorCode("iot.firmware.NullTargetSelection", "The target selection is missing.")
INVALID_TARGET_SELECTION = ErrorCode(
    "iot.firmware.InvalidTargetSelection", "The target selection is none of ALL, SPECIFIC, GRAY and GROUP."
)
NULL_GRAY_PERCENT = ErrorCode("iot.firmware.NullGrayPercent", "The percentage of the phased update is missing.")
BADLY_FORMATTED_GRAY_PERCENT = ErrorCode(
    "iot.firmware.BadlyFormattedGrayPercent", "The percentage is a number with at most three decimals."
)
INVALID_GRAY_PERCENT = ErrorCode(
    "iot.firmware.InvalidGrayPercent", "The percentage is above 0 and at most 100, and makes at least one device."
)
GRAY_APPLIES_TO_STATIC_ONLY = ErrorCode(
    "iot.firmware.GrayAppliesToStaticOnly", "GrayPercent goes with TargetSelection GRAY."
)
NO_DEVICE_CAN_UPGRADE = ErrorCode("iot.firmware.NoDeviceCanUpgrade", "No device is left to update.")
DEVICE_WITH_DESTINATION_VERSION = ErrorCode(
    "iot.firmware.DeviceWithDestinationVersionInArray", "A listed device runs the target version already."
)
NON_VERSIONED_DEVICE = ErrorCode(
    "iot.firmware.NonVersionedDeviceInArray", "A listed device has reported no version of the module."
)
SRC_VERSION_MISMATCH = ErrorCode(
    "iot.firmware.SrcVersionMismatch",
    "A listed device runs another version than the package starts from.",
)
UPGRADE_SRC_VERSION_MISMATCH = ErrorCode(
    "iot.firmware.UpgradeSrcVersionMismatch", "The source version is not the one that the package starts from."
)
MORE_THAN_ONE_SRC_VERSION = ErrorCode(
    "iot.firmware.MoreThanOneSrcVersion", "A package of differences starts from one version only."
)
NULL_SRC_VERSIONS = ErrorCode("iot.firmware.NullSrcVersions", "The source versions are missing.")
SRC_VERSIONS_SIZE_EXCEED_MAX = ErrorCode("iot.firmware.SrcVersionsSizeExceedMax", "At most 10 source versions.")
SRC_VERSIONS_NOT_ALLOWED = ErrorCode(
    "iot.firmware.SrcVersionsNotAllowed", "Source versions go with TargetSelection ALL or GRAY only."
)
FIRE_TIME_MUST_LARGE_THAN_CURRENT_TIME = ErrorCode(
    "iot.firmware.FireTimeMustLargeThanCurrentTime", "The planned start must lie in the future."
)
FIRE_TIME_TOO_SHORT = ErrorCode("iot.firmware.FireTimeTooShort", "The planned start is less than five minutes ahead.")
FIRE_TIME_TOO_LATE = ErrorCode("iot.firmware.FireTimeTooLate", "The planned start is more than seven days ahead.")
FINISH_WITHOUT_START = ErrorCode(
    "iot.firmware.ScheduleFinishTimeWithoutStartTime", "A planned end needs a planned start."
)
FINISH_BEFORE_START = ErrorCode(
    "iot.firmware.ScheduleFinishTimeEarlierThanStartTime", "The planned end lies before the planned start."
)
FINISH_TOO_EARLY = ErrorCode(
    "iot.firmware.ScheduleFinishTimeTooEarly", "The planned end is less than one hour after the planned start."
)
FINISH_TOO_LATE = ErrorCode(
    "iot.firmware.ScheduleFinishTimeTooLate", "The planned end is more than 30 days after the planned start."
)
INVALID_RETRY_INTERVAL = ErrorCode(
    "iot.firmware.InvalidRetryInterval",
    "The retry interval is none of 0, 10, 30, 60 and 1440 minutes, or not below the timeout.",
)
INVALID_RETRY_COUNT = ErrorCode(
    "iot.firmware.InvalidRetryCount", "The number of retries is 1, 2 or 5, and goes with a retry interval."
)
INVALID_TIMEOUT_SETTING = ErrorCode("iot.firmware.InvalidTimeoutSetting", "The timeout is 1 to 1440 minutes.")
INVALID_MAXIMUM_PER_MINUTE = ErrorCode("iot.firmware.InvalidMaximumPerMinute", "The push rate is out of range.")
INVALID_OVERWRITE_MODE = ErrorCode("iot.firmware.InvalidOverwriteMode", "The overwrite mode is neither 1 nor 2.")
INVALID_DYNAMIC_MODE = ErrorCode("iot.firmware.InvalidDynamicMode", "The dynamic mode is neither 1 nor 2.")
OVERWRITE_AND_MULTI_MODULE_CONFLICT = ErrorCode(
    "iot.ota.OverWriteAndMultiModuleConflict", "OverwriteMode 2 and MultiModuleMode exclude each other."
)
DOWNLOAD_PROTOCOL_INVALID = ErrorCode(
    "iot.ota.DownloadProtocolInvalid", "The download protocol is neither HTTPS nor MQTT."
)
DOWNLOAD_PROTOCOL_MQTT_NOT_SUITABLE = ErrorCode(
    "iot.ota.DownloadProtocolMqttNotSuitable", "Only a single file of at most 16 MB is downloaded by MQTT."
)
GROUP_TYPE_INVALID = ErrorCode("iot.ota.GroupTypeInvalid", "The group type of a static batch is LINK_PLATFORM.")
GROUP_NOT_EXIST = ErrorCode("iot.ota.GroupNotExist", "The instance has no group with this ID.")
DYNAMIC_GROUP_FORBIDDEN = ErrorCode(
    "iot.ota.dynamicGroupForbiddenInDefaultInstance", "Dynamic groups, and batches for them, are not offered."
)
UPGRADE_DEVICE_COUNT_EXCEED_LIMIT = ErrorCode(
    "iot.ota.UpgradeDeviceCountExceedLimit", "The file lists more devices than one batch may have."
)
DEVICE_NOT_EXIST = ErrorCode("iot.ota.DeviceNotExist", "The product has no device with this name.")
TAG_KEY_INVALID = ErrorCode(
    "iot.firmware.JobTagKeyInvalid", "The key of a batch tag has 1 to 30 letters, digits and periods."
)
TAG_VALUE_INVALID = ErrorCode("iot.firmware.JobTagValueInvalid", "The value of a batch tag has 1 to 1024 characters.")
TAG_TOO_LONG = ErrorCode("iot.firmware.JobTagIsTooLong", "The tags have more than 4096 characters together.")
TAG_TOO_MANY = ErrorCode("iot.firmware.JobTagTooMany", "A batch has at most ten tags.")
TAG_KEY_DUPLICATED = ErrorCode("iot.ota.tag.KeyDuplicated", "Two tags have the same key.")
NOT_DYNAMIC_JOB = ErrorCode("iot.firmware.NotDynamicJob", "The batch is not a dynamic one.")
JOB_ALREADY_CANCELED = ErrorCode("iot.firmware.JobAlreadyCanceled", "The batch is cancelled already.")
JOB_HAS_NO_SCHEDULE_TIME = ErrorCode(
    "iot.firmware.JobHasNoScheduleTime", "The batch is not one that waits for its planned start."
)
CANCEL_OPTION_IS_MANDATORY = ErrorCode(
    "iot.firmware.CancelOptionIsMandatory", "At least one kind of tasks to cancel is needed."
)

# Tasks.
INVALID_TASK_STATUS = ErrorCode("iot.firmware.InvalidTaskStatus", "There is no such task status, or not here.")
INCORRECT_TASK_STATUS = ErrorCode(
    "iot.firmware.IncorrectDeviceUpgradeJobStatus", "The tasks have begun, and cannot be cancelled by device any more."
)
DEVICE_UPGRADE_RECORD_NOT_FOUND = ErrorCode(
    "iot.firmware.DeviceUpgradeRecordNotFound", "None of the devices has a task that could be cancelled."
)
TOO_MANY_TASKS = ErrorCode("iot.ota.TooManyOtaTask", "At most ten tasks in one call.")
TASK_ID_IS_NULL = ErrorCode("iot.ota.TaskIdIsNull", "The task IDs are missing.")
INVALID_TASK_ID = ErrorCode("iot.ota.InvalidTaskId", "The instance has no task with this ID.")
CONFIRM_NOT_ALLOWED_NOW = ErrorCode(
    "iot.ota.ConfirmNotAllowedNow", "The task does not wait to be confirmed, or it is not the planned time."
)
EMPTY_DEVICE_INFO_PARAMS = ErrorCode("iot.ota.EmptyDeviceInfoParams", "The device is not named.")
INVALID_MODULE_NAME = ErrorCode("iot.ota.InvalidOtaModuleName", "The module name is malformed.")
INVALID_TASK_EXIST = ErrorCode("iot.ota.InvalidTaskExist", "A task is neither failed nor cancelled.")
UNMATCHED_JOB = ErrorCode("iot.ota.UnmatchedJob", "A task belongs to another batch.")
JOB_CANCELED = ErrorCode("iot.ota.JobCanceled", "The batch is cancelled.")
REUPGRADE_NOT_VERIFIED = ErrorCode("iot.ota.FirmwareNotVerified", "The package is not verified.")
DEVICE_NOT_REUPGRADED = ErrorCode(
    "iot.ota.DeviceNotReUpgraded", "None of the devices can be updated again: another task of theirs is not finished."
)

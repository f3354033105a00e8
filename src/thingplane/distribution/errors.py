"""Documented error codes of distribution."""

from thingplane.cloud import ErrorCode

DEVICE_IS_IN_ANOTHER_TASK = ErrorCode(
    "iot.provisioning.DeviceIsInAnotherTask", "A task that has not finished distributes this device already."
)
ERROR_STRATEGY = ErrorCode("iot.provisioning.ErrorStrategy", "Strategy is 0 (one instance) or 1 (the nearest one).")
INSTANCE_ID_SAME = ErrorCode("iot.system.InstanceIdSame", "The source and the target are the same instance.")
INSTANCE_REGION_CONFLICT = ErrorCode(
    "iot.provisioning.InstanceRegionConflict",
    "All instances of this node are in one region, of which one instance can be named.",
)
LIMIT_EXCEEDED = ErrorCode("iot.provisioning.LimitExceeded", "A task distributes at most 10000 devices.")
NEXT_TOKEN_NOT_NULL = ErrorCode(
    "iot.provisioning.NextTokenNotNull", "Beyond the first 10000 entries, a list goes on with its NextToken only."
)
NOT_CROSS_TENANT_ID = ErrorCode(
    "iot.provisioning.NotCrossTenantId", "Products and devices are distributed within the account only."
)
NOT_DEVICE_OWNER = ErrorCode(
    "iot.provisioning.NotDeviceOwner",
    "The product was distributed to this instance itself: distribute it from where it comes from.",
)
PRODUCT_IS_DISTRIBUTING = ErrorCode(
    "iot.provisioning.ProductIsDistributing", "The product is being distributed to this instance already."
)
RUNNING_TASK_EXCEED_LIMIT = ErrorCode(
    "iot.provisioning.RunningTaskExcceedLimit",
    "Ten tasks have not finished yet.",  # spelled as documented
)
SOURCE_INSTANCE_NOT_FOUND = ErrorCode(
    "iot.provisioning.SourceInstanceNotFound", "No instance has the SourceInstanceId."
)
TARGET_ACCOUNT_PARAMS_ERROR = ErrorCode(
    "iot.provisioning.TargetAccountParamsError", "TargetUid and TargetAliyunId are different accounts."
)
TARGET_INSTANCE_NOT_FOUND = ErrorCode(
    "iot.provisioning.TargetInstanceNotFound", "No instance has the TargetInstanceId."
)
TASK_IS_PROCESSING = ErrorCode("iot.provisioning.TaskIsProcessing", "The task has not finished yet.")
TASK_NOT_EXIST = ErrorCode("iot.provisioning.TaskNotExist", "There is no task with this JobId.")
TASK_NOT_FINISH = ErrorCode("iot.provisioning.TaskNotFinish", "The task has no result yet.")

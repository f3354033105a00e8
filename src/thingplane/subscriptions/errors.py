"""Documented error codes of server-side subscription (guide: error codes that start with iot.consumer.group)."""

from thingplane.cloud import ErrorCode

CALLBACK_TYPE_EMPTY = ErrorCode(
    "iot.consumer.group.CallbackTypeEmpty", "At least one flag that has an effect must be true."
)
CHANGE_DEFAULT_CONSUMER_GROUP_NOT_ALLOWED = ErrorCode(
    "iot.consumer.group.ChangeDefaultConsumerGroupNotAllowed", "The default consumer group cannot be changed."
)
CONSUMER_GROUP_EXCEEDS_LIMIT = ErrorCode(
    "iot.consumer.group.ConsumerGroupExceedsLimit", "A product has as many consumer groups as it may have."
)
CONSUMER_GROUP_EXCEED_LIMIT = ErrorCode(
    "iot.consumer.group.ConsumerGroupExceedLimit", "There are as many consumer groups as there may be."
)
CONSUMER_GROUP_NAME_EXISTED = ErrorCode(
    "iot.consumer.group.ConsumerGroupNameExisted", "The instance has a consumer group with this name already."
)
CONSUMER_GROUP_NOT_EXIST = ErrorCode(
    "iot.consumer.group.ConsumerGroupNotExist", "The instance has no consumer group with this ID."
)
DELETE_CONSUMER_GROUP_FAILED = ErrorCode(
    "iot.consumer.group.DeleteConsumerGroupFailed",
    "The consumer group is part of subscriptions. Take it out of them first.",
)
INVALID_CONSUMER_GROUP_NAME = ErrorCode(
    "iot.consumer.group.InvalidConsumerGroupName",
    "A consumer group name has 4 to 30 letters, digits, underscores and inner spaces.",
)
INVALID_CONSUMER_GROUP_ID = ErrorCode(
    "iot.consumer.group.InvalidConsumerGroupId", "The consumer group ID is malformed."
)
INVALID_CONSUMER_GROUP = ErrorCode(
    "iot.consumer.group.InvalidConsumerGroup", "An AMQP subscription has at least one consumer group."
)
INVALID_SUBSCRIBE_TYPE = ErrorCode("iot.consumer.group.InvalidSubscribeType", "Type is AMQP or MNS.")
MNS_CHECK_FAILED = ErrorCode("iot.consumer.group.MnsCheckFailed", "The MNS queue cannot be used.")
PRODUCT_KEY_EXCEEDS_LIMIT = ErrorCode(
    "iot.consumer.group.ProductKeyExceedsLimit", "The consumer group subscribes to as many products as it may."
)
SUBSCRIBE_NOT_EXIST = ErrorCode("iot.consumer.group.SubscribeNotExist", "The product has no subscription of this type.")

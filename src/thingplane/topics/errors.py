"""Documented error codes of topic categories (guide: error codes that start with iot.messagebroker)."""

from thingplane.cloud import ErrorCode

NULL_TOPIC_NAME = ErrorCode("iot.messagebroker.NullTopicName", "The topic is missing.")
INVALID_FORMATTED_TOPIC_NAME = ErrorCode("iot.messagebroker.InvalidFormattedTopicName", "The topic is malformed.")
NULL_TOPIC_TEMPLATE_ID = ErrorCode("iot.messagebroker.NullTopicTemplateId", "The id of the topic category is missing.")
INVALID_FORMATTED_TOPIC_TEMPLATE_ID = ErrorCode(
    "iot.messagebroker.InvalidFormattedTopicTemplateId", "The id of the topic category is not a decimal number."
)
NULL_TOPIC_TEMPLATE_OPERATION = ErrorCode(
    "iot.messagebroker.NullTopicTemplateOperation", "The permission of the topic category is missing."
)
INVALID_TOPIC_TEMPLATE_OPERATION_VALUE = ErrorCode(
    "iot.messagebroker.InvalidTopicTemplateOperationValue", "The permission is neither SUB nor PUB nor ALL."
)
TOPIC_ALREADY_FOUND = ErrorCode(
    "iot.messagebroker.TopicAlreadyFound", "The product has a topic category with this name already."
)
TOPIC_TEMPLATE_COUNT_EXCEED_MAX = ErrorCode(
    "iot.messagebroker.TopicTemplateCountExceedMax", "The product has as many topic categories as it may."
)
TOPIC_TEMPLATE_IS_NOT_FOUND = ErrorCode(
    "iot.messagebroker.TopicTemplateIsNotFound", "The instance has no topic category with this id."
)

NULL_SRC_TOPIC_NAME = ErrorCode("iot.messagebroker.NullSrcTopicName", "The source topic is missing.")
INVALID_FORMATTED_SRC_TOPIC_NAME = ErrorCode(
    "iot.messagebroker.InvalidFormattedSrcTopicName",
    "The source topic is not of the form /{ProductKey}/{DeviceName}/user/… without wildcards.",
)
NOT_MATCHED_PRODUCT_KEY_WITH_SRC_TOPIC_OWNER = ErrorCode(
    "iot.messagebroker.NotMatchedProductKeyWithSrcTopicOwner",
    "The instance has no product with the key in the source topic.",
)
NONE_ELEMENT_DEST_TOPIC_NAME_IN_ARRAY = ErrorCode(
    "iot.messagebroker.NoneElementDestTopicNameInArray", "A destination topic is empty."
)
DEST_TOPIC_NAME_ARRAY_SIZE_IS_LARGE = ErrorCode(
    "iot.messagebroker.DestTopicNameArraySizeIsLarge", "A source topic has at most 100 destinations."
)
CREATE_TOPIC_ROUTE_FAILED = ErrorCode("iot.messagebroker.CreateTopicRouteFailed", "The routes cannot be created.")

"""Documented error codes of device groups (guide: error codes that start with iot.group)."""

from thingplane.cloud import ErrorCode

NULL_GROUP_ID = ErrorCode("iot.group.NullGroupId", "The group ID is missing.")
NOT_EXISTED_GROUP = ErrorCode("iot.group.NotExistedGroup", "The instance has no group with this ID.")
INVALID_GROUP_NAME = ErrorCode(
    "iot.group.InvalidGroupName", "A group name has 4 to 30 letters, digits and underscores."
)
GROUP_NAME_EXISTED = ErrorCode("iot.group.GroupNameExisted", "The instance has a group with this name already.")
LONG_GROUP_DESC = ErrorCode("iot.group.LongGroupDescError", "The group description must have 1 to 100 characters.")
GROUP_LEVEL_EXCEEDING_LIMIT = ErrorCode(
    "iot.group.GroupLevelExceedingLimitError", "The parent is on the lowest level: it takes no subgroups."
)
GROUP_COUNT_EXCEED_MAX = ErrorCode("iot.group.GroupCountExceedMax", "There are as many groups as there may be.")
SUB_GROUP_NOT_NULL = ErrorCode("iot.group.SubGroupNotNull", "The group has subgroups. Delete them first.")
BIND_GROUP_RELATION_FAILED = ErrorCode(
    "iot.group.BindGroupRelationFailed", "The devices cannot be added: the group would hold too many."
)
INVALID_FORMATTED_TAG_STRING = ErrorCode(
    "iot.group.InvalidFormattedTagString",
    "TagString must be a JSON list of objects with tagKey (2 to 30 letters, digits, periods) and tagValue "
    "(1 to 128 letters, digits, underscores, hyphens), where no key is repeated.",
)
TAG_COUNT_EXCEED_MAX = ErrorCode("iot.group.TagCountExceedMax", "A group has at most 100 tags.")

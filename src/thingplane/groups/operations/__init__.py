"""Cloud API operations of device groups (guide: 4.9)."""

from typing import Annotated, TypeAlias

from thingplane.cloud import Context, Field
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.groups import errors
from thingplane.groups.group import DYNAMIC, STATIC
from thingplane.groups.service import Group, GroupService

GroupIdParameter: TypeAlias = Annotated[str, Field(empty=errors.NULL_GROUP_ID)]
SuperGroupIdParameter: TypeAlias = Annotated[
    str | None, Field(empty=errors.NULL_GROUP_ID, doc="GroupId of the parent group.")
]
DescriptionParameter: TypeAlias = Annotated[
    str | None, Field(invalid=errors.LONG_GROUP_DESC, min_length=1, max_length=100)
]
GroupTypeParameter: TypeAlias = Annotated[
    str | None,
    Field(choices=(STATIC, DYNAMIC), doc="Static groups by default; dynamic ones are not offered: none is found."),
]
CurrentPageParameter: TypeAlias = Annotated[int, Field(minimum=1, invalid=INVALID_PAGE_PARAMS)]
PageSizeParameter: TypeAlias = Annotated[int, Field(minimum=1, maximum=200, invalid=INVALID_PAGE_PARAMS)]


async def addressed(ctx: Context, group_id: str, group_type: str | None = None) -> Group:
    """Return the group of the call's instance that the call names.

    Raises:
        BusinessError: iot.group.NotExistedGroup, also for every dynamic group.
    """
    if group_type == DYNAMIC:
        raise errors.NOT_EXISTED_GROUP(
            "The instance has no dynamic group with this ID: dynamic groups are not offered."
        )
    return await ctx.service(GroupService).get(ctx.instance.id, group_id)


def page_count(total: int, size: int) -> int:
    """Return how many pages of a size hold everything."""
    return -(-total // size)

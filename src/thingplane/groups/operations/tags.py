"""SetDeviceGroupTags, QueryDeviceGroupTagList and QueryDeviceGroupByTags."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.groups import errors
from thingplane.groups.operations import (
    CurrentPageParameter,
    GroupIdParameter,
    GroupTypeParameter,
    PageSizeParameter,
    addressed,
    page_count,
)
from thingplane.groups.service import GroupService
from thingplane.groups.tags import read_tags


class SetDeviceGroupTagsRequest(Request):
    GroupId: GroupIdParameter
    TagString: Annotated[
        str | None,
        Field(
            empty=errors.INVALID_FORMATTED_TAG_STRING,
            doc="All tags that the group shall have, as a JSON list; tags left out of it are deleted, [] deletes all. "
            "Without this parameter nothing is changed.",
        ),
    ] = None
    GroupType: GroupTypeParameter = None


class SetDeviceGroupTagsResponse(Response):
    pass


@operation(qps=50)
async def SetDeviceGroupTags(ctx: Context, req: SetDeviceGroupTagsRequest) -> SetDeviceGroupTagsResponse:
    tags = None if req.TagString is None else read_tags(req.TagString)
    group = await addressed(ctx, req.GroupId, req.GroupType)
    if tags is not None:
        await ctx.service(GroupService).tags.set(group, tags)
    return SetDeviceGroupTagsResponse()


class QueryDeviceGroupTagListRequest(Request):
    GroupId: GroupIdParameter
    GroupType: GroupTypeParameter = None


class GroupTagInfo(Struct):
    TagKey: str
    TagValue: str


class GroupTagInfos(Struct):
    GroupTagInfo: list[GroupTagInfo]


class QueryDeviceGroupTagListResponse(Response):
    Data: GroupTagInfos


@operation(qps=500)
async def QueryDeviceGroupTagList(ctx: Context, req: QueryDeviceGroupTagListRequest) -> QueryDeviceGroupTagListResponse:
    group = await addressed(ctx, req.GroupId, req.GroupType)
    tags = await ctx.service(GroupService).tags.list(group)
    return QueryDeviceGroupTagListResponse(
        Data=GroupTagInfos(GroupTagInfo=[GroupTagInfo(TagKey=key, TagValue=value) for key, value in tags])
    )


class WantedGroupTag(Struct):
    TagKey: str
    TagValue: str


class QueryDeviceGroupByTagsRequest(Request):
    Tag: Annotated[
        list[WantedGroupTag], Field(min_items=1, max_items=100, doc="Groups with any of these tags are found.")
    ]
    CurrentPage: CurrentPageParameter = 1
    PageSize: PageSizeParameter = 10


class TaggedGroup(Struct):
    GroupId: str
    GroupName: str


class TaggedGroups(Struct):
    DeviceGroup: list[TaggedGroup]


class QueryDeviceGroupByTagsResponse(Response):
    Data: TaggedGroups
    Page: int
    PageCount: int
    PageSize: int
    Total: int


@operation(qps=5)
async def QueryDeviceGroupByTags(ctx: Context, req: QueryDeviceGroupByTagsRequest) -> QueryDeviceGroupByTagsResponse:
    groups, total = await ctx.service(GroupService).page_by_tags(
        ctx.instance.id, [(tag.TagKey, tag.TagValue) for tag in req.Tag], req.CurrentPage, req.PageSize
    )
    return QueryDeviceGroupByTagsResponse(
        Data=TaggedGroups(DeviceGroup=[TaggedGroup(GroupId=group.group_id, GroupName=group.name) for group in groups]),
        Page=req.CurrentPage,
        PageCount=page_count(total, req.PageSize),
        PageSize=req.PageSize,
        Total=total,
    )

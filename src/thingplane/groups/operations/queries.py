"""QueryDeviceGroupInfo, QueryDeviceGroupList, QuerySuperDeviceGroup and QueryDeviceGroupByDevice."""

from typing import Annotated

import msgspec

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.times import utc
from thingplane.devices.errors import NULL_DEVICE_NAME
from thingplane.devices.service import DeviceService
from thingplane.groups.group import DYNAMIC, STATIC
from thingplane.groups.operations import (
    CurrentPageParameter,
    GroupIdParameter,
    GroupTypeParameter,
    PageSizeParameter,
    SuperGroupIdParameter,
    addressed,
    page_count,
)
from thingplane.groups.service import Group, GroupService
from thingplane.products.errors import NULL_PRODUCT_KEY


class QueryDeviceGroupInfoRequest(Request):
    GroupId: GroupIdParameter
    GroupType: GroupTypeParameter = None


class GroupDetail(Struct):
    DeviceActive: int
    DeviceCount: int
    DeviceOnline: int
    GroupDesc: str | None = None
    GroupId: str
    GroupName: str
    UtcCreate: str | None


class QueryDeviceGroupInfoResponse(Response):
    Data: GroupDetail


@operation(qps=30)
async def QueryDeviceGroupInfo(ctx: Context, req: QueryDeviceGroupInfoRequest) -> QueryDeviceGroupInfoResponse:
    group = await addressed(ctx, req.GroupId, req.GroupType)
    devices = await ctx.service(GroupService).members.statistics(group)
    return QueryDeviceGroupInfoResponse(
        Data=GroupDetail(
            DeviceActive=devices.activated,
            DeviceCount=devices.total,
            DeviceOnline=devices.online,
            GroupDesc=group.description,
            GroupId=group.group_id,
            GroupName=group.name,
            UtcCreate=utc(group.created_at),
        )
    )


class GroupInfo(Struct):
    GroupDesc: str | None = None
    GroupId: str
    GroupName: str
    GroupType: str
    UtcCreate: str | None


class GroupInfos(Struct):
    GroupInfo: list[GroupInfo]


def _infos(groups: list[Group]) -> GroupInfos:
    return GroupInfos(
        GroupInfo=[
            GroupInfo(
                GroupDesc=group.description,
                GroupId=group.group_id,
                GroupName=group.name,
                GroupType=STATIC,
                UtcCreate=utc(group.created_at),
            )
            for group in groups
        ]
    )


class QueryDeviceGroupListRequest(Request):
    PageSize: PageSizeParameter = 10
    CurrentPage: CurrentPageParameter = 1
    SuperGroupId: SuperGroupIdParameter = None
    GroupName: Annotated[str | None, Field(doc="Text anywhere in the name; upper and lower case are the same.")] = None
    GroupTypes: Annotated[
        list[str], Field(choices=(STATIC, DYNAMIC), doc="Static groups by default; there are no dynamic ones.")
    ] = msgspec.field(default_factory=list)


class QueryDeviceGroupListResponse(Response):
    CurrentPage: int
    Data: GroupInfos
    PageCount: int
    PageSize: int
    Total: int


@operation(qps=100)
async def QueryDeviceGroupList(ctx: Context, req: QueryDeviceGroupListRequest) -> QueryDeviceGroupListResponse:
    parent = None if req.SuperGroupId is None else await addressed(ctx, req.SuperGroupId)
    groups: list[Group] = []
    total = 0
    if not req.GroupTypes or STATIC in req.GroupTypes:
        groups, total = await ctx.service(GroupService).page(
            ctx.instance.id, req.CurrentPage, req.PageSize, parent=parent, name=req.GroupName
        )
    return QueryDeviceGroupListResponse(
        CurrentPage=req.CurrentPage,
        Data=_infos(groups),
        PageCount=page_count(total, req.PageSize),
        PageSize=req.PageSize,
        Total=total,
    )


class QuerySuperDeviceGroupRequest(Request):
    GroupId: GroupIdParameter


class SuperGroup(Struct):
    GroupDesc: str | None = None
    GroupId: str
    GroupName: str


class SuperGroups(Struct):
    GroupInfo: list[SuperGroup]


class QuerySuperDeviceGroupResponse(Response):
    Data: SuperGroups


@operation(qps=10)
async def QuerySuperDeviceGroup(ctx: Context, req: QuerySuperDeviceGroupRequest) -> QuerySuperDeviceGroupResponse:
    parent = await ctx.service(GroupService).parent(await addressed(ctx, req.GroupId))
    found = (
        []
        if parent is None
        else [SuperGroup(GroupDesc=parent.description, GroupId=parent.group_id, GroupName=parent.name)]
    )
    return QuerySuperDeviceGroupResponse(Data=SuperGroups(GroupInfo=found))


class QueryDeviceGroupByDeviceRequest(Request):
    ProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
    DeviceName: Annotated[str, Field(empty=NULL_DEVICE_NAME)]


class QueryDeviceGroupByDeviceResponse(Response):
    GroupInfos: GroupInfos


@operation(qps=50)
async def QueryDeviceGroupByDevice(
    ctx: Context, req: QueryDeviceGroupByDeviceRequest
) -> QueryDeviceGroupByDeviceResponse:
    device = await ctx.service(DeviceService).resolve(ctx.instance.id, product_key=req.ProductKey, name=req.DeviceName)
    groups = await ctx.service(GroupService).members.groups_of([device.id])
    return QueryDeviceGroupByDeviceResponse(GroupInfos=_infos(groups.get(device.id, [])))

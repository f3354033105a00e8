"""CreateDeviceGroup, UpdateDeviceGroup and DeleteDeviceGroup."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.times import utc
from thingplane.groups import errors
from thingplane.groups.operations import (
    DescriptionParameter,
    GroupIdParameter,
    GroupTypeParameter,
    SuperGroupIdParameter,
    addressed,
)
from thingplane.groups.service import GroupService


class CreateDeviceGroupRequest(Request):
    GroupName: Annotated[
        str,
        Field(
            invalid=errors.INVALID_GROUP_NAME,
            pattern=r"\w+",
            min_length=4,
            max_length=30,
            length="wide",
            doc="Letters, digits and underscores; unique within the instance.",
        ),
    ]
    SuperGroupId: SuperGroupIdParameter = None
    GroupDesc: DescriptionParameter = None


class CreatedGroup(Struct):
    GroupDesc: str | None = None
    GroupId: str
    GroupName: str
    UtcCreate: str | None


class CreateDeviceGroupResponse(Response):
    Data: CreatedGroup


@operation(qps=500)
async def CreateDeviceGroup(ctx: Context, req: CreateDeviceGroupRequest) -> CreateDeviceGroupResponse:
    parent = None if req.SuperGroupId is None else await addressed(ctx, req.SuperGroupId)
    group = await ctx.service(GroupService).create(
        ctx.instance.id, req.GroupName, description=req.GroupDesc, parent=parent
    )
    return CreateDeviceGroupResponse(
        Data=CreatedGroup(
            GroupDesc=group.description,
            GroupId=group.group_id,
            GroupName=group.name,
            UtcCreate=utc(group.created_at),
        )
    )


class UpdateDeviceGroupRequest(Request):
    GroupId: GroupIdParameter
    GroupDesc: DescriptionParameter = None
    GroupType: GroupTypeParameter = None


class UpdateDeviceGroupResponse(Response):
    pass


@operation(qps=50)
async def UpdateDeviceGroup(ctx: Context, req: UpdateDeviceGroupRequest) -> UpdateDeviceGroupResponse:
    group = await addressed(ctx, req.GroupId, req.GroupType)
    if req.GroupDesc is not None:
        await ctx.service(GroupService).describe(group, req.GroupDesc)
    return UpdateDeviceGroupResponse()


class DeleteDeviceGroupRequest(Request):
    GroupId: GroupIdParameter


class DeleteDeviceGroupResponse(Response):
    pass


@operation(qps=500)
async def DeleteDeviceGroup(ctx: Context, req: DeleteDeviceGroupRequest) -> DeleteDeviceGroupResponse:
    await ctx.service(GroupService).delete(await addressed(ctx, req.GroupId))
    return DeleteDeviceGroupResponse()

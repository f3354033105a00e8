"""CreateConsumerGroup, UpdateConsumerGroup, DeleteConsumerGroup, and the queries of groups."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.cloud.times import utc
from thingplane.subscriptions import errors
from thingplane.subscriptions.operations import GroupIdParameter, GroupNameParameter, NewGroupNameParameter
from thingplane.subscriptions.service import ConsumerGroup, SubscriptionService


class CreateConsumerGroupRequest(Request):
    GroupName: GroupNameParameter


class CreateConsumerGroupResponse(Response):
    GroupId: str


@operation(qps=5)
async def CreateConsumerGroup(ctx: Context, req: CreateConsumerGroupRequest) -> CreateConsumerGroupResponse:
    group = await ctx.service(SubscriptionService).create_group(ctx.instance.id, req.GroupName)
    return CreateConsumerGroupResponse(GroupId=group.group_id)


class UpdateConsumerGroupRequest(Request):
    GroupId: GroupIdParameter
    NewGroupName: NewGroupNameParameter


class UpdateConsumerGroupResponse(Response):
    pass


@operation(qps=5)
async def UpdateConsumerGroup(ctx: Context, req: UpdateConsumerGroupRequest) -> UpdateConsumerGroupResponse:
    await ctx.service(SubscriptionService).rename_group(ctx.instance.id, req.GroupId, req.NewGroupName)
    return UpdateConsumerGroupResponse()


class DeleteConsumerGroupRequest(Request):
    GroupId: GroupIdParameter


class DeleteConsumerGroupResponse(Response):
    pass


@operation(qps=5)
async def DeleteConsumerGroup(ctx: Context, req: DeleteConsumerGroupRequest) -> DeleteConsumerGroupResponse:
    await ctx.service(SubscriptionService).delete_group(ctx.instance.id, req.GroupId)
    return DeleteConsumerGroupResponse()


class ConsumerGroupDTO(Struct):
    CreateTime: str | None
    GroupId: str
    GroupName: str


def _described(group: ConsumerGroup) -> ConsumerGroupDTO:
    return ConsumerGroupDTO(CreateTime=utc(group.created_at), GroupId=group.group_id, GroupName=group.name)


class QueryConsumerGroupByGroupIdRequest(Request):
    GroupId: GroupIdParameter


class QueryConsumerGroupByGroupIdResponse(Response):
    Data: ConsumerGroupDTO


@operation(qps=5)
async def QueryConsumerGroupByGroupId(
    ctx: Context, req: QueryConsumerGroupByGroupIdRequest
) -> QueryConsumerGroupByGroupIdResponse:
    group = await ctx.service(SubscriptionService).group(ctx.instance.id, req.GroupId)
    return QueryConsumerGroupByGroupIdResponse(Data=_described(group))


class QueryConsumerGroupListRequest(Request):
    CurrentPage: Annotated[int, Field(minimum=1, invalid=INVALID_PAGE_PARAMS)]
    PageSize: Annotated[int, Field(minimum=1, maximum=1000, invalid=INVALID_PAGE_PARAMS)] = 10
    Fuzzy: Annotated[bool, Field(doc="Search for GroupName; otherwise it is ignored.")] = False
    GroupName: Annotated[
        str | None,
        Field(
            invalid=errors.INVALID_CONSUMER_GROUP_NAME,
            min_length=1,
            doc="Text anywhere in the name; upper and lower case are the same. Needed with Fuzzy.",
        ),
    ] = None
    Type: Annotated[str | None, Field(doc="Without effect.")] = None
    SubBizCode: Annotated[str | None, Field(doc="Without effect.")] = None


class ConsumerGroups(Struct):
    ConsumerGroupDTO: list[ConsumerGroupDTO]


class QueryConsumerGroupListResponse(Response):
    CurrentPage: int
    Data: ConsumerGroups
    PageCount: int
    PageSize: int
    Total: int


@operation(qps=5)
async def QueryConsumerGroupList(ctx: Context, req: QueryConsumerGroupListRequest) -> QueryConsumerGroupListResponse:
    groups = await ctx.service(SubscriptionService).groups(ctx.instance.id)
    if req.Fuzzy:
        if req.GroupName is None:
            raise errors.INVALID_CONSUMER_GROUP_NAME("A fuzzy search needs GroupName.")
        wanted = req.GroupName.casefold()
        groups = [group for group in groups if wanted in group.name.casefold()]
    first = (req.CurrentPage - 1) * req.PageSize
    return QueryConsumerGroupListResponse(
        CurrentPage=req.CurrentPage,
        Data=ConsumerGroups(ConsumerGroupDTO=[_described(group) for group in groups[first : first + req.PageSize]]),
        PageCount=-(-len(groups) // req.PageSize),
        PageSize=req.PageSize,
        Total=len(groups),
    )

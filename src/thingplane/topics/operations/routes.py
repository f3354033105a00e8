"""CreateTopicRouteTable, DeleteTopicRouteTable, QueryTopicRouteTable and QueryTopicReverseRouteTable."""

from typing import Annotated, TypeAlias

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.topics import errors
from thingplane.topics.routes import TopicRouteService

SourceParameter: TypeAlias = Annotated[
    str,
    Field(
        empty=errors.NULL_SRC_TOPIC_NAME,
        invalid=errors.INVALID_FORMATTED_SRC_TOPIC_NAME,
        doc="/{ProductKey}/{DeviceName}/user/…",
    ),
]
DestinationsParameter: TypeAlias = Annotated[
    list[str],
    Field(
        empty=errors.NONE_ELEMENT_DEST_TOPIC_NAME_IN_ARRAY,
        invalid=errors.INVALID_FORMATTED_TOPIC_NAME,
        max_items=100,
        too_many=errors.DEST_TOPIC_NAME_ARRAY_SIZE_IS_LARGE,
        doc="/{ProductKey}/{DeviceName}/user/…; ${deviceName} is the DeviceName of the source.",
    ),
]
TopicParameter: TypeAlias = Annotated[
    str, Field(empty=errors.NULL_TOPIC_NAME, invalid=errors.INVALID_FORMATTED_TOPIC_NAME)
]


class Topics(Struct):
    Topic: list[str]


class CreateTopicRouteTableRequest(Request):
    SrcTopic: SourceParameter
    DstTopic: DestinationsParameter


class CreateTopicRouteTableResponse(Response):
    IsAllSucceed: bool
    FailureTopics: Topics


@operation(qps=50)
async def CreateTopicRouteTable(ctx: Context, req: CreateTopicRouteTableRequest) -> CreateTopicRouteTableResponse:
    failed = await ctx.service(TopicRouteService).create(ctx.instance.id, req.SrcTopic, req.DstTopic)
    return CreateTopicRouteTableResponse(IsAllSucceed=not failed, FailureTopics=Topics(Topic=failed))


class DeleteTopicRouteTableRequest(Request):
    SrcTopic: SourceParameter
    DstTopic: DestinationsParameter


class DeleteTopicRouteTableResponse(Response):
    IsAllSucceed: bool
    FailureTopics: Topics


@operation(qps=50)
async def DeleteTopicRouteTable(ctx: Context, req: DeleteTopicRouteTableRequest) -> DeleteTopicRouteTableResponse:
    failed = await ctx.service(TopicRouteService).delete(ctx.instance.id, req.SrcTopic, req.DstTopic)
    return DeleteTopicRouteTableResponse(IsAllSucceed=not failed, FailureTopics=Topics(Topic=failed))


class QueryTopicRouteTableRequest(Request):
    Topic: TopicParameter


class QueryTopicRouteTableResponse(Response):
    DstTopics: Topics


@operation(qps=50)
async def QueryTopicRouteTable(ctx: Context, req: QueryTopicRouteTableRequest) -> QueryTopicRouteTableResponse:
    found = await ctx.service(TopicRouteService).destinations(ctx.instance.id, req.Topic)
    return QueryTopicRouteTableResponse(DstTopics=Topics(Topic=found))


class QueryTopicReverseRouteTableRequest(Request):
    Topic: TopicParameter
    RegionId: Annotated[str | None, Field(doc="A common parameter, accepted here without effect.")] = None


class QueryTopicReverseRouteTableResponse(Response):
    SrcTopics: Topics


@operation(qps=50)
async def QueryTopicReverseRouteTable(
    ctx: Context, req: QueryTopicReverseRouteTableRequest
) -> QueryTopicReverseRouteTableResponse:
    found = await ctx.service(TopicRouteService).sources(ctx.instance.id, req.Topic)
    return QueryTopicReverseRouteTableResponse(SrcTopics=Topics(Topic=found))

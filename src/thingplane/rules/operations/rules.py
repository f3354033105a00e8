"""CreateRule, UpdateRule, DeleteRule, GetRule, ListRule, StartRule and StopRule."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias, cast

import msgspec

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.cloud.times import REGION_ZONE, utc
from thingplane.rules import errors
from thingplane.rules.operations import RuleIdParameter
from thingplane.rules.service import NewRule, Rule, RuleService, Sql
from thingplane.rules.topics import read_topic

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

NameField: Final = Field(
    pattern=r"[\w-]+",
    min_length=1,
    max_length=30,
    length="wide",
    doc="Letters, digits, underscores and hyphens; unique within the instance.",
)
DescriptionParameter: TypeAlias = Annotated[str | None, Field(max_length=100)]
SelectParameter: TypeAlias = Annotated[str | None, Field(invalid=errors.INCORRECT_RULE_SQL, doc="What follows SELECT.")]
WhereParameter: TypeAlias = Annotated[
    str | None, Field(invalid=errors.INCORRECT_RULE_SQL, doc="What follows WHERE; empty: every message.")
]
ShortTopicParameter: TypeAlias = Annotated[
    str | None, Field(doc="Topic below the product, with + or # as documented; for device status a DeviceName or +.")
]
TopicTypeParameter: TypeAlias = Annotated[
    int | None,
    Field(invalid=errors.INCORRECT_TYPE, doc="0: basic and thing-model topics, 1: custom topics, 2: device status."),
]
TopicParameter: TypeAlias = Annotated[
    str | None, Field(doc="Full topic, in place of ProductKey, ShortTopic and TopicType.")
]


class CreateRuleRequest(Request):
    Name: Annotated[str, NameField]
    ProductKey: str | None = None
    ShortTopic: ShortTopicParameter = None
    Select: SelectParameter = None
    Where: WhereParameter = None
    RuleDesc: DescriptionParameter = None
    DataType: Annotated[str, Field(choices=("JSON", "BINARY"))] = "JSON"
    TopicType: TopicTypeParameter = None
    Topic: TopicParameter = None
    ResourceGroupId: Annotated[str | None, Field(max_length=64)] = None


class CreateRuleResponse(Response):
    RuleId: int


@operation(qps=50)
async def CreateRule(ctx: Context, req: CreateRuleRequest) -> CreateRuleResponse:
    before = Sql(data_type=cast("Literal['JSON', 'BINARY']", req.DataType))
    new = NewRule(
        name=req.Name,
        description=req.RuleDesc,
        sql=_changed(before, req),
        resource_group_id=req.ResourceGroupId or None,
        user_id=ctx.caller.account_id,
    )
    return CreateRuleResponse(RuleId=(await ctx.service(RuleService).create(ctx.instance.id, new)).id)


class UpdateRuleRequest(Request):
    RuleId: RuleIdParameter
    Name: Annotated[str | None, NameField] = None
    ProductKey: str | None = None
    ShortTopic: ShortTopicParameter = None
    Select: SelectParameter = None
    Where: WhereParameter = None
    RuleDesc: DescriptionParameter = None
    TopicType: TopicTypeParameter = None
    Topic: TopicParameter = None


class UpdateRuleResponse(Response):
    pass


@operation(qps=50)
async def UpdateRule(ctx: Context, req: UpdateRuleRequest) -> UpdateRuleResponse:
    service = ctx.service(RuleService)
    await service.update(
        ctx.instance.id, req.RuleId, lambda before: _changed(before, req), name=req.Name, description=req.RuleDesc
    )
    return UpdateRuleResponse()


def _changed(before: Sql, req: CreateRuleRequest | UpdateRuleRequest) -> Sql:
    """Return SQL with what a request says; what it leaves out stays."""
    product_key, short, type_ = before.product_key, before.short_topic, before.topic_type
    if req.Topic:
        product_key, short, type_ = read_topic(req.Topic)
    else:
        product_key = req.ProductKey or product_key
        if req.ShortTopic:
            short, type_ = req.ShortTopic, req.TopicType
        elif req.TopicType is not None:
            type_ = req.TopicType
    return msgspec.structs.replace(
        before,
        product_key=product_key,
        short_topic=short,
        topic_type=type_,
        select=before.select if req.Select is None else req.Select,
        where=before.where if req.Where is None else req.Where,
    )


class DeleteRuleRequest(Request):
    RuleId: RuleIdParameter


class DeleteRuleResponse(Response):
    pass


@operation(qps=50)
async def DeleteRule(ctx: Context, req: DeleteRuleRequest) -> DeleteRuleResponse:
    await ctx.service(RuleService).delete(ctx.instance.id, req.RuleId)
    return DeleteRuleResponse()


class RuleSummary(Struct):
    CreateUserId: int
    Created: str
    DataType: str
    Id: int
    Modified: str
    Name: str
    ProductKey: str | None = None
    RuleDesc: str | None = None
    Select: str | None = None
    ShortTopic: str | None = None
    Status: Literal["RUNNING", "STOP"]
    Topic: str | None = None
    UtcCreated: str | None
    UtcModified: str | None
    Where: str | None = None


class RuleInfo(RuleSummary):
    TopicType: int


def _summary(rule: Rule) -> RuleSummary:
    sql = rule.sql
    has_topic = sql.product_key is not None and sql.short_topic is not None
    return RuleSummary(
        CreateUserId=int(rule.user_id) if rule.user_id.isdecimal() else 0,
        Created=_local(rule.created_at),
        DataType=sql.data_type,
        Id=rule.id,
        Modified=_local(rule.modified_at),
        Name=rule.name,
        ProductKey=sql.product_key,
        RuleDesc=rule.description,
        Select=sql.select,
        ShortTopic=sql.short_topic,
        Status="RUNNING" if rule.running else "STOP",
        Topic=f"/{sql.product_key}/{sql.short_topic}" if has_topic else None,
        UtcCreated=utc(rule.created_at),
        UtcModified=utc(rule.modified_at),
        Where=sql.where or None,
    )


def _local(ms: int) -> str:
    """Return a time as these operations print it: ``Mon Dec 23 10:32:06 CST 2019``, in UTC+8."""
    moment = datetime.fromtimestamp(ms // 1000, UTC).astimezone(REGION_ZONE)
    clock = moment.strftime("%d %H:%M:%S")
    return f"{_DAYS[moment.weekday()]} {_MONTHS[moment.month - 1]} {clock} CST {moment.year}"


class GetRuleRequest(Request):
    RuleId: RuleIdParameter


class GetRuleResponse(Response):
    RuleInfo: RuleInfo


@operation(qps=50)
async def GetRule(ctx: Context, req: GetRuleRequest) -> GetRuleResponse:
    rule = await ctx.service(RuleService).get(ctx.instance.id, req.RuleId)
    sql = rule.sql
    topic_type = sql.topic_type if sql.is_complete and sql.topic_type is not None else -1
    return GetRuleResponse(RuleInfo=RuleInfo(**msgspec.structs.asdict(_summary(rule)), TopicType=topic_type))


class ListRuleRequest(Request):
    CurrentPage: Annotated[int, Field(minimum=1, maximum=1000, invalid=INVALID_PAGE_PARAMS)]
    PageSize: Annotated[int, Field(minimum=1, maximum=100, invalid=INVALID_PAGE_PARAMS)] = 10
    ResourceGroupId: str | None = None


class RuleSummaries(Struct):
    RuleInfo: list[RuleSummary]


class ListRuleResponse(Response):
    Data: RuleSummaries
    Page: int
    PageSize: int
    Total: int


@operation(qps=20)
async def ListRule(ctx: Context, req: ListRuleRequest) -> ListRuleResponse:
    found, total = await ctx.service(RuleService).page(
        ctx.instance.id, req.CurrentPage, req.PageSize, resource_group_id=req.ResourceGroupId or None
    )
    return ListRuleResponse(
        Data=RuleSummaries(RuleInfo=[_summary(rule) for rule in found]),
        Page=req.CurrentPage,
        PageSize=req.PageSize,
        Total=total,
    )


class StartRuleRequest(Request):
    RuleId: RuleIdParameter


class StartRuleResponse(Response):
    pass


@operation(qps=50)
async def StartRule(ctx: Context, req: StartRuleRequest) -> StartRuleResponse:
    await ctx.service(RuleService).run(ctx.instance.id, req.RuleId)
    return StartRuleResponse()


class StopRuleRequest(Request):
    RuleId: RuleIdParameter


class StopRuleResponse(Response):
    pass


@operation(qps=50)
async def StopRule(ctx: Context, req: StopRuleRequest) -> StopRuleResponse:
    await ctx.service(RuleService).stop(ctx.instance.id, req.RuleId)
    return StopRuleResponse()

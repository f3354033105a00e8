"""CreateRuleAction, UpdateRuleAction, DeleteRuleAction, GetRuleAction and ListRuleActions."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.rules.operations import (
    ActionIdParameter,
    ActionTypeParameter,
    ConfigurationParameter,
    RuleIdParameter,
)
from thingplane.rules.service import Action, RuleService, shown_configuration


class CreateRuleActionRequest(Request):
    RuleId: RuleIdParameter
    Type: ActionTypeParameter
    Configuration: ConfigurationParameter
    ErrorActionFlag: Annotated[
        bool, Field(doc="Whether it takes what other actions of the rule could not deliver.")
    ] = False


class CreateRuleActionResponse(Response):
    ActionId: int


@operation(qps=50)
async def CreateRuleAction(ctx: Context, req: CreateRuleActionRequest) -> CreateRuleActionResponse:
    action = await ctx.service(RuleService).actions.create(
        ctx.instance.id, req.RuleId, req.Type, req.Configuration, for_errors=req.ErrorActionFlag
    )
    return CreateRuleActionResponse(ActionId=action.id)


class UpdateRuleActionRequest(Request):
    ActionId: ActionIdParameter
    Type: ActionTypeParameter
    Configuration: ConfigurationParameter


class UpdateRuleActionResponse(Response):
    pass


@operation(qps=50)
async def UpdateRuleAction(ctx: Context, req: UpdateRuleActionRequest) -> UpdateRuleActionResponse:
    await ctx.service(RuleService).actions.update(ctx.instance.id, req.ActionId, req.Type, req.Configuration)
    return UpdateRuleActionResponse()


class DeleteRuleActionRequest(Request):
    ActionId: ActionIdParameter


class DeleteRuleActionResponse(Response):
    pass


@operation(qps=50)
async def DeleteRuleAction(ctx: Context, req: DeleteRuleActionRequest) -> DeleteRuleActionResponse:
    await ctx.service(RuleService).actions.delete(ctx.instance.id, req.ActionId)
    return DeleteRuleActionResponse()


class RuleActionInfo(Struct):
    Configuration: str
    ErrorActionFlag: bool
    Id: int
    RuleId: int
    Type: str


class ListedRuleActionInfo(RuleActionInfo):
    Status: str


def _info(ctx: Context, action: Action) -> RuleActionInfo:
    return RuleActionInfo(
        Configuration=shown_configuration(action, ctx.caller.account_id),
        ErrorActionFlag=action.for_errors,
        Id=action.id,
        RuleId=action.rule_id,
        Type=action.type,
    )


class GetRuleActionRequest(Request):
    ActionId: ActionIdParameter


class GetRuleActionResponse(Response):
    RuleActionInfo: RuleActionInfo


@operation(qps=50)
async def GetRuleAction(ctx: Context, req: GetRuleActionRequest) -> GetRuleActionResponse:
    action = await ctx.service(RuleService).actions.get(ctx.instance.id, req.ActionId)
    return GetRuleActionResponse(RuleActionInfo=_info(ctx, action))


class ListRuleActionsRequest(Request):
    RuleId: RuleIdParameter


class RuleActionInfos(Struct):
    RuleActionInfo: list[ListedRuleActionInfo]


class ListRuleActionsResponse(Response):
    RuleActionList: RuleActionInfos


@operation(qps=50)
async def ListRuleActions(ctx: Context, req: ListRuleActionsRequest) -> ListRuleActionsResponse:
    service = ctx.service(RuleService).actions
    found = [
        ListedRuleActionInfo(
            Configuration=shown_configuration(action, ctx.caller.account_id),
            ErrorActionFlag=action.for_errors,
            Id=action.id,
            RuleId=action.rule_id,
            Type=action.type,
            Status=service.status(action),
        )
        for action in await service.of_rule(ctx.instance.id, req.RuleId)
    ]
    return ListRuleActionsResponse(RuleActionList=RuleActionInfos(RuleActionInfo=found))

"""Operations on the subscriptions of products, and on the consumer groups of one."""

from typing import Annotated, cast

import msgspec

from thingplane.cloud import Context, Field, Request, Response, operation
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.subscriptions import errors
from thingplane.subscriptions.operations import GroupIdParameter, ProductKeyParameter, TypeParameter, addressed
from thingplane.subscriptions.service import Flags, SubscriptionService, SubscriptionType, Wanted

FLAGS = {
    "DeviceDataFlag": Flags.DEVICE_DATA,
    "DeviceStatusChangeFlag": Flags.STATUS_CHANGE,
    "DeviceTopoLifeCycleFlag": Flags.TOPO_LIFE_CYCLE,
    "FoundDeviceListFlag": Flags.FOUND_DEVICE_LIST,
    "ThingHistoryFlag": Flags.THING_HISTORY,
    "DeviceLifeCycleFlag": Flags.LIFE_CYCLE,
    "OtaEventFlag": Flags.OTA_EVENT,
    "DeviceTagFlag": Flags.DEVICE_TAG,
    "OtaVersionFlag": Flags.OTA_VERSION,
    "OtaJobFlag": Flags.OTA_JOB,
}
"""Flags by the names of their parameters."""


class _WantedRequest(Request):
    ProductKey: ProductKeyParameter
    DeviceDataFlag: Annotated[bool, Field(doc="What devices send.")] = False
    DeviceStatusChangeFlag: Annotated[bool, Field(doc="Devices come online and go offline.")] = False
    DeviceTopoLifeCycleFlag: Annotated[
        bool, Field(doc="Sub-devices are attached and detached; has an effect on products of gateways only.")
    ] = False
    FoundDeviceListFlag: Annotated[
        bool, Field(doc="Gateways find sub-devices; has an effect on products of gateways only.")
    ] = False
    ThingHistoryFlag: Annotated[bool, Field(doc="History that devices send.")] = False
    DeviceLifeCycleFlag: Annotated[bool, Field(doc="Devices are created, deleted, enabled and disabled.")] = False
    OtaEventFlag: Annotated[bool, Field(doc="Progress of updates on devices.")] = False
    DeviceTagFlag: Annotated[bool, Field(doc="Tags of devices change; AMQP only.")] = False
    OtaVersionFlag: Annotated[bool, Field(doc="Devices report versions of modules; AMQP only.")] = False
    OtaJobFlag: Annotated[bool, Field(doc="Update batches change their status; AMQP only.")] = False
    ConsumerGroupIds: Annotated[
        list[str],
        Field(invalid=errors.INVALID_CONSUMER_GROUP_ID, pattern="[A-Za-z0-9_]{1,64}", doc="Needed if Type is AMQP."),
    ] = msgspec.field(default_factory=list)
    MnsConfiguration: Annotated[
        str | None,
        Field(
            invalid=errors.MNS_CHECK_FAILED,
            min_length=1,
            max_length=2048,
            doc="JSON with queueName and regionName, and a role that is kept but not needed. Needed if Type is MNS.",
        ),
    ] = None
    SubscribeFlags: Annotated[
        str | None, Field(json=True, max_length=2048, doc="JSON that is kept and shown, but has no effect.")
    ] = None


class CreateSubscribeRelationRequest(_WantedRequest):
    Type: Annotated[
        str | None,
        Field(
            choices=("AMQP", "MNS"),
            invalid=errors.INVALID_SUBSCRIBE_TYPE,
            doc="Default: AMQP with ConsumerGroupIds, MNS with MnsConfiguration.",
        ),
    ] = None


class CreateSubscribeRelationResponse(Response):
    pass


@operation(qps=5)
async def CreateSubscribeRelation(ctx: Context, req: CreateSubscribeRelationRequest) -> CreateSubscribeRelationResponse:
    type_ = req.Type
    if type_ is None:
        if bool(req.ConsumerGroupIds) == (req.MnsConfiguration is not None):
            raise errors.INVALID_SUBSCRIBE_TYPE("Type is AMQP or MNS; it can't be told from the other parameters.")
        type_ = "AMQP" if req.ConsumerGroupIds else "MNS"
    product = await addressed(ctx, req.ProductKey)
    await ctx.service(SubscriptionService).subscribe(product, cast("SubscriptionType", type_), _wanted(req))
    return CreateSubscribeRelationResponse()


class UpdateSubscribeRelationRequest(_WantedRequest):
    Type: TypeParameter


class UpdateSubscribeRelationResponse(Response):
    pass


@operation(qps=5)
async def UpdateSubscribeRelation(ctx: Context, req: UpdateSubscribeRelationRequest) -> UpdateSubscribeRelationResponse:
    product = await addressed(ctx, req.ProductKey)
    await ctx.service(SubscriptionService).resubscribe(product, cast("SubscriptionType", req.Type), _wanted(req))
    return UpdateSubscribeRelationResponse()


def _wanted(req: _WantedRequest) -> Wanted:
    if req.SubscribeFlags is not None and not isinstance(msgspec.json.decode(req.SubscribeFlags), dict):
        raise INVALID_FORMATTED_PARAMETER("SubscribeFlags must be a JSON object.")
    flags = Flags(0)
    for name, flag in FLAGS.items():
        if getattr(req, name):
            flags |= flag
    return Wanted(
        flags=flags,
        groups=tuple(req.ConsumerGroupIds),
        mns_configuration=req.MnsConfiguration,
        subscribe_flags=req.SubscribeFlags,
    )


class QuerySubscribeRelationRequest(Request):
    ProductKey: ProductKeyParameter
    Type: TypeParameter


class QuerySubscribeRelationResponse(Response):
    ConsumerGroupIds: list[str] | None = None
    DeviceDataFlag: bool
    DeviceLifeCycleFlag: bool
    DeviceStatusChangeFlag: bool
    DeviceTagFlag: bool
    DeviceTopoLifeCycleFlag: bool
    FoundDeviceListFlag: bool
    MnsConfiguration: str | None = None
    OtaEventFlag: bool
    OtaJobFlag: bool
    OtaVersionFlag: bool
    ProductKey: str
    SubscribeFlags: str | None = None
    ThingHistoryFlag: bool
    Type: str


@operation(qps=5)
async def QuerySubscribeRelation(ctx: Context, req: QuerySubscribeRelationRequest) -> QuerySubscribeRelationResponse:
    product = await addressed(ctx, req.ProductKey)
    type_ = cast("SubscriptionType", req.Type)
    subscription, groups = ctx.service(SubscriptionService).subscription(product, type_)
    return QuerySubscribeRelationResponse(
        ConsumerGroupIds=groups if type_ == "AMQP" else None,
        MnsConfiguration=subscription.mns_configuration,
        ProductKey=product.product_key,
        SubscribeFlags=subscription.subscribe_flags,
        Type=subscription.type,
        **{name: flag in subscription.flags for name, flag in FLAGS.items()},
    )


class DeleteSubscribeRelationRequest(Request):
    ProductKey: ProductKeyParameter
    Type: TypeParameter


class DeleteSubscribeRelationResponse(Response):
    pass


@operation(qps=5)
async def DeleteSubscribeRelation(ctx: Context, req: DeleteSubscribeRelationRequest) -> DeleteSubscribeRelationResponse:
    product = await addressed(ctx, req.ProductKey)
    await ctx.service(SubscriptionService).unsubscribe(product, cast("SubscriptionType", req.Type))
    return DeleteSubscribeRelationResponse()


class CreateConsumerGroupSubscribeRelationRequest(Request):
    ConsumerGroupId: GroupIdParameter
    ProductKey: ProductKeyParameter


class CreateConsumerGroupSubscribeRelationResponse(Response):
    pass


@operation(qps=5)
async def CreateConsumerGroupSubscribeRelation(
    ctx: Context, req: CreateConsumerGroupSubscribeRelationRequest
) -> CreateConsumerGroupSubscribeRelationResponse:
    product = await addressed(ctx, req.ProductKey)
    await ctx.service(SubscriptionService).add_group(product, req.ConsumerGroupId)
    return CreateConsumerGroupSubscribeRelationResponse()


class DeleteConsumerGroupSubscribeRelationRequest(Request):
    ConsumerGroupId: GroupIdParameter
    ProductKey: ProductKeyParameter


class DeleteConsumerGroupSubscribeRelationResponse(Response):
    pass


@operation(qps=5)
async def DeleteConsumerGroupSubscribeRelation(
    ctx: Context, req: DeleteConsumerGroupSubscribeRelationRequest
) -> DeleteConsumerGroupSubscribeRelationResponse:
    product = await addressed(ctx, req.ProductKey)
    await ctx.service(SubscriptionService).remove_group(product, req.ConsumerGroupId)
    return DeleteConsumerGroupSubscribeRelationResponse()

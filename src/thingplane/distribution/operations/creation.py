"""CreateProductDistributeJob and CreateDeviceDistributeJob."""

from typing import Annotated, TypeAlias

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.devices.errors import NONE_DEVICE_NAME_ELEMENT, NULL_DEVICE_NAME
from thingplane.distribution import errors
from thingplane.distribution.operations import check_account
from thingplane.distribution.service import DistributionService
from thingplane.products.errors import NULL_PRODUCT_KEY

SourceParameter: TypeAlias = Annotated[str | None, Field(doc="Without it the instance that the call is addressed to.")]
AccountParameter: TypeAlias = Annotated[str | None, Field(doc="The caller's own account, if any.")]


class CreateProductDistributeJobRequest(Request):
    ProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
    SourceInstanceId: SourceParameter = None
    TargetInstanceId: Annotated[str, Field(invalid=errors.TARGET_INSTANCE_NOT_FOUND)]
    TargetUid: AccountParameter = None
    TargetAliyunId: AccountParameter = None


class CreateProductDistributeJobResponse(Response):
    JobId: str


@operation(qps=2)
async def CreateProductDistributeJob(
    ctx: Context, req: CreateProductDistributeJobRequest
) -> CreateProductDistributeJobResponse:
    check_account(ctx, req.TargetUid, req.TargetAliyunId)
    source = req.SourceInstanceId or ctx.instance.instance_id
    job = await ctx.service(DistributionService).distribute_product(req.ProductKey, source, req.TargetInstanceId)
    return CreateProductDistributeJobResponse(JobId=job.job_id)


class TargetInstanceConfig(Struct):
    TargetInstanceId: Annotated[str, Field(invalid=errors.TARGET_INSTANCE_NOT_FOUND)]


class CreateDeviceDistributeJobRequest(Request):
    ProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
    DeviceName: Annotated[
        list[Annotated[str, Field(empty=NULL_DEVICE_NAME)]],
        Field(min_items=1, max_items=10_000, invalid=NONE_DEVICE_NAME_ELEMENT, too_many=errors.LIMIT_EXCEEDED),
    ]
    SourceInstanceId: SourceParameter = None
    TargetInstanceConfig: Annotated[
        list[TargetInstanceConfig],
        Field(min_items=1, max_items=100, doc="One entry: all instances of this node are in its one region."),
    ]
    Strategy: Annotated[
        int, Field(invalid=errors.ERROR_STRATEGY, choices=(0, 1), doc="1, the nearest of one instance, is as 0.")
    ] = 0
    TargetUid: AccountParameter = None
    TargetAliyunId: AccountParameter = None


class CreateDeviceDistributeJobResponse(Response):
    JobId: str


@operation(qps=2)
async def CreateDeviceDistributeJob(
    ctx: Context, req: CreateDeviceDistributeJobRequest
) -> CreateDeviceDistributeJobResponse:
    check_account(ctx, req.TargetUid, req.TargetAliyunId)
    job = await ctx.service(DistributionService).distribute_devices(
        req.ProductKey,
        req.DeviceName,
        req.SourceInstanceId or ctx.instance.instance_id,
        [target.TargetInstanceId for target in req.TargetInstanceConfig],
        req.Strategy,
    )
    return CreateDeviceDistributeJobResponse(JobId=job.job_id)

"""QueryDeviceDistributeJob, QueryDeviceDistributeDetail, ListDeviceDistributeJob and DeleteDeviceDistributeJob."""

from typing import Annotated, Final, TypeAlias

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.devices.page_token import read_token, write_token
from thingplane.distribution import errors
from thingplane.distribution.operations import (
    DEFAULT_PAGE_SIZE,
    PageParameter,
    PageSizeParameter,
    TargetUidFilter,
    is_foreign,
)
from thingplane.distribution.service import DistributionService, Job

JobIdParameter: TypeAlias = Annotated[str, Field(invalid=errors.TASK_NOT_EXIST)]
LIST_ID: Final = 0
"""What tells the NextToken of this list from those of others."""
MAX_OFFSET: Final = 10_000


class QueryDeviceDistributeJobRequest(Request):
    JobId: JobIdParameter


class TargetInstance(Struct):
    TargetInstanceId: str


class TargetInstances(Struct):
    targetInstanceConfigs: list[TargetInstance]


class DistributeJob(Struct):
    GmtCreate: int
    JobId: str
    ProductKey: str
    SourceInstanceId: str
    SourceUid: str
    Status: int
    Strategy: int
    TargetInstanceConfigs: TargetInstances
    TargetUid: str
    Total: int


class QueryDeviceDistributeJobResponse(Response):
    Data: DistributeJob


@operation(qps=10)
async def QueryDeviceDistributeJob(
    ctx: Context, req: QueryDeviceDistributeJobRequest
) -> QueryDeviceDistributeJobResponse:
    job = await ctx.service(DistributionService).get(req.JobId)
    return QueryDeviceDistributeJobResponse(
        Data=DistributeJob(
            GmtCreate=job.created_at,
            JobId=job.job_id,
            ProductKey=job.product_key,
            SourceInstanceId=job.source,
            SourceUid=ctx.caller.account_id,
            Status=job.status,
            Strategy=job.strategy,
            TargetInstanceConfigs=TargetInstances(targetInstanceConfigs=[TargetInstance(TargetInstanceId=job.target)]),
            TargetUid=ctx.caller.account_id,
            Total=job.total,
        )
    )


class QueryDeviceDistributeDetailRequest(Request):
    JobId: JobIdParameter


class QueryDeviceDistributeDetailResponse(Response):
    File: str


@operation(qps=5)
async def QueryDeviceDistributeDetail(
    ctx: Context, req: QueryDeviceDistributeDetailRequest
) -> QueryDeviceDistributeDetailResponse:
    return QueryDeviceDistributeDetailResponse(File=await ctx.service(DistributionService).result_url(req.JobId))


class ListDeviceDistributeJobRequest(Request):
    CurrentPage: PageParameter = 1
    PageSize: PageSizeParameter = DEFAULT_PAGE_SIZE
    NextToken: Annotated[str | None, Field(doc="Outranks CurrentPage; needed beyond the first 10000 tasks.")] = None
    JobId: str | None = None
    ProductKey: str | None = None
    Status: Annotated[int | None, Field(minimum=0, maximum=3)] = None
    TargetUid: TargetUidFilter = None


class ListedTarget(Struct):
    TargetInstanceId: str
    TargetInstanceName: str | None = None
    TargetRegion: str


class ListedTargets(Struct):
    targetInstanceConfigs: list[ListedTarget]


class ListedJob(Struct):
    GmtCreate: int
    JobId: str
    ProductKey: str
    SourceInstanceId: str
    SourceInstanceName: str | None = None
    SourceRegion: str
    SourceUid: str
    Status: int
    Strategy: int
    TargetInstanceConfigs: ListedTargets
    TargetUid: str
    Total: int


class ListedJobs(Struct):
    items: list[ListedJob]


class JobPage(Struct):
    JobInfo: ListedJobs
    NextToken: str | None = None
    Total: int


class ListDeviceDistributeJobResponse(Response):
    Data: JobPage


@operation(qps=5)
async def ListDeviceDistributeJob(ctx: Context, req: ListDeviceDistributeJobRequest) -> ListDeviceDistributeJobResponse:
    service = ctx.service(DistributionService)
    before, offset = None, (req.CurrentPage - 1) * req.PageSize
    if req.NextToken:
        before, offset = read_token(LIST_ID, req.NextToken), 0
    elif offset + req.PageSize > MAX_OFFSET:
        raise errors.NEXT_TOKEN_NOT_NULL()
    if is_foreign(ctx, req.TargetUid):
        return ListDeviceDistributeJobResponse(Data=JobPage(JobInfo=ListedJobs(items=[]), Total=0))
    jobs, total = await service.page(
        req.PageSize,
        offset=offset,
        before=before,
        job_id=req.JobId or None,
        product_key=req.ProductKey or None,
        status=req.Status,
    )
    _, names = await service.places()
    items = [_listed(ctx, service.region, names, job) for job in jobs]
    token = write_token(LIST_ID, jobs[-1].id) if len(jobs) == req.PageSize else None
    return ListDeviceDistributeJobResponse(Data=JobPage(JobInfo=ListedJobs(items=items), NextToken=token, Total=total))


def _listed(ctx: Context, region: str, names: dict[str, str], job: Job) -> ListedJob:
    target = ListedTarget(TargetInstanceId=job.target, TargetInstanceName=names.get(job.target), TargetRegion=region)
    return ListedJob(
        GmtCreate=job.created_at,
        JobId=job.job_id,
        ProductKey=job.product_key,
        SourceInstanceId=job.source,
        SourceInstanceName=names.get(job.source),
        SourceRegion=region,
        SourceUid=ctx.caller.account_id,
        Status=job.status,
        Strategy=job.strategy,
        TargetInstanceConfigs=ListedTargets(targetInstanceConfigs=[target]),
        TargetUid=ctx.caller.account_id,
        Total=job.total,
    )


class DeleteDeviceDistributeJobRequest(Request):
    JobId: JobIdParameter


class DeleteDeviceDistributeJobResponse(Response):
    pass


@operation(qps=2)
async def DeleteDeviceDistributeJob(
    ctx: Context, req: DeleteDeviceDistributeJobRequest
) -> DeleteDeviceDistributeJobResponse:
    await ctx.service(DistributionService).delete(req.JobId)
    return DeleteDeviceDistributeJobResponse()

"""ListOTAJobByFirmware, ListOTAJobByDevice and QueryOTAJob."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.cloud.times import utc
from thingplane.devices.errors import NULL_DEVICE_NAME
from thingplane.devices.service import DeviceService
from thingplane.ota.job import Job
from thingplane.ota.operations import (
    CurrentPageParameter,
    FirmwareIdParameter,
    JobIdParameter,
    ProductKeyParameter,
    TagInfos,
    job_type,
    page_count,
    selection_type,
    tags_of,
    the_job,
    the_package,
)
from thingplane.ota.ota import OtaService
from thingplane.products.service import ProductService


class SimpleOTAJobInfo(Struct):
    JobId: str
    FirmwareId: str
    ProductKey: str
    JobStatus: str
    JobType: str
    SelectionType: str
    TargetSelection: str
    Tags: TagInfos
    UtcCreate: str | None
    UtcModified: str | None
    UtcStartTime: str | None
    UtcEndTime: str | None


class SimpleOTAJobInfos(Struct):
    SimpleOTAJobInfo: list[SimpleOTAJobInfo]


class JobPage(Response):
    """A page of batches."""

    CurrentPage: int
    PageSize: int
    PageCount: int
    Total: int
    Data: SimpleOTAJobInfos


class ListOTAJobByFirmwareRequest(Request):
    FirmwareId: FirmwareIdParameter
    CurrentPage: CurrentPageParameter
    PageSize: Annotated[int, Field(minimum=1, maximum=200, invalid=INVALID_PAGE_PARAMS)]


class ListOTAJobByFirmwareResponse(JobPage):
    pass


@operation(qps=10)
async def ListOTAJobByFirmware(ctx: Context, req: ListOTAJobByFirmwareRequest) -> ListOTAJobByFirmwareResponse:
    package = await the_package(ctx, req.FirmwareId)
    jobs, total = await ctx.service(OtaService).jobs.of_package(package, req.CurrentPage, req.PageSize)
    return ListOTAJobByFirmwareResponse(
        CurrentPage=req.CurrentPage,
        PageSize=req.PageSize,
        PageCount=page_count(total, req.PageSize),
        Total=total,
        Data=await _infos(ctx, jobs, package.firmware_id),
    )


class ListOTAJobByDeviceRequest(Request):
    FirmwareId: FirmwareIdParameter
    ProductKey: ProductKeyParameter
    DeviceName: Annotated[str, Field(empty=NULL_DEVICE_NAME)]
    CurrentPage: CurrentPageParameter
    PageSize: Annotated[int, Field(minimum=1, maximum=100, invalid=INVALID_PAGE_PARAMS)]


class ListOTAJobByDeviceResponse(JobPage):
    pass


@operation(qps=10)
async def ListOTAJobByDevice(ctx: Context, req: ListOTAJobByDeviceRequest) -> ListOTAJobByDeviceResponse:
    package = await the_package(ctx, req.FirmwareId)
    device = await ctx.service(DeviceService).resolve(ctx.instance.id, product_key=req.ProductKey, name=req.DeviceName)
    jobs, total = await ctx.service(OtaService).jobs.of_device(package, device, req.CurrentPage, req.PageSize)
    return ListOTAJobByDeviceResponse(
        CurrentPage=req.CurrentPage,
        PageSize=req.PageSize,
        PageCount=page_count(total, req.PageSize),
        Total=total,
        Data=await _infos(ctx, jobs, package.firmware_id),
    )


async def _infos(ctx: Context, jobs: list[Job], firmware_id: str) -> SimpleOTAJobInfos:
    keys = {job.product_id: await _product_key(ctx, job) for job in jobs}
    return SimpleOTAJobInfos(
        SimpleOTAJobInfo=[
            SimpleOTAJobInfo(
                JobId=job.job_id,
                FirmwareId=firmware_id,
                ProductKey=keys[job.product_id],
                JobStatus=job.status,
                JobType=job_type(job),
                SelectionType=selection_type(job),
                TargetSelection=job.selection,
                Tags=tags_of(job),
                UtcCreate=utc(job.created_at),
                UtcModified=utc(job.modified_at),
                UtcStartTime=utc(job.started_at),
                UtcEndTime=utc(job.ended_at),
            )
            for job in jobs
        ]
    )


async def _product_key(ctx: Context, job: Job) -> str:
    product = await ctx.service(ProductService).by_id(job.product_id)
    return "" if product is None else product.product_key


class QueryOTAJobRequest(Request):
    JobId: JobIdParameter


class SrcVersions(Struct):
    SrcVersion: list[str]


class OTAJobInfo(Struct):
    JobId: str
    JobDesc: str
    JobStatus: str
    JobType: str
    Name: str
    FirmwareId: str
    ProductKey: str
    DestVersion: str
    SrcVersions: SrcVersions
    SelectionType: str
    TargetSelection: str
    GrayPercent: str | None
    GroupId: str | None
    GroupName: str | None
    DynamicMode: int | None
    OverwriteMode: int
    MultiModuleMode: bool
    MaximumPerMinute: int
    RetryInterval: int | None
    RetryCount: int | None
    TimeoutInMinutes: int | None
    NeedPush: bool
    NeedConfirm: bool
    DownloadProtocol: str
    Tags: TagInfos
    UtcCreate: str | None
    UtcModified: str | None
    UtcStartTime: str | None
    UtcEndTime: str | None
    UtcScheduleTime: str | None
    UtcScheduleFinishTime: str | None


class QueryOTAJobResponse(Response):
    Data: OTAJobInfo


@operation(qps=10)
async def QueryOTAJob(ctx: Context, req: QueryOTAJobRequest) -> QueryOTAJobResponse:
    job = await the_job(ctx, req.JobId)
    package = await ctx.service(OtaService).package_of(job)
    strategy = job.strategy
    return QueryOTAJobResponse(
        Data=OTAJobInfo(
            JobId=job.job_id,
            JobDesc="",
            JobStatus=job.status,
            JobType=job_type(job),
            Name=package.name,
            FirmwareId=package.firmware_id,
            ProductKey=await _product_key(ctx, job),
            DestVersion=package.version,
            SrcVersions=SrcVersions(SrcVersion=list(job.plan(package.version, package.src_version).sources)),
            SelectionType=selection_type(job),
            TargetSelection=job.selection,
            GrayPercent=strategy.gray_percent,
            GroupId=strategy.group_id,
            GroupName=strategy.group_name,
            DynamicMode=strategy.dynamic_mode,
            OverwriteMode=strategy.overwrite_mode,
            MultiModuleMode=strategy.multi_module,
            MaximumPerMinute=strategy.per_minute,
            RetryInterval=strategy.retry_interval,
            RetryCount=strategy.retry_count,
            TimeoutInMinutes=strategy.timeout,
            NeedPush=strategy.need_push,
            NeedConfirm=strategy.need_confirm,
            DownloadProtocol=strategy.protocol,
            Tags=tags_of(job),
            UtcCreate=utc(job.created_at),
            UtcModified=utc(job.modified_at),
            UtcStartTime=utc(job.started_at),
            UtcEndTime=utc(job.ended_at),
            UtcScheduleTime=utc(job.schedule_at),
            UtcScheduleFinishTime=utc(job.finish_at),
        )
    )

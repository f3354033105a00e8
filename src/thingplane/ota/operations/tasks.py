"""ListOTATaskByJob, ListOTAUnfinishedTaskByDevice, ConfirmOTATask and ReupgradeOTATask."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.cloud.times import utc
from thingplane.devices.service import DeviceService
from thingplane.ota import errors
from thingplane.ota.job import Job
from thingplane.ota.operations import MODULE, STATES, JobIdParameter, page_count, the_job
from thingplane.ota.ota import OtaService
from thingplane.ota.package import USABLE
from thingplane.ota.task import UNFINISHED, State
from thingplane.ota.tasklists import Entry
from thingplane.ota.uids import task_uid
from thingplane.products.service import ProductService

MAX_REACH = 100_000
"""CurrentPage times PageSize."""
_UNFINISHED = tuple(state.name for state in UNFINISHED)

TaskIdsParameter = Annotated[
    list[str],
    Field(
        empty=errors.TASK_ID_IS_NULL,
        invalid=errors.TASK_ID_IS_NULL,
        min_items=1,
        max_items=10,
        too_many=errors.TOO_MANY_TASKS,
    ),
]


class ListOTATaskByJobRequest(Request):
    JobId: JobIdParameter
    PageSize: Annotated[int, Field(minimum=1, maximum=100, invalid=INVALID_PAGE_PARAMS)] = 10
    CurrentPage: Annotated[int, Field(minimum=1, invalid=INVALID_PAGE_PARAMS)] = 1
    TaskStatus: Annotated[str | None, Field(invalid=errors.INVALID_TASK_STATUS, choices=tuple(STATES))] = None
    DeviceNames: Annotated[list[str], Field(max_items=50, too_many=errors.PARAMETER_SIZE_EXCEED_MAX)] = []


class TaskOfJob(Struct):
    TaskId: str
    JobId: str
    FirmwareId: str
    ProductKey: str
    ProductName: str
    DeviceName: str
    IotId: str
    SrcVersion: str | None
    DestVersion: str
    TaskStatus: str
    TaskDesc: str
    Progress: str
    Timeout: str | None
    UtcCreate: str | None
    UtcModified: str | None


class TasksOfJob(Struct):
    SimpleOTATaskInfo: list[TaskOfJob]


class ListOTATaskByJobResponse(Response):
    CurrentPage: int
    PageSize: int
    PageCount: int
    Total: int
    Data: TasksOfJob


@operation(qps=10)
async def ListOTATaskByJob(ctx: Context, req: ListOTATaskByJobRequest) -> ListOTATaskByJobResponse:
    ota = ctx.service(OtaService)
    job = await the_job(ctx, req.JobId)
    state = STATES[req.TaskStatus] if req.TaskStatus else None
    page, size = req.CurrentPage, req.PageSize
    if req.DeviceNames:
        entries = await ota.tasks.of_job_by_name(job, req.DeviceNames, state)
        total, page, size = len(entries), 1, max(len(entries), 1)
    else:
        if page * size > MAX_REACH:
            raise INVALID_PAGE_PARAMS(f"CurrentPage times PageSize is at most {MAX_REACH}.")
        counts = await ota.jobs.counts(job)
        total = sum(counts.values()) if state is None else counts[state]
        entries = await ota.tasks.of_job(job, state, page, size)
    return ListOTATaskByJobResponse(
        CurrentPage=page,
        PageSize=size,
        PageCount=page_count(total, size),
        Total=total,
        Data=TasksOfJob(SimpleOTATaskInfo=await _of_job(ctx, job, entries)),
    )


async def _of_job(ctx: Context, job: Job, entries: list[Entry]) -> list[TaskOfJob]:
    package = await ctx.service(OtaService).package_of(job)
    product = await ctx.service(ProductService).by_id(job.product_id)
    timeout = job.strategy.timeout
    return [
        TaskOfJob(
            TaskId=task_uid(job.job_id, entry.task.id),
            JobId=job.job_id,
            FirmwareId=package.firmware_id,
            ProductKey=entry.product_key,
            ProductName="" if product is None else product.name,
            DeviceName=entry.device_name,
            IotId=entry.iot_id,
            SrcVersion=entry.task.source,
            DestVersion=package.version,
            TaskStatus=entry.task.state.name,
            TaskDesc=entry.task.reason,
            Progress=f"{entry.task.progress:.2f}",
            Timeout=None if timeout is None else str(timeout),
            UtcCreate=utc(entry.created_at),
            UtcModified=utc(entry.task.modified_at),
        )
        for entry in entries
    ]


class ListOTAUnfinishedTaskByDeviceRequest(Request):
    TaskStatus: Annotated[str | None, Field(invalid=errors.INVALID_TASK_STATUS, choices=_UNFINISHED)] = None
    TaskStatusList: Annotated[
        list[str], Field(invalid=errors.INVALID_TASK_STATUS, choices=_UNFINISHED, max_items=10)
    ] = []
    ModuleName: Annotated[str | None, Field(invalid=errors.INVALID_MODULE_NAME, pattern=MODULE)] = None
    ProductKey: str | None = None
    DeviceName: str | None = None
    IotId: str | None = None


class UnfinishedTask(Struct):
    TaskId: str
    JobId: str
    FirmwareId: str
    ProductKey: str
    ProductName: str
    DeviceName: str
    IotId: str
    ModuleName: str
    SrcVersion: str | None
    DestVersion: str
    TaskStatus: str
    UtcCreate: str | None
    UtcModified: str | None


class UnfinishedTasks(Struct):
    SimpleOTATaskInfo: list[UnfinishedTask]


class ListOTAUnfinishedTaskByDeviceResponse(Response):
    Data: UnfinishedTasks


@operation(qps=10)
async def ListOTAUnfinishedTaskByDevice(
    ctx: Context, req: ListOTAUnfinishedTaskByDeviceRequest
) -> ListOTAUnfinishedTaskByDeviceResponse:
    ota = ctx.service(OtaService)
    names = {*req.TaskStatusList, *([req.TaskStatus] if req.TaskStatus else [])}
    if not names:
        raise errors.INVALID_TASK_STATUS("A task status is needed.")
    if not req.IotId and not (req.ProductKey and req.DeviceName):
        raise errors.EMPTY_DEVICE_INFO_PARAMS()
    device = await ctx.service(DeviceService).resolve(
        ctx.instance.id, product_key=req.ProductKey, name=req.DeviceName, iot_id=req.IotId
    )
    states: list[State] = [STATES[name] for name in names]
    entries = await ota.tasks.unfinished(device, states, req.ModuleName)
    batches = await ota.batches_of([entry.task for entry in entries])
    product = await ctx.service(ProductService).by_id(device.product_id)
    found = [
        UnfinishedTask(
            TaskId=task_uid(batch.job.job_id, entry.task.id),
            JobId=batch.job.job_id,
            FirmwareId=batch.package.firmware_id,
            ProductKey=device.product_key,
            ProductName="" if product is None else product.name,
            DeviceName=device.name,
            IotId=device.iot_id,
            ModuleName=entry.task.module,
            SrcVersion=entry.task.source,
            DestVersion=batch.package.version,
            TaskStatus=entry.task.state.name,
            UtcCreate=utc(entry.created_at),
            UtcModified=utc(entry.task.modified_at),
        )
        for entry in entries
        if (batch := batches.get(entry.task.job_id)) is not None
    ]
    return ListOTAUnfinishedTaskByDeviceResponse(Data=UnfinishedTasks(SimpleOTATaskInfo=found))


class ConfirmOTATaskRequest(Request):
    TaskId: TaskIdsParameter


class ConfirmOTATaskResponse(Response):
    pass


@operation(qps=20)
async def ConfirmOTATask(ctx: Context, req: ConfirmOTATaskRequest) -> ConfirmOTATaskResponse:
    await ctx.service(OtaService).confirm(ctx.instance.id, req.TaskId)
    return ConfirmOTATaskResponse()


class ReupgradeOTATaskRequest(Request):
    JobId: Annotated[str, Field(empty=errors.UNKNOWN_JOB)]
    TaskId: TaskIdsParameter


class ReupgradeOTATaskResponse(Response):
    pass


@operation(qps=20)
async def ReupgradeOTATask(ctx: Context, req: ReupgradeOTATaskRequest) -> ReupgradeOTATaskResponse:
    ota = ctx.service(OtaService)
    job = await ota.jobs.find(ctx.instance.id, req.JobId)
    if job is None:
        raise errors.UNKNOWN_JOB()
    if job.kind != "VERIFY" and (await ota.package_of(job)).status not in USABLE:
        raise errors.REUPGRADE_NOT_VERIFIED()
    await ota.begin_again(job, req.TaskId)
    return ReupgradeOTATaskResponse()

"""CancelOTAStrategyByJob, CancelOTATaskByJob and CancelOTATaskByDevice."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, operation
from thingplane.devices.errors import NULL_DEVICE_NAME
from thingplane.devices.service import DeviceService
from thingplane.ota import errors
from thingplane.ota.operations import (
    FirmwareIdParameter,
    JobIdParameter,
    ProductKeyParameter,
    the_job,
    the_package,
    the_product,
)
from thingplane.ota.ota import OtaService
from thingplane.ota.task import State


class CancelOTAStrategyByJobRequest(Request):
    JobId: JobIdParameter


class CancelOTAStrategyByJobResponse(Response):
    pass


@operation(qps=10)
async def CancelOTAStrategyByJob(ctx: Context, req: CancelOTAStrategyByJobRequest) -> CancelOTAStrategyByJobResponse:
    job = await the_job(ctx, req.JobId)
    await ctx.service(OtaService).cancel_strategy(job)
    return CancelOTAStrategyByJobResponse()


class CancelOTATaskByJobRequest(Request):
    JobId: JobIdParameter
    CancelScheduledTask: bool = False
    CancelQueuedTask: bool = False
    CancelInProgressTask: bool = False
    CancelNotifiedTask: bool = False
    CancelUnconfirmedTask: bool | None = None


class CancelOTATaskByJobResponse(Response):
    pass


@operation(qps=5)
async def CancelOTATaskByJob(ctx: Context, req: CancelOTATaskByJobRequest) -> CancelOTATaskByJobResponse:
    unconfirmed = req.CancelQueuedTask if req.CancelUnconfirmedTask is None else req.CancelUnconfirmedTask
    chosen = {
        State.CONFIRM: unconfirmed,
        State.QUEUED: req.CancelQueuedTask,
        State.NOTIFIED: req.CancelNotifiedTask,
        State.IN_PROGRESS: req.CancelInProgressTask,
    }
    states = [state for state, wanted in chosen.items() if wanted]
    if not states and not req.CancelScheduledTask:
        raise errors.CANCEL_OPTION_IS_MANDATORY()
    job = await the_job(ctx, req.JobId)
    await ctx.service(OtaService).cancel_tasks(job, states, planned=req.CancelScheduledTask)
    return CancelOTATaskByJobResponse()


class CancelOTATaskByDeviceRequest(Request):
    FirmwareId: FirmwareIdParameter
    ProductKey: ProductKeyParameter
    DeviceName: Annotated[
        list[str],
        Field(
            empty=NULL_DEVICE_NAME,
            invalid=errors.PARAMETER_SIZE_EXCEED_MAX,
            min_items=1,
            max_items=200,
            too_many=errors.PARAMETER_SIZE_EXCEED_MAX,
            unique=True,
        ),
    ]
    JobId: str | None = None


class CancelOTATaskByDeviceResponse(Response):
    pass


@operation(qps=10)
async def CancelOTATaskByDevice(ctx: Context, req: CancelOTATaskByDeviceRequest) -> CancelOTATaskByDeviceResponse:
    product = await the_product(ctx, req.ProductKey)
    package = await the_package(ctx, req.FirmwareId)
    if package.product_id not in {None, product.id}:
        raise errors.FIRMWARE_AND_PRODUCT_KEY_MISMATCH()
    job = await the_job(ctx, req.JobId) if req.JobId else None
    devices = await ctx.service(DeviceService).several(product, req.DeviceName)
    if len(devices) < len(req.DeviceName):
        raise errors.DEVICE_NOT_EXIST()
    await ctx.service(OtaService).cancel_of_devices(package, [device.id for device in devices], job)
    return CancelOTATaskByDeviceResponse()

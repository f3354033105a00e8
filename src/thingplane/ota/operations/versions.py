"""ListOTAModuleVersionsByDevice (guide 4.8.36)."""

from typing import Annotated

from thingplane.cloud import Context, Field, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.ota.service import OtaVersionService


class ListOTAModuleVersionsByDeviceRequest(DeviceRequest):
    CurrentPage: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1)]
    PageSize: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1, maximum=200)]


class SimpleOTAModuleInfo(Struct):
    IotId: str
    ProductKey: str
    DeviceName: str
    ModuleName: str
    ModuleVersion: str


class SimpleOTAModuleInfos(Struct):
    SimpleOTAModuleInfo: list[SimpleOTAModuleInfo]


class ListOTAModuleVersionsByDeviceResponse(Response):
    CurrentPage: int
    PageSize: int
    PageCount: int
    Total: int
    Data: SimpleOTAModuleInfos


@operation(qps=10)
async def ListOTAModuleVersionsByDevice(
    ctx: Context, req: ListOTAModuleVersionsByDeviceRequest
) -> ListOTAModuleVersionsByDeviceResponse:
    device = await addressed(ctx, req)
    versions, total = await ctx.service(OtaVersionService).page(device.id, req.CurrentPage, req.PageSize)
    return ListOTAModuleVersionsByDeviceResponse(
        CurrentPage=req.CurrentPage,
        PageSize=req.PageSize,
        PageCount=-(-total // req.PageSize),
        Total=total,
        Data=SimpleOTAModuleInfos(
            SimpleOTAModuleInfo=[
                SimpleOTAModuleInfo(
                    IotId=device.iot_id,
                    ProductKey=device.product_key,
                    DeviceName=device.name,
                    ModuleName=item.module,
                    ModuleVersion=item.version,
                )
                for item in versions
            ]
        ),
    )

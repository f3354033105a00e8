"""BatchAddDeviceGroupRelations, BatchDeleteDeviceGroupRelations and QueryDeviceListByDeviceGroup."""

import asyncio
from typing import Annotated, TypeAlias

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.devices.errors import NULL_DEVICE_NAME
from thingplane.devices.service import Device, DeviceService
from thingplane.groups.operations import (
    CurrentPageParameter,
    GroupIdParameter,
    PageSizeParameter,
    addressed,
    page_count,
)
from thingplane.groups.service import GroupService
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.products.service import ProductService


class NamedDevice(Struct):
    ProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
    DeviceName: Annotated[str, Field(empty=NULL_DEVICE_NAME)]


DevicesParameter: TypeAlias = Annotated[
    list[NamedDevice],
    Field(min_items=1, max_items=200, doc="Names without a device are left out; repeated ones count once."),
]


async def _named(ctx: Context, named: list[NamedDevice]) -> tuple[list[Device], int]:
    """Return those devices that exist in any instance, and how many different ones the call names."""
    names = dict.fromkeys((device.ProductKey, device.DeviceName) for device in named)
    devices = ctx.service(DeviceService)
    found = await asyncio.gather(*(devices.find(product_key, name) for product_key, name in names))
    return [device for device in found if device is not None], len(names)


class BatchAddDeviceGroupRelationsRequest(Request):
    GroupId: GroupIdParameter
    Device: DevicesParameter


class BatchAddDeviceGroupRelationsResponse(Response):
    AlreadyRelatedGroupDeviceCount: int
    ErrorMessage: str
    ExceedTenGroupDeviceCount: int
    SuccessAddedDeviceCount: int
    ValidDeviceCount: int


@operation(qps=500)
async def BatchAddDeviceGroupRelations(
    ctx: Context, req: BatchAddDeviceGroupRelationsRequest
) -> BatchAddDeviceGroupRelationsResponse:
    group = await addressed(ctx, req.GroupId)
    devices, named = await _named(ctx, req.Device)
    result = await ctx.service(GroupService).members.add(group, devices)
    return BatchAddDeviceGroupRelationsResponse(
        AlreadyRelatedGroupDeviceCount=result.already,
        # Documented for this operation alone: a summary beside the numbers of a successful call.
        ErrorMessage=f"Devices added: {result.added}. Devices not added: {named - result.added}.",
        ExceedTenGroupDeviceCount=result.exceeding,
        SuccessAddedDeviceCount=result.added,
        ValidDeviceCount=result.valid,
    )


class BatchDeleteDeviceGroupRelationsRequest(Request):
    GroupId: GroupIdParameter
    Device: DevicesParameter


class BatchDeleteDeviceGroupRelationsResponse(Response):
    AlreadyRelatedGroupDeviceCount: int
    SuccessDeviceCount: int
    ValidDeviceCount: int


@operation(qps=50)
async def BatchDeleteDeviceGroupRelations(
    ctx: Context, req: BatchDeleteDeviceGroupRelationsRequest
) -> BatchDeleteDeviceGroupRelationsResponse:
    group = await addressed(ctx, req.GroupId)
    devices, _ = await _named(ctx, req.Device)
    result = await ctx.service(GroupService).members.remove(group, devices)
    return BatchDeleteDeviceGroupRelationsResponse(
        # Every device that was in the group is removed, so these two never differ.
        AlreadyRelatedGroupDeviceCount=result.removed,
        SuccessDeviceCount=result.removed,
        ValidDeviceCount=result.valid,
    )


class QueryDeviceListByDeviceGroupRequest(Request):
    GroupId: GroupIdParameter
    PageSize: PageSizeParameter = 10
    CurrentPage: CurrentPageParameter = 1


class SimpleDeviceInfo(Struct):
    DeviceName: str
    IotId: str
    ProductKey: str
    ProductName: str | None = None


class SimpleDeviceInfos(Struct):
    SimpleDeviceInfo: list[SimpleDeviceInfo]


class QueryDeviceListByDeviceGroupResponse(Response):
    Data: SimpleDeviceInfos
    Page: int
    PageCount: int
    PageSize: int
    Total: int


@operation(qps=5)
async def QueryDeviceListByDeviceGroup(
    ctx: Context, req: QueryDeviceListByDeviceGroupRequest
) -> QueryDeviceListByDeviceGroupResponse:
    group = await addressed(ctx, req.GroupId)
    devices, total = await ctx.service(GroupService).members.page(group, req.CurrentPage, req.PageSize)
    names = await _product_names(ctx, devices)
    return QueryDeviceListByDeviceGroupResponse(
        Data=SimpleDeviceInfos(
            SimpleDeviceInfo=[
                SimpleDeviceInfo(
                    DeviceName=device.name,
                    IotId=device.iot_id,
                    ProductKey=device.product_key,
                    ProductName=names.get(device.product_key),
                )
                for device in devices
            ]
        ),
        Page=req.CurrentPage,
        PageCount=page_count(total, req.PageSize),
        PageSize=req.PageSize,
        Total=total,
    )


async def _product_names(ctx: Context, devices: list[Device]) -> dict[str, str]:
    """Return names by ProductKey; a product that was deleted with its devices just now is absent."""
    products = ctx.service(ProductService)
    ids = dict.fromkeys(device.product_id for device in devices)
    found = await asyncio.gather(*(products.find_id(product_id) for product_id in ids))
    return {product.product_key: product.name for product in found if product is not None}

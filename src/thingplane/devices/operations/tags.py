"""SaveDeviceProp, QueryDeviceProp, DeleteDeviceProp and QueryDeviceByTags."""

from typing import Annotated

import msgspec

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.devices import errors
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.devices.service import Device, DeviceService
from thingplane.devices.tags import check_key, read_tags
from thingplane.products.service import ProductService


class SaveDevicePropRequest(DeviceRequest):
    Props: Annotated[str, Field(empty=errors.NULL_DEVICE_PROPERTIES_STRING, doc="JSON object of tags; at most 5 KB.")]


class SaveDevicePropResponse(Response):
    pass


@operation(qps=50)
async def SaveDeviceProp(ctx: Context, req: SaveDevicePropRequest) -> SaveDevicePropResponse:
    tags = read_tags(req.Props)
    await ctx.service(DeviceService).tags.save(await addressed(ctx, req), tags)
    return SaveDevicePropResponse()


class QueryDevicePropRequest(DeviceRequest):
    pass


class QueryDevicePropResponse(Response):
    Props: str


@operation(qps=50)
async def QueryDeviceProp(ctx: Context, req: QueryDevicePropRequest) -> QueryDevicePropResponse:
    device = await addressed(ctx, req)
    tags = await ctx.service(DeviceService).tags.of([device.id])
    return QueryDevicePropResponse(Props=msgspec.json.encode(tags.get(device.id, {})).decode())


class DeleteDevicePropRequest(DeviceRequest):
    PropKey: Annotated[str, Field(empty=errors.NULL_DEVICE_PROPERTY_KEY, doc="A key the device has not is no failure.")]


class DeleteDevicePropResponse(Response):
    pass


@operation(qps=500)
async def DeleteDeviceProp(ctx: Context, req: DeleteDevicePropRequest) -> DeleteDevicePropResponse:
    check_key(req.PropKey)
    await ctx.service(DeviceService).tags.delete(await addressed(ctx, req), [req.PropKey])
    return DeleteDevicePropResponse()


class DeviceTag(Struct):
    TagKey: Annotated[str, Field(empty=errors.NULL_DEVICE_PROPERTY_KEY)]
    TagValue: str


class QueryDeviceByTagsRequest(Request):
    Tag: Annotated[list[DeviceTag], Field(min_items=1, max_items=10, doc="Devices that have all of them are found.")]
    CurrentPage: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1)] = 1
    PageSize: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1, maximum=50)] = 10


class TaggedDevice(Struct):
    DeviceName: str
    IotId: str
    ProductKey: str
    ProductName: str


class TaggedDevices(Struct):
    SimpleDeviceInfo: list[TaggedDevice]


class QueryDeviceByTagsResponse(Response):
    Total: int
    PageCount: int
    PageSize: int
    Page: int
    Data: TaggedDevices


@operation(qps=5)
async def QueryDeviceByTags(ctx: Context, req: QueryDeviceByTagsRequest) -> QueryDeviceByTagsResponse:
    tags, size = [(tag.TagKey, tag.TagValue) for tag in req.Tag], req.PageSize
    total, page = await ctx.service(DeviceService).lists.by_tags(
        ctx.instance.id, tags, size, (req.CurrentPage - 1) * size
    )
    return QueryDeviceByTagsResponse(
        Total=total,
        PageCount=-(-total // size),
        PageSize=size,
        Page=req.CurrentPage,
        Data=TaggedDevices(SimpleDeviceInfo=[await _tagged(ctx, device) for device in page]),
    )


async def _tagged(ctx: Context, device: Device) -> TaggedDevice:
    product = await ctx.service(ProductService).get(ctx.instance.id, device.product_key)
    return TaggedDevice(
        DeviceName=device.name, IotId=device.iot_id, ProductKey=device.product_key, ProductName=product.name
    )

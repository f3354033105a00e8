"""QueryDeviceByStatus and QueryDeviceStatistics."""

from typing import Annotated, Final

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.cloud.times import gmt, utc
from thingplane.devices.service import DeviceService
from thingplane.groups.service import GroupService
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.products.service import ProductService

WORDS: Final = {0: "UNACTIVE", 1: "ONLINE", 3: "OFFLINE", 8: "DISABLE"}
"""Words for the numbers of states (guide 4.8.34; 8 is known to the SDK only)."""

_ALL: Final = 1_000_000


class QueryDeviceByStatusRequest(Request):
    Status: Annotated[int, Field(choices=tuple(WORDS), doc="0 never activated, 1 online, 3 offline, 8 disabled.")]
    ProductKey: Annotated[str | None, Field(empty=NULL_PRODUCT_KEY)] = None
    CurrentPage: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1)] = 1
    PageSize: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1, maximum=50)] = 10
    ResourceGroupId: Annotated[str | None, Field(doc="Only devices of products in this resource group.")] = None


class DeviceInState(Struct):
    IotId: str
    DeviceName: str
    ProductKey: str
    DeviceSecret: str
    Status: str
    GmtCreate: str | None
    UtcCreate: str | None
    GmtModified: str | None
    UtcModified: str | None
    Nickname: str | None = None


class DevicesInState(Struct):
    SimpleDeviceInfo: list[DeviceInState]


class QueryDeviceByStatusResponse(Response):
    Total: int
    PageCount: int
    PageSize: int
    Page: int
    Data: DevicesInState


@operation(qps=50)
async def QueryDeviceByStatus(ctx: Context, req: QueryDeviceByStatusRequest) -> QueryDeviceByStatusResponse:
    size = req.PageSize
    total, page = await ctx.service(DeviceService).lists.by_status(
        ctx.instance.id, req.Status, size, (req.CurrentPage - 1) * size, await _products(ctx, req)
    )
    return QueryDeviceByStatusResponse(
        Total=total,
        PageCount=-(-total // size),
        PageSize=size,
        Page=req.CurrentPage,
        Data=DevicesInState(
            SimpleDeviceInfo=[
                DeviceInState(
                    IotId=device.iot_id,
                    DeviceName=device.name,
                    ProductKey=device.product_key,
                    DeviceSecret=device.secret,
                    # What it was found by, even if it has changed since.
                    Status=WORDS[req.Status],
                    GmtCreate=gmt(device.created_at),
                    UtcCreate=utc(device.created_at),
                    GmtModified=gmt(device.modified_at),
                    UtcModified=utc(device.modified_at),
                    Nickname=device.nickname,
                )
                for device in page
            ]
        ),
    )


async def _products(ctx: Context, req: QueryDeviceByStatusRequest) -> list[int] | None:
    """Return the keys of the products that the call is limited to, None for all."""
    products = ctx.service(ProductService)
    wanted = None if req.ProductKey is None else await products.get(ctx.instance.id, req.ProductKey)
    if req.ResourceGroupId:
        grouped, _ = await products.page(ctx.instance.id, 1, _ALL, resource_group_id=req.ResourceGroupId)
        return [product.id for product in grouped if wanted is None or product.id == wanted.id]
    return None if wanted is None else [wanted.id]


class QueryDeviceStatisticsRequest(Request):
    ProductKey: Annotated[str | None, Field(empty=NULL_PRODUCT_KEY)] = None
    GroupId: Annotated[str | None, Field(doc="With ProductKey: devices of the product that are in the group.")] = None


class DeviceNumbers(Struct):
    deviceCount: int
    activeCount: int
    onlineCount: int


class QueryDeviceStatisticsResponse(Response):
    Data: DeviceNumbers


@operation(qps=50)
async def QueryDeviceStatistics(ctx: Context, req: QueryDeviceStatisticsRequest) -> QueryDeviceStatisticsResponse:
    product = among = None
    if req.ProductKey is not None:
        product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    if req.GroupId is not None:
        groups = ctx.service(GroupService)
        group = await groups.get(ctx.instance.id, req.GroupId)
        among = groups.members.device_ids(ctx.instance.id, group.group_id)
    numbers = await ctx.service(DeviceService).lists.statistics(
        ctx.instance.id, product_id=None if product is None else product.id, among=among
    )
    return QueryDeviceStatisticsResponse(
        Data=DeviceNumbers(deviceCount=numbers.total, activeCount=numbers.activated, onlineCount=numbers.online)
    )

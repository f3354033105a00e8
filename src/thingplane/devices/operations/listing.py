"""QueryDevice."""

from datetime import UTC, datetime
from typing import Annotated, Final

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.cloud.times import utc
from thingplane.devices.page_token import read_token, write_token
from thingplane.devices.service import Device, DeviceService
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.products.service import ProductService

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

MAX_WITHOUT_TOKEN: Final = 10_000
"""Devices that pages reach without a NextToken (guide: QueryDevice)."""
MAX_WITH_TOKEN: Final = 500_000
"""Devices that pages stay below with a NextToken (guide: QueryDevice)."""


class QueryDeviceRequest(Request):
    ProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
    PageSize: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1, maximum=50)] = 10
    CurrentPage: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1)] = 1
    NextToken: Annotated[
        str | None,
        Field(doc="From the previous answer: the page goes on after its last device, whatever CurrentPage says."),
    ] = None


class ListedDevice(Struct):
    IotId: str
    DeviceId: str
    ProductKey: str
    DeviceName: str
    DeviceSecret: str
    DeviceStatus: str
    GmtCreate: str
    UtcCreate: str | None
    GmtModified: str
    UtcModified: str | None
    Nickname: str | None = None


class ListedDevices(Struct):
    DeviceInfo: list[ListedDevice]


class QueryDeviceResponse(Response):
    Total: int
    PageCount: int
    PageSize: int
    Page: int
    NextToken: str
    Data: ListedDevices


@operation(qps=50, deep_qps=2)
async def QueryDevice(ctx: Context, req: QueryDeviceRequest) -> QueryDeviceResponse:
    devices = ctx.service(DeviceService)
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    size, reach = req.PageSize, req.PageSize * req.CurrentPage
    if req.NextToken:
        if reach >= MAX_WITH_TOKEN:
            raise INVALID_PAGE_PARAMS(f"PageSize times CurrentPage must be below {MAX_WITH_TOKEN}.")
        total, page = await devices.lists.of_product(product.id, size + 1, before=read_token(product.id, req.NextToken))
    else:
        if reach > MAX_WITHOUT_TOKEN:
            raise INVALID_PAGE_PARAMS(f"PageSize times CurrentPage above {MAX_WITHOUT_TOKEN} needs a NextToken.")
        total, page = await devices.lists.of_product(product.id, size + 1, offset=reach - size)
    listed = page[:size]
    return QueryDeviceResponse(
        Total=total,
        PageCount=-(-total // size),
        PageSize=size,
        Page=req.CurrentPage,
        NextToken=write_token(product.id, listed[-1].id) if len(page) > size else "",
        Data=ListedDevices(DeviceInfo=[_listed(devices, device) for device in listed]),
    )


def _listed(devices: DeviceService, device: Device) -> ListedDevice:
    return ListedDevice(
        IotId=device.iot_id,
        DeviceId=device.device_id,
        ProductKey=device.product_key,
        DeviceName=device.name,
        DeviceSecret=device.secret,
        DeviceStatus=devices.status(device),
        GmtCreate=english_date(device.created_at),
        UtcCreate=utc(device.created_at),
        GmtModified=english_date(device.modified_at),
        UtcModified=utc(device.modified_at),
        Nickname=device.nickname,
    )


def english_date(ms: int) -> str:
    """Return the date form of this operation alone: ``Wed, 20-Feb-2019 02:16:09 GMT``, whatever the locale is."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{_DAYS[moment.weekday()]}, {moment:%d}-{_MONTHS[moment.month - 1]}-{moment:%Y %H:%M:%S} GMT"

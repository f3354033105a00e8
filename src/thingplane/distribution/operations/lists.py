"""ListDistributedProduct and ListDistributedDevice."""

from typing import Any

from thingplane.cloud import Context, Request, Response, Struct, operation
from thingplane.distribution.operations import (
    DEFAULT_PAGE_SIZE,
    PageParameter,
    PageSizeParameter,
    TargetUidFilter,
    is_foreign,
)
from thingplane.distribution.service import Copy, Distributed, DistributionService


class Ends(Struct):
    """Where something was distributed from, and to. The fields of an instance that is gone are left out."""

    SourceInstanceId: str | None = None
    SourceInstanceName: str | None = None
    SourceRegion: str
    SourceUid: str
    TargetAliyunId: str
    TargetInstanceId: str | None = None
    TargetInstanceName: str | None = None
    TargetRegion: str
    TargetUid: str


class ListDistributedProductRequest(Request):
    CurrentPage: PageParameter = 1
    PageSize: PageSizeParameter = DEFAULT_PAGE_SIZE
    ProductKey: str | None = None
    SourceInstanceId: str | None = None
    TargetInstanceId: str | None = None
    TargetUid: TargetUidFilter = None


class DistributedProduct(Ends):
    GmtCreate: int
    ProductKey: str


class DistributedProducts(Struct):
    items: list[DistributedProduct]


class DistributedProductPage(Struct):
    Info: DistributedProducts
    Total: int


class ListDistributedProductResponse(Response):
    Data: DistributedProductPage


@operation(qps=5)
async def ListDistributedProduct(ctx: Context, req: ListDistributedProductRequest) -> ListDistributedProductResponse:
    found: list[Copy] = []
    total = 0
    if not is_foreign(ctx, req.TargetUid):
        found, total = await ctx.service(DistributionService).products(
            req.CurrentPage,
            req.PageSize,
            product_key=req.ProductKey or None,
            source=req.SourceInstanceId or None,
            target=req.TargetInstanceId or None,
        )
    ends = await _Ends.of(ctx)
    items = [
        DistributedProduct(
            GmtCreate=copy.created_at,
            ProductKey=copy.product_key,
            **ends.between(copy.source_instance, copy.instance_id),
        )
        for copy in found
    ]
    return ListDistributedProductResponse(
        Data=DistributedProductPage(Info=DistributedProducts(items=items), Total=total)
    )


class ListDistributedDeviceRequest(Request):
    CurrentPage: PageParameter = 1
    PageSize: PageSizeParameter = DEFAULT_PAGE_SIZE
    ProductKey: str | None = None
    DeviceName: str | None = None
    SourceInstanceId: str | None = None
    TargetUid: TargetUidFilter = None


class DistributedDevice(Ends):
    DeviceName: str
    GmtCreate: int
    GmtModified: int
    ProductKey: str


class DistributedDevices(Struct):
    items: list[DistributedDevice]


class DistributedDevicePage(Struct):
    Info: DistributedDevices
    Total: int


class ListDistributedDeviceResponse(Response):
    Data: DistributedDevicePage


@operation(qps=5)
async def ListDistributedDevice(ctx: Context, req: ListDistributedDeviceRequest) -> ListDistributedDeviceResponse:
    found: list[Distributed] = []
    total = 0
    if not is_foreign(ctx, req.TargetUid):
        found, total = await ctx.service(DistributionService).devices(
            req.CurrentPage,
            req.PageSize,
            product_key=req.ProductKey or None,
            name=req.DeviceName or None,
            source=req.SourceInstanceId or None,
        )
    ends = await _Ends.of(ctx)
    items = [
        DistributedDevice(
            DeviceName=device.name,
            GmtCreate=device.created_at,
            GmtModified=device.modified_at,
            ProductKey=device.product_key,
            **ends.between(device.source_instance, device.instance_id),
        )
        for device in found
    ]
    return ListDistributedDeviceResponse(Data=DistributedDevicePage(Info=DistributedDevices(items=items), Total=total))


class _Ends:
    """Names the instances of a list."""

    def __init__(self, ctx: Context, ids: dict[int, str], names: dict[str, str]) -> None:
        self._account = ctx.caller.account_id
        self._region = ctx.service(DistributionService).region
        self._ids = ids
        self._names = names

    @classmethod
    async def of(cls, ctx: Context) -> "_Ends":
        """Read what the instances are called."""
        return cls(ctx, *await ctx.service(DistributionService).places())

    def between(self, source: int, target: int) -> dict[str, Any]:
        """Return the fields that ``Ends`` has."""
        from_, to = self._ids.get(source), self._ids.get(target)
        return {
            "SourceInstanceId": from_,
            "SourceInstanceName": self._names.get(from_ or ""),
            "SourceRegion": self._region,
            "SourceUid": self._account,
            "TargetAliyunId": self._account,
            "TargetInstanceId": to,
            "TargetInstanceName": self._names.get(to or ""),
            "TargetRegion": self._region,
            "TargetUid": self._account,
        }

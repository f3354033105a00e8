"""CreateDataSourceItem and ListDataSourceItem."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER, INVALID_PAGE_PARAMS
from thingplane.devices.errors import NULL_DEVICE_NAME
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.rules.service import DataSourceItem, DataSourceService
from thingplane.topics.errors import NULL_TOPIC_NAME


class CreateDataSourceItemRequest(Request):
    DataSourceId: Annotated[int, Field(minimum=1, doc="A data source is made with its first item.")]
    Topic: Annotated[
        str,
        Field(
            empty=NULL_TOPIC_NAME,
            doc="Full topic, with + or # as documented. It is kept and listed; nothing is forwarded, which rules do.",
        ),
    ]
    ScopeType: Annotated[str | None, Field(max_length=16, doc="Such as DEVICE or PRODUCT.")] = None
    ProductKey: str | None = None
    DeviceName: Annotated[str | None, Field(max_length=64, doc="Mandatory when ScopeType is DEVICE.")] = None


class CreateDataSourceItemResponse(Response):
    pass


@operation(qps=10)
async def CreateDataSourceItem(ctx: Context, req: CreateDataSourceItemRequest) -> CreateDataSourceItemResponse:
    if req.ScopeType in {"PRODUCT", "DEVICE"} and not req.ProductKey:
        raise NULL_PRODUCT_KEY()
    if req.ScopeType == "DEVICE" and not req.DeviceName:
        raise NULL_DEVICE_NAME()
    if req.ProductKey and f"/{req.ProductKey}/" not in req.Topic:
        raise INVALID_FORMATTED_PARAMETER("Topic and ProductKey are not of the same product.")
    item = DataSourceItem(
        data_source_id=req.DataSourceId,
        topic=req.Topic,
        scope_type=req.ScopeType,
        product_key=req.ProductKey or None,
        device_name=req.DeviceName or None,
    )
    await ctx.service(DataSourceService).add(ctx.instance.id, item)
    return CreateDataSourceItemResponse()


class ListDataSourceItemRequest(Request):
    DataSourceId: Annotated[int, Field(minimum=1)]
    Page: Annotated[int, Field(minimum=1, invalid=INVALID_PAGE_PARAMS)] = 1
    PageSize: Annotated[int, Field(minimum=1, maximum=100, invalid=INVALID_PAGE_PARAMS)] = 10
    SearchName: Annotated[str, Field(doc="Text anywhere in the topic.")] = ""


class DataSourceItemInfo(Struct):
    DataSourceItemId: int
    DeviceName: str | None = None
    ProductKey: str | None = None
    ScopeType: str | None = None
    Topic: str


class DataSourceItemInfos(Struct):
    dataSourceItem: list[DataSourceItemInfo]


class ListDataSourceItemResponse(Response):
    DataSourceItems: DataSourceItemInfos
    Page: int
    PageSize: int
    Total: int


@operation(qps=10)
async def ListDataSourceItem(ctx: Context, req: ListDataSourceItemRequest) -> ListDataSourceItemResponse:
    found, total = await ctx.service(DataSourceService).page(
        ctx.instance.id, req.DataSourceId, req.Page, req.PageSize, req.SearchName
    )
    infos = [
        DataSourceItemInfo(
            DataSourceItemId=item.id,
            DeviceName=item.device_name,
            ProductKey=item.product_key,
            ScopeType=item.scope_type,
            Topic=item.topic,
        )
        for item in found
    ]
    return ListDataSourceItemResponse(
        DataSourceItems=DataSourceItemInfos(dataSourceItem=infos), Page=req.Page, PageSize=req.PageSize, Total=total
    )

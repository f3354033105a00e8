"""QueryProduct and QueryProductList."""

from typing import Annotated, Final

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.products.operations import CommodityCodeParameter, ProductKeyParameter
from thingplane.products.service import Product, ProductService

NET_TYPES: Final = {"WIFI": 3, "CELLULAR": 6, "ETHERNET": 7, "OTHER": 8}
"""Numbers that QueryProduct gives for the words of CreateProduct (guide 4.7.2)."""


class QueryProductRequest(Request):
    ProductKey: ProductKeyParameter


class ProductDetail(Struct):
    AliyunCommodityCode: str
    AuthType: str
    CategoryKey: str | None = None
    CategoryName: str | None = None
    DataFormat: int | None = None
    Description: str | None = None
    DeviceCount: int
    GmtCreate: int
    Id2: bool
    NetType: int
    NodeType: int
    Owner: bool
    ProductKey: str
    ProductName: str
    ProductSecret: str
    ProductStatus: str
    ProtocolType: str | None = None
    ValidateType: int


class QueryProductResponse(Response):
    Data: ProductDetail


@operation(qps=50)
async def QueryProduct(ctx: Context, req: QueryProductRequest) -> QueryProductResponse:
    service = ctx.service(ProductService)
    product = await service.get(ctx.instance.id, req.ProductKey)
    counts = await service.device_counts([product.id])
    detail = ProductDetail(
        AliyunCommodityCode=product.commodity_code,
        AuthType=product.auth_type,
        CategoryKey=product.category_key,
        CategoryName=product.category_name,
        DataFormat=product.data_format if product.senior else None,
        Description=product.description,
        DeviceCount=counts.get(product.id, 0),
        GmtCreate=product.created_at,
        Id2=product.id2,
        NetType=NET_TYPES[product.net_type],
        NodeType=product.node_type,
        # Products are not shared between accounts.
        Owner=True,
        ProductKey=product.product_key,
        ProductName=product.name,
        ProductSecret=product.product_secret,
        ProductStatus=product.status,
        ProtocolType=product.protocol_type if product.senior else None,
        ValidateType=product.validate_type,
    )
    return QueryProductResponse(Data=detail)


class QueryProductListRequest(Request):
    CurrentPage: Annotated[int, Field(minimum=1, invalid=INVALID_PAGE_PARAMS)]
    PageSize: Annotated[int, Field(minimum=1, maximum=200, invalid=INVALID_PAGE_PARAMS)] = 10
    ResourceGroupId: Annotated[str | None, Field(doc="Only products in this resource group.")] = None
    AliyunCommodityCode: CommodityCodeParameter = None


class ListedProduct(Struct):
    AuthType: str
    DataFormat: int | None = None
    Description: str | None = None
    DeviceCount: int
    GmtCreate: int
    NodeType: int
    ProductKey: str
    ProductName: str


class ListedProducts(Struct):
    ProductInfo: list[ListedProduct]


class ProductPage(Struct):
    CurrentPage: int
    List: ListedProducts
    PageCount: int
    PageSize: int
    Total: int


class QueryProductListResponse(Response):
    Data: ProductPage


@operation(qps=50, deep_qps=2)
async def QueryProductList(ctx: Context, req: QueryProductListRequest) -> QueryProductListResponse:
    service = ctx.service(ProductService)
    products, total = await service.page(
        ctx.instance.id,
        req.CurrentPage,
        req.PageSize,
        senior=None if req.AliyunCommodityCode is None else req.AliyunCommodityCode == "iothub_senior",
        resource_group_id=req.ResourceGroupId or None,
    )
    counts = await service.device_counts([product.id for product in products])
    page = ProductPage(
        CurrentPage=req.CurrentPage,
        List=ListedProducts(ProductInfo=[_listed(product, counts.get(product.id, 0)) for product in products]),
        PageCount=-(-total // req.PageSize),
        PageSize=req.PageSize,
        Total=total,
    )
    return QueryProductListResponse(Data=page)


def _listed(product: Product, device_count: int) -> ListedProduct:
    return ListedProduct(
        AuthType=product.auth_type,
        DataFormat=product.data_format if product.senior else None,
        Description=product.description,
        DeviceCount=device_count,
        GmtCreate=product.created_at,
        NodeType=product.node_type,
        ProductKey=product.product_key,
        ProductName=product.name,
    )

"""CreateProduct."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import API_NOT_SUPPORTED_IN_INSTANCE, INVALID_FORMATTED_PARAMETER
from thingplane.products import errors
from thingplane.products.operations import CommodityCodeParameter, DescriptionParameter, ProductNameParameter
from thingplane.products.service import NewProduct, Product, ProductService


class CreateProductRequest(Request):
    NodeType: Annotated[int, Field(invalid=errors.INVALID_NODE_TYPE, choices=(0, 1), doc="0: device; 1: gateway.")]
    ProductName: ProductNameParameter
    DataFormat: Annotated[
        int | None, Field(choices=(0, 1), doc="0: custom; 1: Alink JSON. Mandatory for iothub_senior.")
    ] = None
    Description: DescriptionParameter = None
    AliyunCommodityCode: CommodityCodeParameter = None
    Id2: Annotated[bool, Field(doc="Without effect: devices authenticate as AuthType says.")] = False
    ProtocolType: Annotated[
        str | None,
        Field(choices=("modbus", "opc-ua", "customize", "ble", "zigbee"), doc="How sub-devices reach their gateway."),
    ] = None
    NetType: Annotated[
        str, Field(choices=("WIFI", "CELLULAR", "ETHERNET", "OTHER", "LORA"), doc="LORA is not offered.")
    ] = "WIFI"
    JoinPermissionId: Annotated[str | None, Field(doc="For LORA, which is not offered.")] = None
    ResourceGroupId: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    AuthType: Annotated[str, Field(choices=("secret", "id2", "x509"), doc="secret or x509; id2 is not offered.")] = (
        "secret"
    )
    CategoryKey: Annotated[
        str | None,
        Field(
            invalid=errors.INVALID_FORMATTED_CAT_ID,
            min_length=1,
            doc="Category whose thing model an iothub_senior product starts from (see ListThingTemplates).",
        ),
    ] = None
    PublishAuto: Annotated[bool, Field(doc="Whether the thing model is published at once.")] = True
    ValidateType: Annotated[
        int, Field(choices=(1, 2), doc="1: check identifiers and data types; 2: check nothing.")
    ] = 1


class CreatedProduct(Struct):
    AliyunCommodityCode: str
    AuthType: str
    DataFormat: int | None = None
    Description: str | None = None
    Id2: bool
    NodeType: int
    ProductKey: str
    ProductName: str
    ProductSecret: str
    ProtocolType: str | None = None
    ResourceGroupId: str | None = None


class CreateProductResponse(Response):
    Data: CreatedProduct
    ProductKey: str


@operation(qps=50)
async def CreateProduct(ctx: Context, req: CreateProductRequest) -> CreateProductResponse:
    products = ctx.service(ProductService)
    category_name = None if req.CategoryKey is None else products.category_name(req.CategoryKey)
    if req.CategoryKey is not None and category_name is None:
        raise errors.INVALID_FORMATTED_CAT_ID()
    product = await products.create(ctx.instance.id, _new_product(req, category_name))
    return CreateProductResponse(Data=_created(product), ProductKey=product.product_key)


def _new_product(req: CreateProductRequest, category_name: str | None) -> NewProduct:
    senior = req.AliyunCommodityCode == "iothub_senior"
    if senior and req.DataFormat is None:
        raise INVALID_FORMATTED_PARAMETER("DataFormat is mandatory when AliyunCommodityCode is iothub_senior.")
    if req.NetType == "LORA":
        raise API_NOT_SUPPORTED_IN_INSTANCE("NetType LORA: LoRaWAN networks are not offered.")
    if req.AuthType == "id2":
        raise API_NOT_SUPPORTED_IN_INSTANCE("AuthType id2 is not offered.")
    return NewProduct(
        name=req.ProductName,
        node_type=req.NodeType,
        data_format=req.DataFormat,
        senior=senior,
        description=req.Description,
        auth_type=req.AuthType,
        # Id2 without AuthType=id2 gives way to AuthType (guide 4.7.1), so it can only be false.
        id2=False,
        protocol_type=req.ProtocolType,
        net_type=req.NetType,
        validate_type=req.ValidateType,
        publish_auto=req.PublishAuto,
        # A category is nothing but its thing model, so basic products have none.
        category_key=req.CategoryKey if senior else None,
        category_name=category_name if senior else None,
        resource_group_id=req.ResourceGroupId,
    )


def _created(product: Product) -> CreatedProduct:
    return CreatedProduct(
        AliyunCommodityCode=product.commodity_code,
        AuthType=product.auth_type,
        DataFormat=product.data_format if product.senior else None,
        Description=product.description,
        Id2=product.id2,
        NodeType=product.node_type,
        ProductKey=product.product_key,
        ProductName=product.name,
        ProductSecret=product.product_secret,
        ProtocolType=product.protocol_type if product.senior else None,
        ResourceGroupId=product.resource_group_id,
    )

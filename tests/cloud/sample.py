"""A few operations to call, apart from the registry of the real ones. Their names are documented ones."""

import asyncio
from typing import Annotated

from thingplane.cloud import Context, ErrorCode, Field, Operation, Request, Response, Struct
from thingplane.cloud.registry import Handler

NULL_PRODUCT_KEY = ErrorCode("iot.prod.NullProductKey", "The ProductKey is empty.")
INVALID_PRODUCT_KEY = ErrorCode("iot.prod.InvalidFormattedProductkey", "The ProductKey is malformed.")
NOT_EXISTED = ErrorCode("iot.prod.NotExistedProduct", "The product does not exist.")
TOO_MANY_TAGS = ErrorCode("iot.common.TooManyTags", "Too many tags.")


class QueryProductRequest(Request):
    ProductKey: Annotated[str, Field(empty=NULL_PRODUCT_KEY, invalid=INVALID_PRODUCT_KEY, pattern="[A-Za-z0-9]{1,20}")]


class ProductInfo(Struct):
    ProductKey: str
    ProductName: str | None = None
    GmtCreate: int
    Owner: bool


class QueryProductResponse(Response):
    Data: ProductInfo


async def query_product(ctx: Context, req: QueryProductRequest) -> QueryProductResponse:
    if req.ProductKey == "missing":
        raise NOT_EXISTED(f"There is no product {req.ProductKey}.")
    if req.ProductKey == "broken":
        raise RuntimeError("the disk is on fire")
    name = ctx.instance.instance_id
    return QueryProductResponse(Data=ProductInfo(ProductKey=req.ProductKey, ProductName=name, GmtCreate=7, Owner=True))


class TagParam(Struct):
    TagKey: Annotated[str, Field(min_length=1, max_length=30)]
    TagValue: str | None = None


class CreateProductTagsRequest(Request):
    ProductKey: str
    ProductTag: Annotated[list[TagParam], Field(max_items=2, too_many=TOO_MANY_TAGS)]


class Empty(Response):
    pass


async def create_product_tags(_ctx: Context, req: CreateProductTagsRequest) -> Empty:
    if any(tag.TagValue == "gone" for tag in req.ProductTag):
        raise NOT_EXISTED(" ".join(f"{tag.TagKey}={tag.TagValue}" for tag in req.ProductTag))
    return Empty()


class RRpcRequest(Request):
    ProductKey: str
    DeviceName: str
    RequestBase64Byte: Annotated[str, Field(base64=True)]
    Timeout: Annotated[int, Field(minimum=1000, maximum=8000)]


class RRpcResponse(Response):
    RrpcCode: str
    PayloadBase64Byte: str
    MessageId: int


async def rrpc(_ctx: Context, req: RRpcRequest) -> RRpcResponse:
    await asyncio.sleep(0)
    return RRpcResponse(RrpcCode="SUCCESS", PayloadBase64Byte=req.RequestBase64Byte, MessageId=2**62)


def declare(name: str, handler: Handler, request: type[Request], response: type[Response], qps: int = 3) -> Operation:
    return Operation(name, handler, request, response, qps, __name__)


OPERATIONS = {
    operation.name: operation
    for operation in (
        declare("QueryProduct", query_product, QueryProductRequest, QueryProductResponse),
        declare("CreateProductTags", create_product_tags, CreateProductTagsRequest, Empty),
        declare("RRpc", rrpc, RRpcRequest, RRpcResponse),
    )
}

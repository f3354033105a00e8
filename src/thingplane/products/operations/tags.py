"""CreateProductTags, UpdateProductTags, DeleteProductTags, ListProductTags and ListProductByTags."""

from typing import Annotated

import msgspec

from thingplane.cloud import BusinessError, Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER, INVALID_PAGE_PARAMS
from thingplane.products.operations import ProductKeyParameter
from thingplane.products.service import ProductService
from thingplane.products.tags import MAX_TAGS, InvalidTagsError


class ProductTag(Struct):
    TagKey: Annotated[str | None, Field(doc="1 to 30 letters, digits, periods.")] = None
    TagValue: Annotated[str | None, Field(doc="1 to 128 letters, digits, underscores, hyphens.")] = None


class ProductTags(Struct):
    ProductTag: list[ProductTag]


# Tags are optional in the documentation, although a call without them does nothing; it is refused by the operation.
TagsParameter = Annotated[list[ProductTag], Field(max_items=10)]


def _given(tags: list[ProductTag]) -> list[tuple[str | None, str | None]]:
    if not tags:
        raise INVALID_FORMATTED_PARAMETER("ProductTag: at least one tag is needed.")
    return [(tag.TagKey, tag.TagValue) for tag in tags]


def _refusal(
    error: InvalidTagsError, answer: type["CreateProductTagsResponse | UpdateProductTagsResponse"]
) -> BusinessError:
    tags = ProductTags(ProductTag=[ProductTag(TagKey=key, TagValue=value) for key, value in error.tags])
    return INVALID_FORMATTED_PARAMETER(error.reason, answer(InvalidProductTags=tags))


class CreateProductTagsRequest(Request):
    ProductKey: ProductKeyParameter
    ProductTag: TagsParameter = msgspec.field(default_factory=list)


class CreateProductTagsResponse(Response):
    InvalidProductTags: ProductTags | None = None


@operation(qps=500)
async def CreateProductTags(ctx: Context, req: CreateProductTagsRequest) -> CreateProductTagsResponse:
    products = ctx.service(ProductService)
    tags = _given(req.ProductTag)
    product = await products.get(ctx.instance.id, req.ProductKey)
    try:
        await products.tags.create(product.id, tags)
    except InvalidTagsError as error:
        raise _refusal(error, CreateProductTagsResponse) from error
    return CreateProductTagsResponse()


class UpdateProductTagsRequest(Request):
    ProductKey: ProductKeyParameter
    ProductTag: TagsParameter = msgspec.field(default_factory=list)


class UpdateProductTagsResponse(Response):
    InvalidProductTags: ProductTags | None = None


@operation(qps=500)
async def UpdateProductTags(ctx: Context, req: UpdateProductTagsRequest) -> UpdateProductTagsResponse:
    products = ctx.service(ProductService)
    tags = _given(req.ProductTag)
    product = await products.get(ctx.instance.id, req.ProductKey)
    try:
        await products.tags.update(product.id, tags)
    except InvalidTagsError as error:
        raise _refusal(error, UpdateProductTagsResponse) from error
    return UpdateProductTagsResponse()


class DeleteProductTagsRequest(Request):
    ProductKey: ProductKeyParameter
    ProductTagKey: Annotated[list[str], Field(min_items=1, max_items=10, pattern="[A-Za-z0-9.]{1,30}")]


class DeleteProductTagsResponse(Response):
    pass


@operation(qps=500)
async def DeleteProductTags(ctx: Context, req: DeleteProductTagsRequest) -> DeleteProductTagsResponse:
    products = ctx.service(ProductService)
    product = await products.get(ctx.instance.id, req.ProductKey)
    await products.tags.delete(product.id, req.ProductTagKey)
    return DeleteProductTagsResponse()


class ListProductTagsRequest(Request):
    ProductKey: ProductKeyParameter


class ListProductTagsResponse(Response):
    Data: ProductTags


@operation(qps=500)
async def ListProductTags(ctx: Context, req: ListProductTagsRequest) -> ListProductTagsResponse:
    products = ctx.service(ProductService)
    product = await products.get(ctx.instance.id, req.ProductKey)
    tags = await products.tags.list(product.id)
    found = [ProductTag(TagKey=key, TagValue=value) for key, value in tags]
    return ListProductTagsResponse(Data=ProductTags(ProductTag=found))


class WantedTag(Struct):
    TagKey: Annotated[str, Field(doc="Key that products must have.")]
    TagValue: Annotated[str | None, Field(min_length=1, doc="Value of the key; without it any.")] = None


class ListProductByTagsRequest(Request):
    ProductTag: Annotated[list[WantedTag], Field(min_items=1, max_items=MAX_TAGS)]
    CurrentPage: Annotated[int, Field(minimum=1, invalid=INVALID_PAGE_PARAMS)] = 1
    PageSize: Annotated[int, Field(minimum=1, maximum=50, invalid=INVALID_PAGE_PARAMS)] = 10


class TaggedProduct(Struct):
    CreateTime: int
    Description: str | None = None
    NodeType: int
    ProductKey: str
    ProductName: str


class TaggedProducts(Struct):
    ProductInfo: list[TaggedProduct]


class ListProductByTagsResponse(Response):
    ProductInfos: TaggedProducts


@operation(qps=500)
async def ListProductByTags(ctx: Context, req: ListProductByTagsRequest) -> ListProductByTagsResponse:
    tags = [(tag.TagKey, tag.TagValue) for tag in req.ProductTag]
    found = await ctx.service(ProductService).page_by_tags(ctx.instance.id, tags, req.CurrentPage, req.PageSize)
    products = [
        TaggedProduct(
            CreateTime=product.created_at,
            Description=product.description,
            NodeType=product.node_type,
            ProductKey=product.product_key,
            ProductName=product.name,
        )
        for product in found
    ]
    return ListProductByTagsResponse(ProductInfos=TaggedProducts(ProductInfo=products))

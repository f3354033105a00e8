"""Cloud API operations of topic categories (guide: 4.12.1 to 4.12.4)."""

from typing import Annotated, Final, TypeAlias, cast

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.products.errors import INVALID_FORMATTED_PRODUCT_KEY, NULL_PRODUCT_KEY
from thingplane.products.service import ProductService
from thingplane.topics import errors
from thingplane.topics.naming import full_name
from thingplane.topics.service import TopicOperation, TopicService

OPERATION_NUMBERS: Final[dict[TopicOperation, str]] = {"PUB": "0", "SUB": "1", "ALL": "2"}
"""Numbers that QueryProductTopic gives for the words of the other operations (guide 4.12.3)."""

ProductKeyParameter: TypeAlias = Annotated[
    str, Field(empty=NULL_PRODUCT_KEY, invalid=INVALID_FORMATTED_PRODUCT_KEY, pattern="[A-Za-z0-9]{1,20}")
]
TopicIdParameter: TypeAlias = Annotated[
    str,
    Field(
        empty=errors.NULL_TOPIC_TEMPLATE_ID,
        invalid=errors.INVALID_FORMATTED_TOPIC_TEMPLATE_ID,
        pattern="[0-9]{1,18}",
    ),
]
ShortNameParameter: TypeAlias = Annotated[
    str,
    Field(
        empty=errors.NULL_TOPIC_NAME,
        invalid=errors.INVALID_FORMATTED_TOPIC_NAME,
        doc="Levels below /{productKey}/${deviceName}/user/; user/ itself may be written or left out.",
    ),
]
OperationParameter: TypeAlias = Annotated[
    str,
    Field(
        empty=errors.NULL_TOPIC_TEMPLATE_OPERATION,
        invalid=errors.INVALID_TOPIC_TEMPLATE_OPERATION_VALUE,
        choices=("PUB", "SUB", "ALL"),
        doc="What devices may do: publish, subscribe, both.",
    ),
]
DescParameter: TypeAlias = Annotated[str | None, Field(min_length=1, max_length=100)]
CodecParameter: TypeAlias = Annotated[str | None, Field(max_length=128, doc="Kept and returned, without effect.")]
EnableProxySubscribeParameter: TypeAlias = Annotated[bool | None, Field(doc="Kept and returned, without effect.")]


class CreateProductTopicRequest(Request):
    ProductKey: ProductKeyParameter
    TopicShortName: ShortNameParameter
    Operation: OperationParameter
    Desc: DescParameter = None
    Codec: CodecParameter = None
    EnableProxySubscribe: EnableProxySubscribeParameter = None


class CreateProductTopicResponse(Response):
    TopicId: int


@operation(qps=1)
async def CreateProductTopic(ctx: Context, req: CreateProductTopicRequest) -> CreateProductTopicResponse:
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    category = await ctx.service(TopicService).create(
        product,
        req.TopicShortName,
        cast("TopicOperation", req.Operation),
        description=req.Desc,
        codec=req.Codec,
        enable_proxy_subscribe=req.EnableProxySubscribe,
    )
    return CreateProductTopicResponse(TopicId=category.id)


class UpdateProductTopicRequest(Request):
    TopicId: TopicIdParameter
    TopicShortName: ShortNameParameter
    Operation: OperationParameter
    Desc: DescParameter = None
    Codec: CodecParameter = None
    EnableProxySubscribe: EnableProxySubscribeParameter = None


class UpdateProductTopicResponse(Response):
    pass


@operation(qps=50)
async def UpdateProductTopic(ctx: Context, req: UpdateProductTopicRequest) -> UpdateProductTopicResponse:
    await ctx.service(TopicService).update(
        ctx.instance.id,
        int(req.TopicId),
        req.TopicShortName,
        cast("TopicOperation", req.Operation),
        description=req.Desc,
        codec=req.Codec,
        enable_proxy_subscribe=req.EnableProxySubscribe,
    )
    return UpdateProductTopicResponse()


class QueryProductTopicRequest(Request):
    ProductKey: ProductKeyParameter


class ProductTopicInfo(Struct):
    Codec: str | None = None
    Desc: str | None = None
    EnableProxySubscribe: bool | None = None
    Id: str
    Operation: str
    ProductKey: str
    TopicShortName: str


class ProductTopics(Struct):
    ProductTopicInfo: list[ProductTopicInfo]


class QueryProductTopicResponse(Response):
    Data: ProductTopics


@operation(qps=3)
async def QueryProductTopic(ctx: Context, req: QueryProductTopicRequest) -> QueryProductTopicResponse:
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    categories = [
        ProductTopicInfo(
            Codec=category.codec,
            Desc=category.description,
            EnableProxySubscribe=category.enable_proxy_subscribe,
            Id=str(category.id),
            Operation=OPERATION_NUMBERS[category.operation],
            ProductKey=product.product_key,
            TopicShortName=full_name(product.product_key, category.name),
        )
        for category in await ctx.service(TopicService).list(product.id)
    ]
    return QueryProductTopicResponse(Data=ProductTopics(ProductTopicInfo=categories))


class DeleteProductTopicRequest(Request):
    TopicId: TopicIdParameter


class DeleteProductTopicResponse(Response):
    pass


@operation(qps=50)
async def DeleteProductTopic(ctx: Context, req: DeleteProductTopicRequest) -> DeleteProductTopicResponse:
    await ctx.service(TopicService).delete(ctx.instance.id, int(req.TopicId))
    return DeleteProductTopicResponse()

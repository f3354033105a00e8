"""UpdateProduct, UpdateProductFilterConfig, ReleaseProduct, CancelReleaseProduct and DeleteProduct."""

from thingplane.cloud import Context, Request, Response, operation
from thingplane.products.operations import DescriptionParameter, ProductKeyParameter, ProductNameParameter
from thingplane.products.service import Product, ProductService


async def _product(ctx: Context, product_key: str) -> Product:
    return await ctx.service(ProductService).get(ctx.instance.id, product_key)


class UpdateProductRequest(Request):
    ProductKey: ProductKeyParameter
    ProductName: ProductNameParameter
    Description: DescriptionParameter = None


class UpdateProductResponse(Response):
    pass


@operation(qps=10)
async def UpdateProduct(ctx: Context, req: UpdateProductRequest) -> UpdateProductResponse:
    product = await _product(ctx, req.ProductKey)
    await ctx.service(ProductService).rename(product, req.ProductName, req.Description)
    return UpdateProductResponse()


class UpdateProductFilterConfigRequest(Request):
    ProductKey: ProductKeyParameter
    PropertyTimestampFilter: bool
    PropertyValueFilter: bool


class UpdateProductFilterConfigResponse(Response):
    pass


@operation(qps=5)
async def UpdateProductFilterConfig(
    ctx: Context, req: UpdateProductFilterConfigRequest
) -> UpdateProductFilterConfigResponse:
    product = await _product(ctx, req.ProductKey)
    await ctx.service(ProductService).set_filter(
        product, by_timestamp=req.PropertyTimestampFilter, by_value=req.PropertyValueFilter
    )
    return UpdateProductFilterConfigResponse()


class ReleaseProductRequest(Request):
    ProductKey: ProductKeyParameter


class ReleaseProductResponse(Response):
    pass


@operation(qps=50)
async def ReleaseProduct(ctx: Context, req: ReleaseProductRequest) -> ReleaseProductResponse:
    product = await _product(ctx, req.ProductKey)
    await ctx.service(ProductService).set_status(product, "RELEASE_STATUS")
    return ReleaseProductResponse()


class CancelReleaseProductRequest(Request):
    ProductKey: ProductKeyParameter


class CancelReleaseProductResponse(Response):
    pass


@operation(qps=50)
async def CancelReleaseProduct(ctx: Context, req: CancelReleaseProductRequest) -> CancelReleaseProductResponse:
    product = await _product(ctx, req.ProductKey)
    await ctx.service(ProductService).set_status(product, "DEVELOPMENT_STATUS")
    return CancelReleaseProductResponse()


class DeleteProductRequest(Request):
    ProductKey: ProductKeyParameter


class DeleteProductResponse(Response):
    pass


@operation(qps=500)
async def DeleteProduct(ctx: Context, req: DeleteProductRequest) -> DeleteProductResponse:
    product = await _product(ctx, req.ProductKey)
    await ctx.service(ProductService).delete(product)
    return DeleteProductResponse()

"""CreateOTAModule, UpdateOTAModule, DeleteOTAModule and ListOTAModuleByProduct."""

from typing import Annotated, TypeAlias

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.times import utc
from thingplane.ota import errors
from thingplane.ota.operations import MODULE, ProductKeyParameter, the_product
from thingplane.ota.ota import OtaService


class CreateOTAModuleRequest(Request):
    ProductKey: ProductKeyParameter
    ModuleName: Annotated[str, Field(invalid=errors.CREATE_MODULE_PARAM_ERROR, pattern=MODULE)]
    AliasName: Annotated[str | None, Field(invalid=errors.CREATE_MODULE_PARAM_ERROR, pattern=MODULE)] = None
    Desc: Annotated[str | None, Field(invalid=errors.CREATE_MODULE_PARAM_ERROR, max_length=100)] = None


class CreateOTAModuleResponse(Response):
    pass


@operation(qps=10)
async def CreateOTAModule(ctx: Context, req: CreateOTAModuleRequest) -> CreateOTAModuleResponse:
    product = await the_product(ctx, req.ProductKey)
    await ctx.service(OtaService).modules.create(product, req.ModuleName, req.AliasName, req.Desc)
    return CreateOTAModuleResponse()


class UpdateOTAModuleRequest(Request):
    ProductKey: ProductKeyParameter
    ModuleName: Annotated[str, Field(invalid=errors.UPDATE_MODULE_PARAM_ERROR, pattern=MODULE)]
    AliasName: Annotated[str | None, Field(invalid=errors.UPDATE_MODULE_PARAM_ERROR, pattern=MODULE)] = None
    Desc: Annotated[str | None, Field(invalid=errors.UPDATE_MODULE_PARAM_ERROR, max_length=100)] = None


class UpdateOTAModuleResponse(Response):
    pass


@operation(qps=10)
async def UpdateOTAModule(ctx: Context, req: UpdateOTAModuleRequest) -> UpdateOTAModuleResponse:
    product = await the_product(ctx, req.ProductKey)
    await ctx.service(OtaService).modules.change(product, req.ModuleName, req.AliasName, req.Desc)
    return UpdateOTAModuleResponse()


DeletedName: TypeAlias = Annotated[str, Field(invalid=errors.DELETE_MODULE_PARAM_ERROR, pattern=MODULE)]


class DeleteOTAModuleRequest(Request):
    ProductKey: ProductKeyParameter
    ModuleName: DeletedName


class DeleteOTAModuleResponse(Response):
    pass


@operation(qps=10)
async def DeleteOTAModule(ctx: Context, req: DeleteOTAModuleRequest) -> DeleteOTAModuleResponse:
    product = await the_product(ctx, req.ProductKey)
    await ctx.service(OtaService).modules.delete(product, req.ModuleName)
    return DeleteOTAModuleResponse()


class ListOTAModuleByProductRequest(Request):
    ProductKey: ProductKeyParameter


class OTAModuleInfo(Struct):
    ProductKey: str
    ModuleName: str
    AliasName: str | None
    Desc: str | None
    GmtCreate: str
    GmtModified: str


class ListOTAModuleByProductResponse(Response):
    Data: list[OTAModuleInfo]


@operation(qps=10)
async def ListOTAModuleByProduct(ctx: Context, req: ListOTAModuleByProductRequest) -> ListOTAModuleByProductResponse:
    product = await the_product(ctx, req.ProductKey)
    modules = await ctx.service(OtaService).modules.list(product)
    return ListOTAModuleByProductResponse(
        Data=[
            OTAModuleInfo(
                ProductKey=product.product_key,
                ModuleName=module.name,
                AliasName=module.alias,
                Desc=module.description,
                GmtCreate=_minutes(module.created_at),
                GmtModified=_minutes(module.modified_at),
            )
            for module in modules
        ]
    )


def _minutes(ms: int) -> str:
    """Return ``yyyy-MM-ddTHH:mmZ`` in UTC, the format of this operation alone (guide 4.17.20)."""
    return f"{(utc(ms) or '')[:16]}Z"

"""Operations that read the draft and the published versions."""

from msgspec import Struct as Record

from thingplane.cloud import Context, Request, Response, Struct, operation
from thingplane.products.service import Product
from thingplane.things import modules as edits
from thingplane.things.download import TslDownloads
from thingplane.things.errors import QUERY_PRODUCT_ABILITIES_FAILED
from thingplane.things.model.extend_config import render_extend_config
from thingplane.things.model.failures import ModelError
from thingplane.things.model.thing_model_json import render_thing_model_json
from thingplane.things.model.tsl import render_tsl
from thingplane.things.model.types import FunctionBlock, ThingModel
from thingplane.things.operations.parameters import (
    BlockIdParameter,
    KeyParameter,
    OptionalKeyParameter,
    VersionParameter,
)
from thingplane.things.service import ThingModelService, Version


class QueryThingModelRequest(Request):
    ProductKey: OptionalKeyParameter = None
    ModelVersion: VersionParameter = None
    FunctionBlockId: BlockIdParameter = None
    ResourceGroupId: str | None = None


class QueryThingModelPublishedRequest(Request):
    ProductKey: KeyParameter
    ModelVersion: VersionParameter = None
    FunctionBlockId: BlockIdParameter = None
    ResourceGroupId: str | None = None


class ThingModelJsonData(Struct):
    ThingModelJson: str


class QueryThingModelResponse(Response):
    ProductKey: str
    Data: ThingModelJsonData


class GetThingModelTslRequest(Request):
    ProductKey: OptionalKeyParameter = None
    ModelVersion: VersionParameter = None
    Simple: bool = False
    FunctionBlockId: BlockIdParameter = None
    ResourceGroupId: str | None = None


class GetThingModelTslPublishedRequest(Request):
    ProductKey: KeyParameter
    ModelVersion: VersionParameter = None
    Simple: bool = False
    FunctionBlockId: BlockIdParameter = None
    ResourceGroupId: str | None = None


class TslData(Struct):
    TslStr: str
    TslUri: str


class GetThingModelTslResponse(Response):
    Data: TslData


class QueryThingModelExtendConfigRequest(Request):
    ProductKey: KeyParameter
    ModelVersion: VersionParameter = None
    FunctionBlockId: BlockIdParameter = None
    ResourceGroupId: str | None = None


class QueryThingModelExtendConfigPublishedRequest(Request):
    ProductKey: KeyParameter
    ModelVersion: VersionParameter = None
    FunctionBlockId: BlockIdParameter = None


class ExtendConfigData(Struct):
    Configuration: str


class QueryThingModelExtendConfigResponse(Response):
    Data: ExtendConfigData


class ListThingModelVersionRequest(Request):
    ProductKey: KeyParameter


class ModelVersionInfo(Struct):
    ModelVersion: str
    GmtCreate: int
    Description: str | None = None


class ModelVersions(Struct):
    ModelVersions: list[ModelVersionInfo]


class ListThingModelVersionResponse(Response):
    Data: ModelVersions


class _Found(Record, frozen=True):
    """One module and what is said about it: all modules of the product, and the version unless it is the draft."""

    module: ThingModel
    blocks: list[FunctionBlock]
    version: Version | None

    def thing_model_json(self, product: Product) -> str:
        if self.version is None:
            return render_thing_model_json(self.module, product.product_key, blocks=self.blocks)
        version, description = self.version.version, self.version.description
        return render_thing_model_json(self.module, product.product_key, version, description, self.blocks)

    def tsl(self, product: Product, downloads: TslDownloads, *, simple: bool) -> TslData:
        version = self.version.version if self.version else None
        block_id = self.module.block.id if self.module.block else None
        return TslData(
            TslStr=render_tsl(self.module, product.product_key, version, self.blocks, simple=simple),
            TslUri=downloads.of(product, version, block_id, simple=simple),
        )

    def extend_config(self, product: Product) -> str:
        return render_extend_config(self.module, product.product_key)


async def _find(
    models: ThingModelService, product: Product, version_name: str | None, block_id: str | None, *, published: bool
) -> _Found:
    version = await models.version(product, version_name) if published or version_name else None
    modules = version.modules if version else await models.draft(product)
    try:
        return _Found(edits.find(modules, block_id), edits.blocks(modules), version)
    except ModelError as error:
        raise QUERY_PRODUCT_ABILITIES_FAILED(str(error)) from error


@operation(qps=10)
async def QueryThingModel(ctx: Context, req: QueryThingModelRequest) -> QueryThingModelResponse:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    found = await _find(models, product, req.ModelVersion, req.FunctionBlockId, published=False)
    data = ThingModelJsonData(ThingModelJson=found.thing_model_json(product))
    return QueryThingModelResponse(ProductKey=product.product_key, Data=data)


@operation(qps=10)
async def QueryThingModelPublished(ctx: Context, req: QueryThingModelPublishedRequest) -> QueryThingModelResponse:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    found = await _find(models, product, req.ModelVersion, req.FunctionBlockId, published=True)
    data = ThingModelJsonData(ThingModelJson=found.thing_model_json(product))
    return QueryThingModelResponse(ProductKey=product.product_key, Data=data)


@operation(qps=20)
async def GetThingModelTsl(ctx: Context, req: GetThingModelTslRequest) -> GetThingModelTslResponse:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    found = await _find(models, product, req.ModelVersion, req.FunctionBlockId, published=False)
    return GetThingModelTslResponse(Data=found.tsl(product, ctx.service(TslDownloads), simple=req.Simple))


@operation(qps=20)
async def GetThingModelTslPublished(ctx: Context, req: GetThingModelTslPublishedRequest) -> GetThingModelTslResponse:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    found = await _find(models, product, req.ModelVersion, req.FunctionBlockId, published=True)
    return GetThingModelTslResponse(Data=found.tsl(product, ctx.service(TslDownloads), simple=req.Simple))


@operation(qps=20)
async def QueryThingModelExtendConfig(
    ctx: Context, req: QueryThingModelExtendConfigRequest
) -> QueryThingModelExtendConfigResponse:
    # Unlike QueryThingModel it reads the newest published version when none is named (guide 4.10.14).
    return await _extend_config(ctx, req)


@operation(qps=20)
async def QueryThingModelExtendConfigPublished(
    ctx: Context, req: QueryThingModelExtendConfigPublishedRequest
) -> QueryThingModelExtendConfigResponse:
    return await _extend_config(ctx, req)


async def _extend_config(
    ctx: Context, req: QueryThingModelExtendConfigRequest | QueryThingModelExtendConfigPublishedRequest
) -> QueryThingModelExtendConfigResponse:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    found = await _find(models, product, req.ModelVersion, req.FunctionBlockId, published=True)
    return QueryThingModelExtendConfigResponse(Data=ExtendConfigData(Configuration=found.extend_config(product)))


@operation(qps=10)
async def ListThingModelVersion(ctx: Context, req: ListThingModelVersionRequest) -> ListThingModelVersionResponse:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    versions = [
        ModelVersionInfo(ModelVersion=info.version, GmtCreate=info.published_at, Description=info.description)
        for info in await models.versions(product)
    ]
    return ListThingModelVersionResponse(Data=ModelVersions(ModelVersions=versions))

"""Operations that change or publish the draft."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, operation
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.things.operations.parameters import (
    BlockIdParameter,
    BlockNameParameter,
    KeyParameter,
    OptionalKeyParameter,
    VersionParameter,
    block_of,
)
from thingplane.things.service import ThingModelService


class CreateThingModelRequest(Request):
    ProductKey: KeyParameter
    ThingModelJson: str | None = None
    FunctionBlockId: BlockIdParameter = None
    FunctionBlockName: BlockNameParameter = None


class UpdateThingModelRequest(Request):
    ProductKey: KeyParameter
    Identifier: str | None = None
    ThingModelJson: str | None = None
    FunctionBlockId: BlockIdParameter = None
    FunctionBlockName: BlockNameParameter = None


class DeleteThingModelRequest(Request):
    ProductKey: OptionalKeyParameter = None
    PropertyIdentifier: Annotated[list[str], Field(max_items=10)] = []
    ServiceIdentifier: Annotated[list[str], Field(max_items=10)] = []
    EventIdentifier: Annotated[list[str], Field(max_items=10)] = []
    FunctionBlockId: BlockIdParameter = None
    ResourceGroupId: str | None = None


class CopyThingModelRequest(Request):
    SourceProductKey: KeyParameter
    TargetProductKey: KeyParameter
    SourceModelVersion: VersionParameter = None
    ResourceGroupId: str | None = None


class ImportThingModelTslRequest(Request):
    ProductKey: KeyParameter
    TslStr: str | None = None
    TslUrl: Annotated[str | None, Field(doc="Has no effect; the TSL is taken from TslStr.")] = None
    FunctionBlockId: BlockIdParameter = None
    FunctionBlockName: BlockNameParameter = None
    ResourceGroupId: str | None = None


class PublishThingModelRequest(Request):
    ProductKey: KeyParameter
    ModelVersion: VersionParameter = None
    Description: str | None = None
    ResourceGroupId: str | None = None


@operation(qps=5)
async def CreateThingModel(ctx: Context, req: CreateThingModelRequest) -> Response:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    block = block_of(req.FunctionBlockId, req.FunctionBlockName)
    if req.ThingModelJson is None and block is None:
        raise INVALID_FORMATTED_PARAMETER("ThingModelJson is missing.")
    await models.add(product, req.ThingModelJson, block)
    return Response()


@operation(qps=5)
async def UpdateThingModel(ctx: Context, req: UpdateThingModelRequest) -> Response:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    if req.FunctionBlockName is not None and req.FunctionBlockId is None:
        raise INVALID_FORMATTED_PARAMETER("FunctionBlockName needs FunctionBlockId.")
    if req.ThingModelJson is None and req.FunctionBlockName is None:
        raise INVALID_FORMATTED_PARAMETER("ThingModelJson is missing.")
    await models.update(product, req.ThingModelJson, req.Identifier, req.FunctionBlockId, req.FunctionBlockName)
    return Response()


@operation(qps=5)
async def DeleteThingModel(ctx: Context, req: DeleteThingModelRequest) -> Response:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    named = req.PropertyIdentifier or req.ServiceIdentifier or req.EventIdentifier
    if not named and req.FunctionBlockId is None:
        raise INVALID_FORMATTED_PARAMETER(
            "Name at least one feature with PropertyIdentifier.N, ServiceIdentifier.N or EventIdentifier.N."
        )
    await models.remove(
        product,
        properties=req.PropertyIdentifier,
        events=req.EventIdentifier,
        services=req.ServiceIdentifier,
        block_id=req.FunctionBlockId,
    )
    return Response()


@operation(qps=5)
async def CopyThingModel(ctx: Context, req: CopyThingModelRequest) -> Response:
    models = ctx.service(ThingModelService)
    source = await models.product(ctx.instance.id, req.SourceProductKey)
    target = await models.product(ctx.instance.id, req.TargetProductKey)
    await models.copy(source, target, req.SourceModelVersion)
    return Response()


@operation(qps=5)
async def ImportThingModelTsl(ctx: Context, req: ImportThingModelTslRequest) -> Response:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    block = block_of(req.FunctionBlockId, req.FunctionBlockName)
    if req.TslStr is None:
        raise INVALID_FORMATTED_PARAMETER("TslStr is missing.")
    await models.import_tsl(product, req.TslStr, block)
    return Response()


@operation(qps=5)
async def PublishThingModel(ctx: Context, req: PublishThingModelRequest) -> Response:
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, req.ProductKey)
    await models.publish(product, req.ModelVersion, req.Description)
    return Response()

"""Operations that read the standard categories."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.products.errors import INVALID_FORMATTED_CAT_ID
from thingplane.things.model.thing_model_json import render_thing_model_json
from thingplane.things.service import ThingModelService


class ListThingTemplatesRequest(Request):
    pass


class CategoryInfo(Struct):
    CategoryKey: str
    CategoryName: str


class ListThingTemplatesResponse(Response):
    Data: list[CategoryInfo]


class GetThingTemplateRequest(Request):
    CategoryKey: Annotated[str, Field(invalid=INVALID_FORMATTED_CAT_ID, min_length=1, doc="See ListThingTemplates.")]
    ResourceGroupId: str | None = None


class GetThingTemplateResponse(Response):
    ThingModelJSON: str


@operation(qps=5)
async def ListThingTemplates(ctx: Context, req: ListThingTemplatesRequest) -> ListThingTemplatesResponse:  # noqa: ARG001 - it has no parameters of its own
    names = ctx.service(ThingModelService).categories.names()
    categories = [CategoryInfo(CategoryKey=key, CategoryName=name) for key, name in names.items()]
    return ListThingTemplatesResponse(Data=categories)


@operation(qps=2)
async def GetThingTemplate(ctx: Context, req: GetThingTemplateRequest) -> GetThingTemplateResponse:
    model = ctx.service(ThingModelService).categories.model(req.CategoryKey)
    if model is None:
        raise INVALID_FORMATTED_CAT_ID()
    return GetThingTemplateResponse(ThingModelJSON=render_thing_model_json(model, None))

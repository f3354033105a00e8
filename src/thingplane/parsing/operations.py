"""CreateThingScript, UpdateThingScript and GetThingScript (guide 4.10.16 to 4.10.18)."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.parsing.download import ScriptDownloads
from thingplane.parsing.errors import INVALID_SCRIPT_TYPE
from thingplane.parsing.service import MAX_BYTES, ParsingService
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.products.service import ProductService
from thingplane.scripts.language import Language
from thingplane.scripts.process import Script

ProductKeyText = Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
ScriptText = Annotated[str, Field(max_length=MAX_BYTES, doc="At most 128 KiB; defines the functions of the language.")]
ScriptTypeText = Annotated[
    str,
    Field(
        empty=INVALID_SCRIPT_TYPE,
        invalid=INVALID_SCRIPT_TYPE,
        pattern="JavaScript|Python_27|PHP_72",
        doc="Python scripts are run by Python 3 with the integer division of Python 2; PHP by the php of the system.",
    ),
]


class CreateThingScriptRequest(Request):
    ProductKey: ProductKeyText
    ScriptContent: ScriptText
    ScriptType: ScriptTypeText


class CreateThingScriptResponse(Response):
    pass


@operation(qps=10)
async def CreateThingScript(ctx: Context, req: CreateThingScriptRequest) -> CreateThingScriptResponse:
    script = Script(Language(req.ScriptType), req.ScriptContent)
    await ctx.service(ParsingService).create(ctx.instance.id, req.ProductKey, script)
    return CreateThingScriptResponse()


class UpdateThingScriptRequest(Request):
    ProductKey: ProductKeyText
    ScriptContent: ScriptText
    ScriptType: ScriptTypeText


class UpdateThingScriptResponse(Response):
    pass


@operation(qps=10)
async def UpdateThingScript(ctx: Context, req: UpdateThingScriptRequest) -> UpdateThingScriptResponse:
    script = Script(Language(req.ScriptType), req.ScriptContent)
    await ctx.service(ParsingService).update(ctx.instance.id, req.ProductKey, script)
    return UpdateThingScriptResponse()


class GetThingScriptRequest(Request):
    ProductKey: ProductKeyText


class ScriptInfo(Struct):
    ScriptType: str
    ScriptUrl: str


class GetThingScriptResponse(Response):
    Data: ScriptInfo


@operation(qps=10)
async def GetThingScript(ctx: Context, req: GetThingScriptRequest) -> GetThingScriptResponse:
    script = await ctx.service(ParsingService).get(ctx.instance.id, req.ProductKey)
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    url = ctx.service(ScriptDownloads).of(product)
    return GetThingScriptResponse(Data=ScriptInfo(ScriptType=script.language.value, ScriptUrl=url))

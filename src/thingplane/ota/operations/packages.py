"""CreateOTAFirmware and DeleteOTAFirmware."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.times import utc
from thingplane.ota import errors
from thingplane.ota.operations import MODULE, VERSION, FirmwareIdParameter, the_package, the_product
from thingplane.ota.ota import OtaService
from thingplane.ota.package import DEFAULT_MODULE, sign_method
from thingplane.ota.packages import NewFile, NewPackage


class MultiFile(Struct):
    Name: Annotated[
        str | None, Field(invalid=errors.INCORRECT_FORMATTED_FIRMWARE_NAME, min_length=1, max_length=32)
    ] = None
    Size: Annotated[int | None, Field(invalid=errors.INVALID_FIRMWARE_SIZE, minimum=1)] = None
    Url: Annotated[str | None, Field(empty=errors.NULL_FIRMWARE_URL)] = None
    SignValue: str | None = None
    FileMd5: str | None = None


class CreateOTAFirmwareRequest(Request):
    DestVersion: Annotated[
        str,
        Field(empty=errors.NULL_FIRMWARE_VERSION, invalid=errors.INCORRECT_FORMATTED_FIRMWARE_VERSION, pattern=VERSION),
    ]
    FirmwareName: Annotated[
        str,
        Field(
            empty=errors.BLANK_FIRMWARE_NAME,
            invalid=errors.INCORRECT_FORMATTED_FIRMWARE_NAME,
            pattern=r"[A-Za-z0-9][A-Za-z0-9_()-]{0,39}",
        ),
    ]
    FirmwareUrl: Annotated[str | None, Field(empty=errors.NULL_FIRMWARE_URL)] = None
    FirmwareSign: str | None = None
    SignMethod: Annotated[str, Field(empty=errors.INVALID_FIRMWARE_SIGN_METHOD, doc="MD5 or SHA256.")] = "MD5"
    FirmwareSize: Annotated[int | None, Field(invalid=errors.INVALID_FIRMWARE_SIZE, minimum=1)] = None
    ProductKey: Annotated[str | None, Field(doc="Without it the package is for every product of the instance.")] = None
    FirmwareDesc: Annotated[
        str | None, Field(invalid=errors.FIRMWARE_DESCRIPTION_EXCEED_MAX_LENGTH, max_length=100)
    ] = None
    Type: Annotated[int, Field(invalid=errors.INVALID_FIRMWARE_TYPE, choices=(0, 1))] = 0
    SrcVersion: Annotated[str | None, Field(invalid=errors.INCORRECT_FORMATTED_SRC_VERSION, pattern=VERSION)] = None
    ModuleName: Annotated[str, Field(invalid=errors.INCORRECT_FORMATTED_MODULE_NAME, pattern=MODULE)] = DEFAULT_MODULE
    NeedToVerify: bool = True
    Udi: Annotated[str | None, Field(max_length=4096)] = None
    MultiFiles: Annotated[list[MultiFile], Field(max_items=20, too_many=errors.PACKAGE_FILE_AMOUNT_EXCEED)] = []


class CreatedFirmware(Struct):
    FirmwareId: str
    UtcCreate: str | None


class CreateOTAFirmwareResponse(Response):
    Data: CreatedFirmware


@operation(qps=10)
async def CreateOTAFirmware(ctx: Context, req: CreateOTAFirmwareRequest) -> CreateOTAFirmwareResponse:
    product = await the_product(ctx, req.ProductKey) if req.ProductKey else None
    new = NewPackage(
        name=req.FirmwareName,
        version=req.DestVersion,
        files=_files(req),
        multi=bool(req.MultiFiles),
        kind=req.Type,
        src_version=req.SrcVersion,
        module=req.ModuleName,
        sign_method=sign_method(req.SignMethod),
        description=req.FirmwareDesc,
        udi=req.Udi,
        needs_verification=req.NeedToVerify,
    )
    package = await ctx.service(OtaService).packages.create(ctx.instance.id, product, new)
    return CreateOTAFirmwareResponse(
        Data=CreatedFirmware(FirmwareId=package.firmware_id, UtcCreate=utc(package.created_at))
    )


def _files(req: CreateOTAFirmwareRequest) -> list[NewFile]:
    if not req.MultiFiles:
        if req.FirmwareUrl is None:
            raise errors.NULL_FIRMWARE_URL()
        return [NewFile(url=req.FirmwareUrl, size=req.FirmwareSize, sign=req.FirmwareSign)]
    if req.FirmwareUrl is not None or req.FirmwareSize is not None or req.FirmwareSign is not None:
        raise errors.PACKAGE_FILE_PARAM_CONFLICT()
    files: list[NewFile] = []
    for file in req.MultiFiles:
        if file.Url is None:
            raise errors.NULL_FIRMWARE_URL("Every file of the package needs its Url.")
        if file.Name is None:
            raise errors.BLANK_FIRMWARE_NAME("Every file of the package needs its Name.")
        files.append(NewFile(url=file.Url, name=file.Name, size=file.Size, sign=file.SignValue, md5=file.FileMd5))
    return files


class DeleteOTAFirmwareRequest(Request):
    FirmwareId: FirmwareIdParameter


class DeleteOTAFirmwareResponse(Response):
    pass


@operation(qps=10)
async def DeleteOTAFirmware(ctx: Context, req: DeleteOTAFirmwareRequest) -> DeleteOTAFirmwareResponse:
    package = await the_package(ctx, req.FirmwareId)
    await ctx.service(OtaService).delete_package(package)
    return DeleteOTAFirmwareResponse()

"""ListOTAFirmware and QueryOTAFirmware."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.cloud.times import utc
from thingplane.ota.operations import (
    CurrentPageParameter,
    FirmwareIdParameter,
    page_count,
    product_keys,
    the_package,
    the_product,
)
from thingplane.ota.ota import OtaService
from thingplane.ota.package import Package


class ListOTAFirmwareRequest(Request):
    CurrentPage: CurrentPageParameter
    PageSize: Annotated[int, Field(minimum=1, maximum=100, invalid=INVALID_PAGE_PARAMS)]
    ProductKey: str | None = None
    DestVersion: str | None = None


class SimpleFirmwareInfo(Struct):
    FirmwareId: str
    FirmwareName: str
    FirmwareDesc: str | None
    FirmwareSign: str | None
    FirmwareSize: int | None
    SignMethod: str
    Type: int
    Status: int
    SrcVersion: str | None
    DestVersion: str
    ModuleName: str
    ProductKey: str | None
    ProductName: str | None
    UtcCreate: str | None
    UtcModified: str | None


class SimpleFirmwareInfos(Struct):
    SimpleFirmwareInfo: list[SimpleFirmwareInfo]


class ListOTAFirmwareResponse(Response):
    CurrentPage: int
    PageSize: int
    PageCount: int
    Total: int
    FirmwareInfo: SimpleFirmwareInfos


@operation(qps=10)
async def ListOTAFirmware(ctx: Context, req: ListOTAFirmwareRequest) -> ListOTAFirmwareResponse:
    product = await the_product(ctx, req.ProductKey) if req.ProductKey else None
    packages, total = await ctx.service(OtaService).packages.page(
        ctx.instance.id, req.CurrentPage, req.PageSize, product=product, version=req.DestVersion or None
    )
    keys = await product_keys(ctx, packages)
    return ListOTAFirmwareResponse(
        CurrentPage=req.CurrentPage,
        PageSize=req.PageSize,
        PageCount=page_count(total, req.PageSize),
        Total=total,
        FirmwareInfo=SimpleFirmwareInfos(
            SimpleFirmwareInfo=[
                SimpleFirmwareInfo(
                    FirmwareId=package.firmware_id,
                    FirmwareName=package.name,
                    FirmwareDesc=package.description,
                    FirmwareSign=None if package.multi else package.files[0].sign(package.sign_method),
                    FirmwareSize=sum(file.size for file in package.files),
                    SignMethod=package.sign_method,
                    Type=package.kind,
                    # Here the status has no word for packages that need no verification.
                    Status=max(package.status, 0),
                    SrcVersion=package.src_version,
                    DestVersion=package.version,
                    ModuleName=package.module,
                    ProductKey=keys[package.product_id][0],
                    ProductName=keys[package.product_id][1],
                    UtcCreate=utc(package.created_at),
                    UtcModified=utc(package.modified_at),
                )
                for package in packages
            ]
        ),
    )


class QueryOTAFirmwareRequest(Request):
    FirmwareId: FirmwareIdParameter


class MultiFileInfo(Struct):
    Name: str
    Size: int
    Url: str
    SignValue: str
    FileMd5: str


class FirmwareInfo(Struct):
    FirmwareId: str
    FirmwareName: str
    FirmwareDesc: str | None
    FirmwareSign: str | None
    FirmwareSize: int | None
    FirmwareUrl: str | None
    SignMethod: str
    Type: int
    Status: int
    SrcVersion: str | None
    DestVersion: str
    ModuleName: str
    ProductKey: str | None
    ProductName: str | None
    Udi: str | None
    VerifyProgress: int
    UtcCreate: str | None
    UtcModified: str | None
    MultiFiles: list[MultiFileInfo] | None


class QueryOTAFirmwareResponse(Response):
    FirmwareInfo: FirmwareInfo


@operation(qps=20)
async def QueryOTAFirmware(ctx: Context, req: QueryOTAFirmwareRequest) -> QueryOTAFirmwareResponse:
    ota = ctx.service(OtaService)
    package = await the_package(ctx, req.FirmwareId)
    keys = await product_keys(ctx, [package])
    single = None if package.multi else package.files[0]
    return QueryOTAFirmwareResponse(
        FirmwareInfo=FirmwareInfo(
            FirmwareId=package.firmware_id,
            FirmwareName=package.name,
            FirmwareDesc=package.description,
            FirmwareSign=None if single is None else single.sign(package.sign_method),
            FirmwareSize=None if single is None else single.size,
            FirmwareUrl=None if single is None else ota.url(single),
            SignMethod=package.sign_method,
            Type=package.kind,
            Status=package.status,
            SrcVersion=package.src_version,
            DestVersion=package.version,
            ModuleName=package.module,
            ProductKey=keys[package.product_id][0],
            ProductName=keys[package.product_id][1],
            Udi=package.udi,
            VerifyProgress=await ota.jobs.verified_percent(package),
            UtcCreate=utc(package.created_at),
            UtcModified=utc(package.modified_at),
            MultiFiles=_files(ota, package) if package.multi else None,
        )
    )


def _files(ota: OtaService, package: Package) -> list[MultiFileInfo]:
    return [
        MultiFileInfo(
            Name=file.name,
            Size=file.size,
            Url=ota.url(file),
            SignValue=file.sign(package.sign_method),
            FileMd5=file.md5,
        )
        for file in package.files
    ]

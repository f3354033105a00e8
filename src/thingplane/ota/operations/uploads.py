"""GenerateOTAUploadURL and GenerateDeviceNameListURL."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.times import utc
from thingplane.ota import errors
from thingplane.ota.form import PATH
from thingplane.ota.ota import OtaService
from thingplane.ota.uploads import FIRMWARE, NAMES


class GenerateOTAUploadURLRequest(Request):
    FileSuffix: Annotated[
        str,
        Field(
            invalid=errors.INVALID_GENERATE_UPLOAD_URL_PARAM,
            choices=("bin", "dav", "apk", "tar", "gz", "tar.gz", "zip", "gzip"),
        ),
    ] = "bin"


class FirmwareUpload(Struct):
    Key: str
    Host: str
    Policy: str
    OSSAccessKeyId: str
    Signature: str
    FirmwareUrl: str
    ObjectStorage: str
    UtcCreate: str | None


class GenerateOTAUploadURLResponse(Response):
    Data: FirmwareUpload


@operation(qps=10)
async def GenerateOTAUploadURL(ctx: Context, req: GenerateOTAUploadURLRequest) -> GenerateOTAUploadURLResponse:
    ota = ctx.service(OtaService)
    ticket = await ota.uploads.ticket(ctx.instance.id, FIRMWARE, req.FileSuffix)
    host = ota.base_url() + PATH
    return GenerateOTAUploadURLResponse(
        Data=FirmwareUpload(
            Key=ticket.key,
            Host=host,
            Policy=ticket.policy,
            OSSAccessKeyId=ticket.access_key_id,
            Signature=ticket.signature,
            FirmwareUrl=f"{host}/{ticket.key}",
            ObjectStorage="OSS",
            UtcCreate=utc(ticket.created_at),
        )
    )


class GenerateDeviceNameListURLRequest(Request):
    pass


class NamesUpload(Struct):
    Key: str
    Host: str
    Policy: str
    AccessKeyId: str
    Signature: str
    FileUrl: str
    ObjectStorage: str
    UtcCreate: str | None


class GenerateDeviceNameListURLResponse(Response):
    Data: NamesUpload


@operation(qps=10)
async def GenerateDeviceNameListURL(
    ctx: Context,
    req: GenerateDeviceNameListURLRequest,  # noqa: ARG001 - there is nothing to choose
) -> GenerateDeviceNameListURLResponse:
    ota = ctx.service(OtaService)
    ticket = await ota.uploads.ticket(ctx.instance.id, NAMES, "csv")
    host = ota.base_url() + PATH
    return GenerateDeviceNameListURLResponse(
        Data=NamesUpload(
            Key=ticket.key,
            Host=host,
            Policy=ticket.policy,
            AccessKeyId=ticket.access_key_id,
            Signature=ticket.signature,
            FileUrl=f"{host}/{ticket.key}",
            ObjectStorage="OSS",
            UtcCreate=utc(ticket.created_at),
        )
    )

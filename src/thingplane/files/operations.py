"""QueryDeviceFileList, QueryDeviceFile and DeleteDeviceFile (guide: 4.8.31 to 4.8.33)."""

from typing import Annotated

from thingplane.cloud import Context, Field, Response, Struct, operation
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.cloud.times import utc
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.files.service import Downloads, FileService


class QueryDeviceFileListRequest(DeviceRequest):
    CurrentPage: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1)] = 1
    PageSize: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1, maximum=200)] = 10


class FileSummary(Struct):
    FileId: str
    Name: str
    Size: str
    UtcCreatedOn: str | None


class FileSummaries(Struct):
    FileSummary: list[FileSummary]


class QueryDeviceFileListResponse(Response):
    CurrentPage: int
    PageSize: int
    PageCount: int
    Total: int
    Data: FileSummaries


@operation(qps=500)
async def QueryDeviceFileList(ctx: Context, req: QueryDeviceFileListRequest) -> QueryDeviceFileListResponse:
    device = await addressed(ctx, req)
    files, total = await ctx.service(FileService).page(device, req.CurrentPage, req.PageSize)
    return QueryDeviceFileListResponse(
        CurrentPage=req.CurrentPage,
        PageSize=req.PageSize,
        PageCount=-(-total // req.PageSize),
        Total=total,
        Data=FileSummaries(
            FileSummary=[
                FileSummary(
                    FileId=file.file_id,
                    Name=file.name,
                    Size=_kilobytes(file.size),
                    UtcCreatedOn=utc(file.created_at),
                )
                for file in files
            ]
        ),
    )


class QueryDeviceFileRequest(DeviceRequest):
    FileId: str


class DeviceFileInfo(Struct):
    FileId: str
    Name: str
    Size: str
    UtcCreatedOn: str | None
    DownloadUrl: str


class QueryDeviceFileResponse(Response):
    Data: DeviceFileInfo


@operation(qps=500)
async def QueryDeviceFile(ctx: Context, req: QueryDeviceFileRequest) -> QueryDeviceFileResponse:
    device = await addressed(ctx, req)
    file = await ctx.service(FileService).get(device, req.FileId)
    return QueryDeviceFileResponse(
        Data=DeviceFileInfo(
            FileId=file.file_id,
            Name=file.name,
            Size=_kilobytes(file.size),
            UtcCreatedOn=utc(file.created_at),
            DownloadUrl=ctx.service(Downloads).url(file.blob, file.name),
        )
    )


class DeleteDeviceFileRequest(DeviceRequest):
    FileId: str


class DeleteDeviceFileResponse(Response):
    pass


@operation(qps=500)
async def DeleteDeviceFile(ctx: Context, req: DeleteDeviceFileRequest) -> DeleteDeviceFileResponse:
    device = await addressed(ctx, req)
    await ctx.service(FileService).delete(device, req.FileId)
    return DeleteDeviceFileResponse()


def _kilobytes(size: int) -> str:
    """Return the size that answers give: text, in KB, of which every begun one counts."""
    return str(-(-size // 1024))

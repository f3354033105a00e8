"""BatchRegisterDevice; BatchCheckDeviceNames, BatchRegisterDeviceWithApplyId and the queries of what became of them."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias

import msgspec

from thingplane.cloud import Context, ErrorCode, Field, Request, Response, Struct, operation
from thingplane.cloud.constraints import wide_length
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.devices import errors
from thingplane.devices.service import DeviceService
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.products.service import ProductService

ProductKeyParameter: TypeAlias = Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
ApplyIdParameter: TypeAlias = Annotated[
    int, Field(empty=errors.NULL_APPLY_ID, invalid=errors.INVALID_FORMATTED_APPLY_ID, minimum=1)
]

_NAME: Final = re.compile(r"[A-Za-z0-9_@.:\-]{4,32}")
_NICKNAME: Final = re.compile(r"\w*")


class ApplyId(Struct):
    ApplyId: int


class BatchRegisterDeviceRequest(Request):
    ProductKey: ProductKeyParameter
    Count: Annotated[int, Field(minimum=1, doc="Devices to make; the platform chooses their names.")]


class BatchRegisterDeviceResponse(Response):
    Data: ApplyId


@operation(qps=10)
async def BatchRegisterDevice(ctx: Context, req: BatchRegisterDeviceRequest) -> BatchRegisterDeviceResponse:
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    apply_id = await ctx.service(DeviceService).applications.create_random(product, req.Count)
    return BatchRegisterDeviceResponse(Data=ApplyId(ApplyId=apply_id))


class NamedDevice(Struct):
    DeviceName: str | None = None
    DeviceNickname: str | None = None


class BatchCheckDeviceNamesRequest(Request):
    ProductKey: ProductKeyParameter
    DeviceName: Annotated[
        list[str], Field(too_many=errors.DEVICE_COUNT_EXCEEDED, max_items=10_000, doc="DeviceNameList outranks it.")
    ] = msgspec.field(default_factory=list)
    DeviceNameList: Annotated[list[NamedDevice], Field(too_many=errors.DEVICE_COUNT_EXCEEDED, max_items=10_000)] = (
        msgspec.field(default_factory=list)
    )


class InvalidDetail(Struct):
    DeviceName: str
    NickName: str | None = None
    ErrorMsg: str


class CheckedInvalidDetails(Struct):
    InvalidDetailList: list[InvalidDetail]


class InvalidDeviceNames(Struct):
    InvalidDeviceName: list[str]


class InvalidDeviceNicknames(Struct):
    InvalidDeviceNickname: list[str]


class RepeatedDeviceNames(Struct):
    # Spelled like this on the wire.
    RepeatDevieNameList: list[str]


class CheckedNames(Struct):
    ApplyId: int | None = None
    InvalidDeviceNameList: InvalidDeviceNames | None = None
    InvalidDeviceNicknameList: InvalidDeviceNicknames | None = None
    RepeatedDeviceNameList: RepeatedDeviceNames | None = None
    InvalidDetailList: CheckedInvalidDetails | None = None


class BatchCheckDeviceNamesResponse(Response):
    Data: CheckedNames


@operation(qps=10)
async def BatchCheckDeviceNames(ctx: Context, req: BatchCheckDeviceNamesRequest) -> BatchCheckDeviceNamesResponse:
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    wanted = _wanted(req)
    _refuse_malformed(wanted)
    apply_id = await ctx.service(DeviceService).applications.check(product, wanted)
    return BatchCheckDeviceNamesResponse(Data=CheckedNames(ApplyId=apply_id))


def _wanted(req: BatchCheckDeviceNamesRequest) -> list[tuple[str, str | None]]:
    if not req.DeviceNameList:
        if not req.DeviceName:
            raise errors.NONE_DEVICE_NAME_ELEMENT()
        return [(name, None) for name in req.DeviceName]
    wanted: list[tuple[str, str | None]] = []
    for device in req.DeviceNameList:
        if device.DeviceName is None:
            raise errors.NULL_DEVICE_NAME("A DeviceNickname needs the DeviceName with the same number.")
        wanted.append((device.DeviceName, device.DeviceNickname))
    return wanted


def _refuse_malformed(wanted: Sequence[tuple[str, str | None]]) -> None:
    """Refuse names and nicknames against the rules, and names that are listed twice: all that are, in one answer."""
    times = Counter(name for name, _ in wanted)
    names: list[str] = []
    nicknames: list[str] = []
    details: list[InvalidDetail] = []
    for name, nickname in wanted:
        faults: list[ErrorCode] = []
        if _NAME.fullmatch(name) is None:
            names.append(name)
            faults.append(errors.INVALID_FORMATTED_DEVICE_NAME)
        if nickname is not None and not (4 <= wide_length(nickname) <= 64 and _NICKNAME.fullmatch(nickname)):
            nicknames.append(nickname)
            faults.append(errors.INVALID_DEVICE_NICK_NAME_EXISTED)
        if times[name] > 1:
            faults.append(errors.ALREADY_EXISTED_DEVICE_NAME)
        details += [InvalidDetail(DeviceName=name, NickName=nickname, ErrorMsg=fault.message) for fault in faults]
    repeated = [name for name, count in times.items() if count > 1]
    if not details:
        return
    code = (
        errors.INVALID_FORMATTED_DEVICE_NAME
        if names
        else errors.INVALID_DEVICE_NICK_NAME_EXISTED
        if nicknames
        else errors.ALREADY_EXISTED_DEVICE_NAME
    )
    message = "A DeviceName is listed more than once." if code is errors.ALREADY_EXISTED_DEVICE_NAME else None
    data = CheckedNames(
        InvalidDeviceNameList=InvalidDeviceNames(InvalidDeviceName=names) if names else None,
        InvalidDeviceNicknameList=InvalidDeviceNicknames(InvalidDeviceNickname=nicknames) if nicknames else None,
        RepeatedDeviceNameList=RepeatedDeviceNames(RepeatDevieNameList=repeated) if repeated else None,
        InvalidDetailList=CheckedInvalidDetails(InvalidDetailList=details),
    )
    raise code(message, BatchCheckDeviceNamesResponse(Data=data))


class BatchRegisterDeviceWithApplyIdRequest(Request):
    ProductKey: ProductKeyParameter
    ApplyId: ApplyIdParameter


class BatchRegisterDeviceWithApplyIdResponse(Response):
    Data: ApplyId


@operation(qps=500)
async def BatchRegisterDeviceWithApplyId(
    ctx: Context, req: BatchRegisterDeviceWithApplyIdRequest
) -> BatchRegisterDeviceWithApplyIdResponse:
    applications = ctx.service(DeviceService).applications
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    application = await applications.get(ctx.instance.id, req.ApplyId, product)
    await applications.create(application)
    return BatchRegisterDeviceWithApplyIdResponse(Data=ApplyId(ApplyId=application.id))


class QueryBatchRegisterDeviceStatusRequest(Request):
    ProductKey: ProductKeyParameter
    ApplyId: ApplyIdParameter


class Names(Struct):
    Name: list[str]


class FailedDetails(Struct):
    # Spelled like this on the wire.
    invalidDetailList: list[InvalidDetail]


class BatchStatus(Struct):
    Status: str
    ValidList: Names
    InvalidList: Names
    InvalidDetailList: FailedDetails | None = None


class QueryBatchRegisterDeviceStatusResponse(Response):
    Data: BatchStatus


@operation(qps=30)
async def QueryBatchRegisterDeviceStatus(
    ctx: Context, req: QueryBatchRegisterDeviceStatusRequest
) -> QueryBatchRegisterDeviceStatusResponse:
    applications = ctx.service(DeviceService).applications
    product = await ctx.service(ProductService).get(ctx.instance.id, req.ProductKey)
    application = await applications.get(ctx.instance.id, req.ApplyId, product)
    succeeded = application.status in ("CHECK_SUCCESS", "CREATE_SUCCESS")
    failed = application.status in ("CHECK_FAILED", "CREATE_FAILED")
    failures = await applications.failures(application) if failed else []
    details = [
        InvalidDetail(DeviceName=failure.name, NickName=failure.nickname, ErrorMsg=failure.reason)
        for failure in failures
    ]
    return QueryBatchRegisterDeviceStatusResponse(
        Data=BatchStatus(
            Status=application.status,
            ValidList=Names(Name=await applications.names(application) if succeeded else []),
            InvalidList=Names(Name=[failure.name for failure in failures]),
            InvalidDetailList=FailedDetails(invalidDetailList=details) if failed else None,
        )
    )


class QueryPageByApplyIdRequest(Request):
    ApplyId: ApplyIdParameter
    PageSize: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1, maximum=50)] = 10
    CurrentPage: Annotated[int, Field(invalid=INVALID_PAGE_PARAMS, minimum=1)] = 1


class ApplyDeviceInfo(Struct):
    DeviceId: str
    DeviceName: str
    DeviceSecret: str
    IotId: str


class ApplyDevices(Struct):
    ApplyDeviceInfo: list[ApplyDeviceInfo]


class QueryPageByApplyIdResponse(Response):
    Total: int
    PageCount: int
    PageSize: int
    Page: int
    ApplyDeviceList: ApplyDevices


@operation(qps=50)
async def QueryPageByApplyId(ctx: Context, req: QueryPageByApplyIdRequest) -> QueryPageByApplyIdResponse:
    devices = ctx.service(DeviceService)
    application = await devices.applications.get(ctx.instance.id, req.ApplyId)
    size = req.PageSize
    total, page = await devices.lists.of_application(application, size, (req.CurrentPage - 1) * size)
    return QueryPageByApplyIdResponse(
        Total=total,
        PageCount=-(-total // size),
        PageSize=size,
        Page=req.CurrentPage,
        ApplyDeviceList=ApplyDevices(
            ApplyDeviceInfo=[
                ApplyDeviceInfo(
                    DeviceId=device.device_id,
                    DeviceName=device.name,
                    DeviceSecret=device.secret,
                    IotId=device.iot_id,
                )
                for device in page
            ]
        ),
    )

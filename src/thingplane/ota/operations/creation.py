"""CreateOTAVerifyJob, CreateOTAStaticUpgradeJob and CreateOTADynamicUpgradeJob."""

from typing import Annotated, Any, TypeAlias

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.cloud.times import utc
from thingplane.groups.service import GroupService
from thingplane.ota import errors
from thingplane.ota.job import DYNAMIC_RATE, STATIC_RATE, Job, Strategy
from thingplane.ota.jobs import NewJob
from thingplane.ota.operations import VERSION, FirmwareIdParameter, ProductKeyParameter, the_package, the_product
from thingplane.ota.ota import OtaService
from thingplane.ota.strategies import check_retries, check_tags, gray_share

STATIC_GROUP = "LINK_PLATFORM"


class OtaTag(Struct):
    Key: Annotated[str | None, Field(invalid=errors.TAG_KEY_INVALID, pattern=r"[A-Za-z0-9.]{1,30}")] = None
    Value: Annotated[str | None, Field(invalid=errors.TAG_VALUE_INVALID, min_length=1, max_length=1024)] = None


Timeout: TypeAlias = Annotated[int | None, Field(invalid=errors.INVALID_TIMEOUT_SETTING, minimum=1, maximum=1440)]
Protocol: TypeAlias = Annotated[str, Field(invalid=errors.DOWNLOAD_PROTOCOL_INVALID, choices=("HTTPS", "MQTT"))]
RetryIntervalParameter: TypeAlias = Annotated[
    int | None, Field(invalid=errors.INVALID_RETRY_INTERVAL, choices=(0, 10, 30, 60, 1440))
]
RetryCountParameter: TypeAlias = Annotated[int | None, Field(invalid=errors.INVALID_RETRY_COUNT, choices=(1, 2, 5))]
OverwriteModeParameter: TypeAlias = Annotated[int, Field(invalid=errors.INVALID_OVERWRITE_MODE, choices=(1, 2))]
Sources: TypeAlias = Annotated[
    list[str],
    Field(
        empty=errors.NULL_SRC_VERSIONS,
        invalid=errors.INCORRECT_FORMATTED_SRC_VERSION,
        pattern=VERSION,
        max_items=10,
        too_many=errors.SRC_VERSIONS_SIZE_EXCEED_MAX,
        unique=True,
    ),
]


class JobRequest(Request):
    """What all kinds of batches have."""

    FirmwareId: FirmwareIdParameter
    ProductKey: ProductKeyParameter
    Tag: Annotated[list[OtaTag], Field(max_items=10, too_many=errors.TAG_TOO_MANY)] = []
    TimeoutInMinutes: Timeout = None
    NeedPush: bool = True
    NeedConfirm: bool = False
    DownloadProtocol: Protocol = "HTTPS"

    def tags(self) -> dict[str, str]:
        """Return the tags by key.

        Raises:
            BusinessError: iot.firmware.JobTag…, iot.ota.tag.KeyDuplicated.
        """
        pairs: list[tuple[str, str]] = []
        for tag in self.Tag:
            if tag.Key is None:
                raise errors.TAG_KEY_INVALID("Every tag needs a key.")
            if tag.Value is None:
                raise errors.TAG_VALUE_INVALID("Every tag needs a value.")
            pairs.append((tag.Key, tag.Value))
        return dict(check_tags(pairs))

    def strategy(self, **more: Any) -> Strategy:
        """Return the strategy, with what else there is for the kind of batch.

        Raises:
            BusinessError: as ``tags``.
        """
        return Strategy(
            timeout=self.TimeoutInMinutes,
            need_push=self.NeedPush,
            need_confirm=self.NeedConfirm,
            protocol=self.DownloadProtocol,
            tags=self.tags(),
            **more,
        )


class CreatedJob(Struct):
    JobId: str
    UtcCreate: str | None


async def _create(ctx: Context, req: JobRequest, new: NewJob) -> CreatedJob:
    product = await the_product(ctx, req.ProductKey)
    package = await the_package(ctx, req.FirmwareId)
    job: Job = await ctx.service(OtaService).create_job(product, package, new)
    return CreatedJob(JobId=job.job_id, UtcCreate=utc(job.created_at))


class CreateOTAVerifyJobRequest(JobRequest):
    TargetDeviceName: Annotated[
        list[str],
        Field(
            empty=errors.NULL_TARGET_DEVICE_NAMES,
            invalid=errors.NULL_TARGET_DEVICE_NAMES,
            min_items=1,
            max_items=10,
            too_many=errors.PARAMETER_SIZE_EXCEED_MAX,
            unique=True,
        ),
    ]


class CreateOTAVerifyJobResponse(Response):
    Data: CreatedJob


@operation(qps=10)
async def CreateOTAVerifyJob(ctx: Context, req: CreateOTAVerifyJobRequest) -> CreateOTAVerifyJobResponse:
    new = NewJob(kind="VERIFY", selection="SPECIFIC", strategy=req.strategy(), names=req.TargetDeviceName)
    return CreateOTAVerifyJobResponse(Data=await _create(ctx, req, new))


class CreateOTAStaticUpgradeJobRequest(JobRequest):
    TargetSelection: Annotated[
        str,
        Field(
            empty=errors.NULL_TARGET_SELECTION,
            invalid=errors.INVALID_TARGET_SELECTION,
            choices=("ALL", "SPECIFIC", "GRAY", "GROUP"),
        ),
    ]
    SrcVersion: Sources = []
    ScheduleTime: Annotated[int | None, Field(invalid=errors.FIRE_TIME_MUST_LARGE_THAN_CURRENT_TIME)] = None
    RetryInterval: RetryIntervalParameter = None
    RetryCount: RetryCountParameter = None
    MaximumPerMinute: Annotated[
        int, Field(invalid=errors.INVALID_MAXIMUM_PER_MINUTE, minimum=10, maximum=STATIC_RATE)
    ] = STATIC_RATE
    GrayPercent: str | None = None
    TargetDeviceName: Annotated[
        list[str],
        Field(
            empty=errors.NULL_TARGET_DEVICE_NAMES,
            invalid=errors.NULL_TARGET_DEVICE_NAMES,
            max_items=200,
            too_many=errors.PARAMETER_SIZE_EXCEED_MAX,
            unique=True,
        ),
    ] = []
    ScheduleFinishTime: Annotated[int | None, Field(invalid=errors.FINISH_TOO_EARLY)] = None
    OverwriteMode: OverwriteModeParameter = 1
    DnListFileUrl: str | None = None
    GroupId: str | None = None
    GroupType: str | None = None
    MultiModuleMode: bool = False


class CreateOTAStaticUpgradeJobResponse(Response):
    Data: CreatedJob


@operation(qps=20)
async def CreateOTAStaticUpgradeJob(
    ctx: Context, req: CreateOTAStaticUpgradeJobRequest
) -> CreateOTAStaticUpgradeJobResponse:
    _check_targets(req)
    _check_modes(req)
    strategy = _upgrade_strategy(
        req,
        gray_percent=req.GrayPercent if req.TargetSelection == "GRAY" else None,
        group_id=req.GroupId if req.TargetSelection == "GROUP" else None,
        group_name=await _group_name(ctx, req),
    )
    new = NewJob(
        kind="STATIC",
        selection=req.TargetSelection,  # type: ignore[arg-type]  # one of the choices
        strategy=strategy,
        names=req.TargetDeviceName,
        list_url=req.DnListFileUrl or None,
        schedule_at=req.ScheduleTime,
        finish_at=req.ScheduleFinishTime,
    )
    return CreateOTAStaticUpgradeJobResponse(Data=await _create(ctx, req, new))


def _check_targets(req: CreateOTAStaticUpgradeJobRequest) -> None:
    """Check that devices are chosen in the way that TargetSelection says."""
    if req.TargetSelection == "SPECIFIC":
        if req.TargetDeviceName and req.DnListFileUrl:
            raise errors.TARGET_DEVICE_NAMES_NOT_ALLOWED()
        if not req.TargetDeviceName and not req.DnListFileUrl:
            raise errors.NULL_TARGET_DEVICE_NAMES()
    elif req.TargetDeviceName or req.DnListFileUrl:
        raise errors.TARGET_DEVICE_NAMES_NOT_ALLOWED()
    if req.SrcVersion and req.TargetSelection not in {"ALL", "GRAY"}:
        raise errors.SRC_VERSIONS_NOT_ALLOWED()
    if req.TargetSelection == "GRAY":
        gray_share(req.GrayPercent)
    elif req.GrayPercent:
        raise errors.GRAY_APPLIES_TO_STATIC_ONLY()


async def _group_name(ctx: Context, req: CreateOTAStaticUpgradeJobRequest) -> str | None:
    if req.TargetSelection != "GROUP":
        return None
    if req.GroupType != STATIC_GROUP:
        raise errors.GROUP_TYPE_INVALID()
    name = await ctx.service(GroupService).name_of(ctx.instance.id, req.GroupId or "")
    if name is None:
        raise errors.GROUP_NOT_EXIST()
    return name


class CreateOTADynamicUpgradeJobRequest(JobRequest):
    SrcVersion: Sources = []
    RetryInterval: RetryIntervalParameter = None
    RetryCount: RetryCountParameter = None
    MaximumPerMinute: Annotated[
        int, Field(invalid=errors.INVALID_MAXIMUM_PER_MINUTE, minimum=10, maximum=DYNAMIC_RATE)
    ] = DYNAMIC_RATE
    OverwriteMode: OverwriteModeParameter = 1
    DynamicMode: Annotated[int, Field(invalid=errors.INVALID_DYNAMIC_MODE, choices=(1, 2))] = 1
    GroupId: str | None = None
    GroupType: str | None = None
    MultiModuleMode: bool = False


class CreateOTADynamicUpgradeJobResponse(Response):
    Data: CreatedJob


@operation(qps=20)
async def CreateOTADynamicUpgradeJob(
    ctx: Context, req: CreateOTADynamicUpgradeJobRequest
) -> CreateOTADynamicUpgradeJobResponse:
    if req.GroupId or req.GroupType:
        raise errors.DYNAMIC_GROUP_FORBIDDEN()
    if not req.SrcVersion:
        raise errors.NULL_SRC_VERSIONS()
    _check_modes(req)
    strategy = _upgrade_strategy(req, dynamic_mode=req.DynamicMode)
    new = NewJob(kind="DYNAMIC", selection="ALL", strategy=strategy)
    return CreateOTADynamicUpgradeJobResponse(Data=await _create(ctx, req, new))


def _check_modes(req: CreateOTAStaticUpgradeJobRequest | CreateOTADynamicUpgradeJobRequest) -> None:
    """Refuse settings that contradict each other."""
    check_retries(req.RetryInterval, req.RetryCount, req.TimeoutInMinutes)
    if req.OverwriteMode == 2 and req.MultiModuleMode:
        raise errors.OVERWRITE_AND_MULTI_MODULE_CONFLICT()


def _upgrade_strategy(
    req: CreateOTAStaticUpgradeJobRequest | CreateOTADynamicUpgradeJobRequest, **more: Any
) -> Strategy:
    return req.strategy(
        src_versions=tuple(req.SrcVersion),
        per_minute=req.MaximumPerMinute,
        retry_interval=req.RetryInterval,
        retry_count=req.RetryCount,
        overwrite_mode=req.OverwriteMode,
        multi_module=req.MultiModuleMode,
        **more,
    )

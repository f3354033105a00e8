"""QueryDeviceBySQL (guide 4.8.35)."""

from typing import Annotated

from thingplane.cloud import Context, Field, Request, Response, Struct, operation
from thingplane.search.dates import write_date
from thingplane.search.errors import INVALID_SQL_ERROR
from thingplane.search.service import DeviceSearch, FoundDevice


class QueryDeviceBySQLRequest(Request):
    SQL: Annotated[
        str,
        Field(
            invalid=INVALID_SQL_ERROR,
            doc="SELECT fields FROM device WHERE conditions [ORDER BY a time] [LIMIT [offset,] size]",
        ),
    ]


class SimpleDeviceGroupInfo(Struct):
    GroupId: str


class OTAModuleInfo(Struct):
    ModuleName: str | None = None
    FirmwareVersion: str | None = None


class TagInfo(Struct):
    TagName: str | None = None
    TagValue: str | None = None


class SimpleDeviceSearchInfo(Struct):
    """A device; members that were not selected or have no value are left out."""

    IotId: str
    ProductKey: str | None = None
    DeviceName: str | None = None
    Nickname: str | None = None
    Status: str | None = None
    ActiveTime: str | None = None
    GmtCreate: str | None = None
    GmtModified: str | None = None
    Groups: list[SimpleDeviceGroupInfo] | None = None
    OTAModules: list[OTAModuleInfo] | None = None
    Tags: list[TagInfo] | None = None


class QueryDeviceBySQLResponse(Response):
    Data: list[SimpleDeviceSearchInfo] | None = None
    TotalCount: int | None = None


@operation(qps=10)
async def QueryDeviceBySQL(ctx: Context, req: QueryDeviceBySQLRequest) -> QueryDeviceBySQLResponse:
    found = await ctx.service(DeviceSearch).search(ctx.instance.id, req.SQL)
    if found.count is not None:
        return QueryDeviceBySQLResponse(TotalCount=found.count)
    return QueryDeviceBySQLResponse(Data=[_info(device, found.fields) for device in found.devices])


def _info(device: FoundDevice, fields: frozenset[str]) -> SimpleDeviceSearchInfo:
    info = SimpleDeviceSearchInfo(IotId=device.iot_id)
    if "product_key" in fields:
        info.ProductKey = device.product_key
    if "name" in fields:
        info.DeviceName = device.name
    if "nickname" in fields:
        info.Nickname = device.nickname
    if "status" in fields:
        info.Status = device.status
    if "active_time" in fields and device.activated_at is not None:
        info.ActiveTime = write_date(device.activated_at)
    if "gmt_create" in fields:
        info.GmtCreate = write_date(device.created_at)
    if "gmt_modified" in fields:
        info.GmtModified = write_date(device.modified_at)
    if device.groups:
        info.Groups = [SimpleDeviceGroupInfo(GroupId=group_id) for group_id in device.groups]
    if device.modules:
        modules, versions = "ota_module.module_name" in fields, "ota_module.firmware_version" in fields
        info.OTAModules = [
            OTAModuleInfo(ModuleName=name if modules else None, FirmwareVersion=version if versions else None)
            for name, version in device.modules
        ]
    if device.tags:
        keys, values = "tag.tag_name" in fields, "tag.tag_value" in fields
        info.Tags = [
            TagInfo(TagName=key if keys else None, TagValue=value if values else None) for key, value in device.tags
        ]
    return info

"""Operations of OTA: what answers look like, and the documented code of every constraint."""

import hashlib
from typing import Any

import pytest

from tests.common.xml import call_xml
from tests.devices.marks import one_database
from tests.ota.world import World
from thingplane.cloud import OPERATIONS
from thingplane.cloud.client import CallError
from thingplane.cloud.conformance import violations
from thingplane.cloud.contract import CONTRACT

OTA = [name for name, contract in CONTRACT.items() if contract.group == "ota"]
DAY = 24 * 3_600_000


def test_all_are_declared_as_documented() -> None:
    assert len(OTA) == 23
    assert {name: violations(OPERATIONS[name]) for name in OTA if violations(OPERATIONS[name])} == {}


@one_database
async def test_modules(world: World) -> None:
    key = {"ProductKey": world.product.product_key}
    await world.call("CreateOTAModule", **key, ModuleName="radio", AliasName="The.Radio", Desc="talks")
    await world.call("CreateOTAModule", **key, ModuleName="camera")
    assert await world.refused("CreateOTAModule", **key, ModuleName="RADIO") == "iot.ota.CreateOTAModuleNameExist"
    assert await world.refused("CreateOTAModule", **key, ModuleName="Default") == "iot.ota.CreateOTAModuleNameExist"
    for name in ("", "a b", "x" * 65):
        assert await world.refused("CreateOTAModule", **key, ModuleName=name) == "iot.ota.CreateOTAModuleParamError"
    await world.call("UpdateOTAModule", **key, ModuleName="radio", Desc="listens")
    data = (await world.call("ListOTAModuleByProduct", **key))["Data"]
    assert [module["ModuleName"] for module in data] == ["camera", "radio"]
    assert data[1] == {
        "ProductKey": world.product.product_key,
        "ModuleName": "radio",
        "AliasName": "The.Radio",
        "Desc": "listens",
        "GmtCreate": "2023-11-14T22:13Z",
        "GmtModified": "2023-11-14T22:13Z",
    }
    firmware = await world.package(ModuleName="radio")
    assert await world.refused("DeleteOTAModule", **key, ModuleName="radio") == "iot.ota.DeleteOTAModulePackageExist"
    await world.call("DeleteOTAFirmware", FirmwareId=firmware)
    await world.call("DeleteOTAModule", **key, ModuleName="radio")
    for action in ("UpdateOTAModule", "DeleteOTAModule"):
        assert await world.refused(action, **key, ModuleName="radio") == "iot.ota.OTAModuleNotExist"
    assert await world.refused("DeleteOTAModule", **key, ModuleName="default") == "iot.ota.DeleteOtaDefaultModule"
    assert await world.refused("UpdateOTAModule", **key, ModuleName="?") == "iot.ota.UpdateOTAModuleParamError"
    assert await world.refused("DeleteOTAModule", **key, ModuleName="?") == "iot.ota.DeleteOTAModuleParamError"
    for number in range(9):
        await world.call("CreateOTAModule", **key, ModuleName=f"more-{number}")
    assert await world.refused("CreateOTAModule", **key, ModuleName="one") == "iot.ota.CreateOTAModuleExceedLimit"
    for action in ("CreateOTAModule", "UpdateOTAModule", "DeleteOTAModule", "ListOTAModuleByProduct"):
        named = {} if action.startswith("List") else {"ModuleName": "radio"}
        assert await world.refused(action, ProductKey="a1unknown", **named) == "iot.prod.NotExistedProduct"


@one_database
async def test_a_package_as_answers_show_it(world: World) -> None:
    digest = hashlib.sha256(b"2.0").hexdigest()
    firmware = await world.package(
        FirmwareName="Firmware2",
        SignMethod="SHA256",
        FirmwareSign=digest,
        FirmwareSize=3,
        FirmwareDesc="better",
        Type=1,
        SrcVersion="1.0",
        Udi="{}",
        NeedToVerify="true",
    )
    info = (await world.call("QueryOTAFirmware", FirmwareId=firmware))["FirmwareInfo"]
    assert info.pop("FirmwareUrl").startswith("http://files.test/download/")
    common = {
        "FirmwareId": firmware,
        "FirmwareName": "Firmware2",
        "FirmwareDesc": "better",
        "FirmwareSign": digest,
        "FirmwareSize": 3,
        "SignMethod": "SHA256",
        "Type": 1,
        "Status": 0,
        "SrcVersion": "1.0",
        "DestVersion": "2.0",
        "ModuleName": "default",
        "ProductKey": world.product.product_key,
        "ProductName": "Street_light",
        "UtcCreate": "2023-11-14T22:13:20.000Z",
        "UtcModified": "2023-11-14T22:13:20.000Z",
    }
    assert info == {**common, "Udi": "{}", "VerifyProgress": 0}
    listed = await world.call("ListOTAFirmware", CurrentPage=1, PageSize=10)
    assert listed["FirmwareInfo"]["SimpleFirmwareInfo"] == [common]
    assert (listed["Total"], listed["PageCount"]) == (1, 1)
    for parameters, total in (
        ({"ProductKey": world.product.product_key}, 1),
        ({"DestVersion": "2.0"}, 1),
        ({"DestVersion": "3.0"}, 0),
        ({"IotInstanceId": "iot-other"}, 0),
    ):
        assert (await world.call("ListOTAFirmware", CurrentPage=1, PageSize=10, **parameters))["Total"] == total
    elsewhere = await world.refused("QueryOTAFirmware", FirmwareId=firmware, IotInstanceId="iot-other")
    assert elsewhere == "iot.firmware.FirmwareNotFound"
    assert await world.refused("QueryOTAFirmware", FirmwareId="") == "iot.firmware.NullFirmwareId"
    await world.call("DeleteOTAFirmware", FirmwareId=firmware)
    for action in ("QueryOTAFirmware", "DeleteOTAFirmware"):
        assert await world.refused(action, FirmwareId=firmware) == "iot.firmware.FirmwareNotFound"


@one_database
async def test_a_package_of_several_files(world: World) -> None:
    urls = [await world.upload(content) for content in (b"one", b"two")]
    files = [{"Name": f"file{number}", "Url": url} for number, url in enumerate(urls, 1)]
    given = {
        "FirmwareName": "several",
        "DestVersion": "2.0",
        "ProductKey": world.product.product_key,
        "NeedToVerify": "false",
    }
    call = "CreateOTAFirmware"
    twice = [files[0], {**files[1], "Name": "file1"}]
    assert await world.refused(call, **given, MultiFiles=twice) == "iot.ota.PackageFileNameDuplicated"
    same = [files[0], {"Name": "other", "Url": urls[0]}]
    assert await world.refused(call, **given, MultiFiles=same) == "iot.ota.PackageFileUrlDuplicated"
    copy = [files[0], {"Name": "other", "Url": await world.upload(b"one")}]
    assert await world.refused(call, **given, MultiFiles=copy) == "iot.ota.PackageFileSignDuplicated"
    both = await world.refused(call, **given, MultiFiles=files, FirmwareUrl=urls[0])
    assert both == "iot.ota.PackageFileParamConflict"
    many = [{"Name": f"f{number}", "Url": urls[0]} for number in range(21)]
    assert await world.refused(call, **given, MultiFiles=many) == "iot.ota.PackageFileAmountExceed"
    wrong = [{**files[0], "FileMd5": "0" * 32}, files[1]]
    assert await world.refused(call, **given, MultiFiles=wrong) == "iot.firmware.InvalidFirmwareSign"
    assert await world.refused(call, **given, MultiFiles=[{"Name": "x"}]) == "iot.firmware.NullFirmwareUrl"
    assert await world.refused(call, **given, MultiFiles=[{"Url": urls[0]}]) == "iot.firmware.BlankFirmwareName"
    firmware = (await world.call(call, **given, MultiFiles=files))["Data"]["FirmwareId"]
    info = (await world.call("QueryOTAFirmware", FirmwareId=firmware))["FirmwareInfo"]
    assert [(file["Name"], file["Size"], file["SignValue"]) for file in info["MultiFiles"]] == [
        (f"file{number}", 3, hashlib.md5(content).hexdigest()) for number, content in enumerate((b"one", b"two"), 1)
    ]
    assert "FirmwareUrl" not in info
    (lamp,) = await world.fleet(1)
    await world.job(firmware)
    await world.tick()
    (push,) = world.pushes(lamp)
    assert list(push) == ["version", "signMethod", "files"]
    assert [list(file) for file in push["files"]] == [["fileSize", "fileName", "fileUrl", "fileMd5", "fileSign"]] * 2
    assert push["signMethod"] == "Md5"
    mqtt = {"FirmwareId": firmware, "ProductKey": world.product.product_key, "TargetSelection": "ALL"}
    refused = await world.refused("CreateOTAStaticUpgradeJob", **mqtt, DownloadProtocol="MQTT")
    assert refused == "iot.ota.DownloadProtocolMqttNotSuitable"


PACKAGE_CODES: list[tuple[dict[str, Any], str]] = [
    ({"FirmwareName": ""}, "iot.firmware.BlankFirmwareName"),
    ({"FirmwareName": "-x"}, "iot.firmware.IncorrectFormattedFirmwareName"),
    ({"FirmwareName": "x" * 41}, "iot.firmware.IncorrectFormattedFirmwareName"),
    ({"DestVersion": ""}, "iot.firmware.NullFirmwareVersion"),
    ({"DestVersion": "1 0"}, "iot.firmware.IncorrectFormattedFirmwareVersion"),
    ({"DestVersion": "x" * 65}, "iot.firmware.IncorrectFormattedFirmwareVersion"),
    ({"FirmwareUrl": None}, "iot.firmware.NullFirmwareUrl"),
    ({"FirmwareUrl": "http://elsewhere/x.bin"}, "iot.firmware.MalformedFirmwareUrl"),
    ({"FirmwareUrl": f"http://h/ota/{'0' * 32}/{'x' * 26}.bin"}, "iot.firmware.InvalidFirmwareUrl"),
    ({"FirmwareSign": "0" * 32}, "iot.firmware.InvalidFirmwareSign"),
    ({"SignMethod": "CRC"}, "iot.firmware.InvalidFirmwareSignMethod"),
    ({"FirmwareSize": 9}, "iot.firmware.InvalidFirmwareSize"),
    ({"FirmwareSize": 0}, "iot.firmware.InvalidFirmwareSize"),
    ({"ProductKey": "a1unknown"}, "iot.prod.NotExistedProduct"),
    ({"FirmwareDesc": "x" * 101}, "iot.firmware.FirmwareDescriptionExceedMaxLength"),
    ({"Type": 2}, "iot.firmware.InvalidFirmwareType"),
    ({"Type": 1}, "iot.firmware.SrcVersionIsMandatory"),
    ({"Type": 1, "SrcVersion": "2.0"}, "iot.firmware.SrcDestVersionMatched"),
    ({"SrcVersion": "?"}, "iot.firmware.IncorrectFormattedSrcVersion"),
    ({"ModuleName": "?"}, "iot.firmware.IncorrectFormattedModuleName"),
    ({"ModuleName": "unknown"}, "iot.ota.OTAModuleNotExist"),
    ({"Udi": "x" * 4097}, "iot.common.InvalidFormattedParameter"),
    ({"IotInstanceId": "iot-other"}, "iot.prod.NotExistedProduct"),
]


@one_database
async def test_constraints_of_packages(world: World) -> None:
    url = await world.upload(b"2.0")
    given = {
        "FirmwareName": "Firmware2",
        "DestVersion": "2.0",
        "FirmwareUrl": url,
        "ProductKey": world.product.product_key,
    }
    for changed, code in PACKAGE_CODES:
        parameters = {name: value for name, value in {**given, **changed}.items() if value is not None}
        assert await world.refused("CreateOTAFirmware", **parameters) == code, changed
    for name in ("FirmwareName", "DestVersion"):
        rest = {key: value for key, value in given.items() if key != name}
        with pytest.raises(CallError, match=f"Missing{name}"):
            await world.api.call("CreateOTAFirmware", **rest)
    await world.call("CreateOTAFirmware", **given)
    assert await world.refused("CreateOTAFirmware", **given) == "iot.firmware.AlreadyExistedFirmwareName"
    other = {**given, "FirmwareName": "Other"}
    assert await world.refused("CreateOTAFirmware", **other) == "iot.firmware.AlreadyExistedFirmwareVersion"
    # Differences from several versions lead to the same one.
    for number in range(7):
        await world.call(
            "CreateOTAFirmware", **{**other, "FirmwareName": f"d{number}"}, Type=1, SrcVersion=f"1.{number}"
        )
    full = {**given, "FirmwareName": "Full", "DestVersion": "9"}
    assert await world.refused("CreateOTAFirmware", **full) == "iot.firmware.FirmwareCountExceedMax"
    for parameters in ({"PageSize": 101}, {"CurrentPage": 0}, {"PageSize": 0}):
        paged = {"CurrentPage": 1, "PageSize": 1, **parameters}
        assert await world.refused("ListOTAFirmware", **paged) == "iot.common.InvalidPageParams"


@one_database
async def test_packages_in_use_are_not_deleted(world: World) -> None:
    await world.fleet(1)
    firmware = await world.package()
    job = await world.job(firmware)
    assert await world.refused("DeleteOTAFirmware", FirmwareId=firmware) == "iot.firmware.DeleteFirmwareFailure"
    await world.call("CancelOTATaskByJob", JobId=job, CancelQueuedTask=True)
    await world.call("DeleteOTAFirmware", FirmwareId=firmware)
    assert await world.refused("QueryOTAJob", JobId=job) == "iot.firmware.InvalidOTAJobId"


@one_database
async def test_packages_go_with_their_product(world: World) -> None:
    from thingplane.products.service import NewProduct

    other = await world.products.create(1, NewProduct(name="Other", node_type=0))
    firmware = await world.package(ProductKey=other.product_key)
    mismatch = {"FirmwareId": firmware, "ProductKey": world.product.product_key}
    refused = await world.refused("CreateOTAStaticUpgradeJob", **mismatch, TargetSelection="ALL")
    assert refused == "iot.firmware.FirmwareAndProductKeyMismatch"
    await world.call("CreateOTAModule", ProductKey=other.product_key, ModuleName="radio")
    await world.products.delete(other)
    assert await world.refused("QueryOTAFirmware", FirmwareId=firmware) == "iot.firmware.FirmwareNotFound"


@one_database
async def test_a_package_without_product_is_for_all(world: World) -> None:
    (lamp,) = await world.fleet(1)
    url = await world.upload(b"any")
    created = await world.call(
        "CreateOTAFirmware", FirmwareName="any", DestVersion="2.0", FirmwareUrl=url, NeedToVerify="false"
    )
    job = await world.job(created["Data"]["FirmwareId"])
    assert await world.states(job) == {lamp.name: "QUEUED"}


STATIC_CODES: list[tuple[dict[str, Any], str]] = [
    ({"FirmwareId": ""}, "iot.firmware.NullFirmwareId"),
    ({"FirmwareId": "unknown"}, "iot.firmware.FirmwareNotFound"),
    ({"ProductKey": "a1unknown"}, "iot.prod.NotExistedProduct"),
    ({"TargetSelection": ""}, "iot.firmware.NullTargetSelection"),
    ({"TargetSelection": "SOME"}, "iot.firmware.InvalidTargetSelection"),
    ({"TargetSelection": "SPECIFIC"}, "iot.firmware.NullTargetDeviceNames"),
    ({"TargetSelection": "SPECIFIC", "TargetDeviceName": ["unknown"]}, "iot.ota.DeviceNotExist"),
    ({"TargetSelection": "SPECIFIC", "TargetDeviceName": ["silent-1"]}, "iot.firmware.NonVersionedDeviceInArray"),
    (
        {"TargetSelection": "SPECIFIC", "TargetDeviceName": ["new-1"]},
        "iot.firmware.DeviceWithDestinationVersionInArray",
    ),
    (
        {"TargetSelection": "SPECIFIC", "TargetDeviceName": ["lamp-1"], "DnListFileUrl": "x"},
        "iot.firmware.TargetDeviceNamesNotAllowed",
    ),
    ({"TargetSelection": "SPECIFIC", "DnListFileUrl": "x"}, "iot.firmware.MalformedFirmwareUrl"),
    (
        {"TargetSelection": "SPECIFIC", "TargetDeviceName": [f"d-{n}" for n in range(201)]},
        "iot.firmware.ParameterSizeExceedMax",
    ),
    ({"TargetDeviceName": ["lamp-1"]}, "iot.firmware.TargetDeviceNamesNotAllowed"),
    (
        {"TargetSelection": "SPECIFIC", "TargetDeviceName": ["lamp-1"], "SrcVersion": ["1.0"]},
        "iot.firmware.SrcVersionsNotAllowed",
    ),
    ({"SrcVersion": ["1 0"]}, "iot.firmware.IncorrectFormattedSrcVersion"),
    ({"SrcVersion": ["2.0"]}, "iot.firmware.SrcDestVersionMatched"),
    ({"SrcVersion": ["7.0"]}, "iot.firmware.NoDeviceCanUpgrade"),
    ({"SrcVersion": [f"1.{n}" for n in range(11)]}, "iot.firmware.SrcVersionsSizeExceedMax"),
    ({"TargetSelection": "GRAY"}, "iot.firmware.NullGrayPercent"),
    ({"TargetSelection": "GRAY", "GrayPercent": "half"}, "iot.firmware.BadlyFormattedGrayPercent"),
    ({"TargetSelection": "GRAY", "GrayPercent": "1.2345"}, "iot.firmware.BadlyFormattedGrayPercent"),
    ({"TargetSelection": "GRAY", "GrayPercent": "0"}, "iot.firmware.InvalidGrayPercent"),
    ({"TargetSelection": "GRAY", "GrayPercent": "101"}, "iot.firmware.InvalidGrayPercent"),
    ({"TargetSelection": "GRAY", "GrayPercent": "10"}, "iot.firmware.InvalidGrayPercent"),
    ({"GrayPercent": "10"}, "iot.firmware.GrayAppliesToStaticOnly"),
    ({"TargetSelection": "GROUP", "GroupId": "x"}, "iot.ota.GroupTypeInvalid"),
    ({"TargetSelection": "GROUP", "GroupId": "x", "GroupType": "OTHER"}, "iot.ota.GroupTypeInvalid"),
    ({"TargetSelection": "GROUP", "GroupId": "x", "GroupType": "LINK_PLATFORM"}, "iot.ota.GroupNotExist"),
    ({"ScheduleTime": -1}, "iot.firmware.FireTimeMustLargeThanCurrentTime"),
    ({"ScheduleTime": 299_999}, "iot.firmware.FireTimeTooShort"),
    ({"ScheduleTime": 7 * DAY + 1}, "iot.firmware.FireTimeTooLate"),
    ({"ScheduleFinishTime": DAY}, "iot.firmware.ScheduleFinishTimeWithoutStartTime"),
    ({"ScheduleTime": 400_000, "ScheduleFinishTime": 400_000}, "iot.firmware.ScheduleFinishTimeEarlierThanStartTime"),
    ({"ScheduleTime": 400_000, "ScheduleFinishTime": 500_000}, "iot.firmware.ScheduleFinishTimeTooEarly"),
    ({"ScheduleTime": 400_000, "ScheduleFinishTime": 31 * DAY}, "iot.firmware.ScheduleFinishTimeTooLate"),
    ({"RetryInterval": 5, "RetryCount": 1}, "iot.firmware.InvalidRetryInterval"),
    ({"RetryInterval": 60, "RetryCount": 1, "TimeoutInMinutes": 60}, "iot.firmware.InvalidRetryInterval"),
    ({"RetryInterval": 10}, "iot.firmware.InvalidRetryCount"),
    ({"RetryInterval": 10, "RetryCount": 3}, "iot.firmware.InvalidRetryCount"),
    ({"TimeoutInMinutes": 0}, "iot.firmware.InvalidTimeoutSetting"),
    ({"TimeoutInMinutes": 1441}, "iot.firmware.InvalidTimeoutSetting"),
    ({"MaximumPerMinute": 9}, "iot.firmware.InvalidMaximumPerMinute"),
    ({"MaximumPerMinute": 10_001}, "iot.firmware.InvalidMaximumPerMinute"),
    ({"OverwriteMode": 3}, "iot.firmware.InvalidOverwriteMode"),
    ({"OverwriteMode": 2, "MultiModuleMode": "true"}, "iot.ota.OverWriteAndMultiModuleConflict"),
    ({"DownloadProtocol": "FTP"}, "iot.ota.DownloadProtocolInvalid"),
    ({"Tag": [{"Key": "a b", "Value": "x"}]}, "iot.firmware.JobTagKeyInvalid"),
    ({"Tag": [{"Key": "a", "Value": ""}]}, "iot.firmware.JobTagValueInvalid"),
    ({"Tag": [{"Key": "a"}]}, "iot.firmware.JobTagValueInvalid"),
    ({"Tag": [{"Value": "a"}]}, "iot.firmware.JobTagKeyInvalid"),
    ({"Tag": [{"Key": "a", "Value": "x"}] * 2}, "iot.ota.tag.KeyDuplicated"),
    ({"Tag": [{"Key": f"k{n}", "Value": "x"} for n in range(11)]}, "iot.firmware.JobTagTooMany"),
    ({"Tag": [{"Key": f"k{n}", "Value": "x" * 1024} for n in range(4)]}, "iot.firmware.JobTagIsTooLong"),
    ({"IotInstanceId": "iot-other"}, "iot.prod.NotExistedProduct"),
]
TIMES = ("ScheduleTime", "ScheduleFinishTime")


@one_database
async def test_constraints_of_static_batches(world: World) -> None:
    await world.fleet(1)
    await world.fleet(1, "2.0", "new")
    await world.fleet(1, None, "silent")
    firmware = await world.package()
    given = {"FirmwareId": firmware, "ProductKey": world.product.product_key, "TargetSelection": "ALL"}
    now = world.clock.now_ms()
    for changed, code in STATIC_CODES:
        shifted = {name: value + now if name in TIMES else value for name, value in changed.items()}
        assert await world.refused("CreateOTAStaticUpgradeJob", **{**given, **shifted}) == code, changed
    listed = await world.call("ListOTAJobByFirmware", FirmwareId=firmware, CurrentPage=1, PageSize=10)
    assert listed["Total"] == 0
    for name in given:
        rest = {key: value for key, value in given.items() if key != name}
        with pytest.raises(CallError, match=f"Missing{name}"):
            await world.api.call("CreateOTAStaticUpgradeJob", **rest)


@one_database
async def test_constraints_of_dynamic_and_verification_batches(world: World) -> None:
    await world.fleet(1)
    firmware = await world.package()
    common = {"FirmwareId": firmware, "ProductKey": world.product.product_key}
    dynamic = {**common, "SrcVersion": ["1.0"]}
    for changed, code in (
        ({"SrcVersion": []}, "iot.firmware.NullSrcVersions"),
        ({"SrcVersion": ["2.0"]}, "iot.firmware.SrcDestVersionMatched"),
        ({"MaximumPerMinute": 1001}, "iot.firmware.InvalidMaximumPerMinute"),
        ({"DynamicMode": 3}, "iot.firmware.InvalidDynamicMode"),
        ({"GroupId": "g", "GroupType": "LINK_PLATFORM_DYNAMIC"}, "iot.ota.dynamicGroupForbiddenInDefaultInstance"),
        ({"OverwriteMode": 2, "MultiModuleMode": "true"}, "iot.ota.OverWriteAndMultiModuleConflict"),
    ):
        assert await world.refused("CreateOTADynamicUpgradeJob", **{**dynamic, **changed}) == code, changed
    assert await world.refused("CreateOTAVerifyJob", **common, TargetDeviceName=["lamp-1"]) == (
        "iot.firmware.VerifyFirmwareNoNeed"
    )
    many = [f"lamp-{number}" for number in range(11)]
    assert await world.refused("CreateOTAVerifyJob", **common, TargetDeviceName=many) == (
        "iot.firmware.ParameterSizeExceedMax"
    )
    static = await world.job(firmware)
    assert await world.refused("CancelOTAStrategyByJob", JobId=static) == "iot.firmware.NotDynamicJob"


@one_database
async def test_a_batch_as_answers_show_it(world: World) -> None:
    (lamp,) = await world.fleet(1)
    firmware = await world.package(FirmwareName="Firmware2")
    job = await world.job(
        firmware,
        "Dynamic",
        SrcVersion=["1.0"],
        RetryInterval=10,
        RetryCount=2,
        TimeoutInMinutes=60,
        MaximumPerMinute=10,
        Tag=[{"Key": "k", "Value": "v"}],
        DownloadProtocol="MQTT",
    )
    shown = (await world.call("QueryOTAJob", JobId=job))["Data"]
    times = dict.fromkeys(("UtcCreate", "UtcModified", "UtcStartTime"), "2023-11-14T22:13:20.000Z")
    tags = {"Tags": {"OtaTagDTO": [{"Key": "k", "Value": "v"}]}}
    common = {
        "JobId": job,
        "FirmwareId": firmware,
        "ProductKey": world.product.product_key,
        "JobStatus": "IN_PROGRESS",
        "JobType": "UPGRADE_FIRMWARE",
        "SelectionType": "DYNAMIC",
        "TargetSelection": "ALL",
        **times,
        **tags,
    }
    assert shown == {
        **common,
        "JobDesc": "",
        "Name": "Firmware2",
        "DestVersion": "2.0",
        "SrcVersions": {"SrcVersion": ["1.0"]},
        "DynamicMode": 1,
        "OverwriteMode": 1,
        "MultiModuleMode": False,
        "MaximumPerMinute": 10,
        "RetryInterval": 10,
        "RetryCount": 2,
        "TimeoutInMinutes": 60,
        "NeedPush": True,
        "NeedConfirm": False,
        "DownloadProtocol": "MQTT",
    }
    page = {"FirmwareId": firmware, "CurrentPage": 1, "PageSize": 10}
    listed = await world.call("ListOTAJobByFirmware", **page)
    assert listed["Data"]["SimpleOTAJobInfo"] == [common]
    named = {"ProductKey": lamp.product_key, "DeviceName": lamp.name}
    assert (await world.call("ListOTAJobByDevice", **page, **named))["Data"] == listed["Data"]
    (task,) = (await world.call("ListOTATaskByJob", JobId=job))["Data"]["SimpleOTATaskInfo"]
    task_id = task.pop("TaskId")
    assert task == {
        "JobId": job,
        "FirmwareId": firmware,
        "ProductKey": lamp.product_key,
        "ProductName": "Street_light",
        "DeviceName": lamp.name,
        "IotId": lamp.iot_id,
        "SrcVersion": "1.0",
        "DestVersion": "2.0",
        "TaskStatus": "QUEUED",
        "TaskDesc": "",
        "Progress": "0.00",
        "Timeout": "60",
        "UtcCreate": "2023-11-14T22:13:20.000Z",
        "UtcModified": "2023-11-14T22:13:20.000Z",
    }
    by_name = await world.call("ListOTATaskByJob", JobId=job, DeviceNames=[lamp.name, "unknown"], CurrentPage=7)
    assert [found["TaskId"] for found in by_name["Data"]["SimpleOTATaskInfo"]] == [task_id]
    assert (by_name["Total"], by_name["CurrentPage"]) == (1, 1)


@one_database
async def test_constraints_of_lists_and_tasks(world: World) -> None:
    (lamp,) = await world.fleet(1)
    firmware = await world.package()
    job = await world.job(firmware)
    task = (await world.tasks(job))[lamp.name]["TaskId"]
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("ListOTATaskByJob", {"JobId": ""}, "iot.firmware.NullOTAJobId"),
        ("ListOTATaskByJob", {"JobId": "unknown"}, "iot.firmware.InvalidOTAJobId"),
        ("ListOTATaskByJob", {"JobId": job, "TaskStatus": "DONE"}, "iot.firmware.InvalidTaskStatus"),
        ("ListOTATaskByJob", {"JobId": job, "PageSize": 101}, "iot.common.InvalidPageParams"),
        ("ListOTATaskByJob", {"JobId": job, "PageSize": 100, "CurrentPage": 1001}, "iot.common.InvalidPageParams"),
        ("ListOTATaskByJob", {"JobId": job, "DeviceNames": ["x"] * 51}, "iot.firmware.ParameterSizeExceedMax"),
        ("ListOTATaskByJob", {"JobId": job, "IotInstanceId": "iot-other"}, "iot.firmware.InvalidOTAJobId"),
        (
            "ListOTAJobByFirmware",
            {"FirmwareId": firmware, "CurrentPage": 1, "PageSize": 201},
            "iot.common.InvalidPageParams",
        ),
        (
            "ListOTAJobByDevice",
            {"FirmwareId": firmware, "CurrentPage": 1, "PageSize": 101, "ProductKey": "a1", "DeviceName": "x"},
            "iot.common.InvalidPageParams",
        ),
        ("ListOTAUnfinishedTaskByDevice", {"TaskStatus": "QUEUED"}, "iot.ota.EmptyDeviceInfoParams"),
        ("ListOTAUnfinishedTaskByDevice", {"TaskStatus": "QUEUED", "DeviceName": "x"}, "iot.ota.EmptyDeviceInfoParams"),
        ("ListOTAUnfinishedTaskByDevice", {"TaskStatus": "FAILED", "IotId": "x"}, "iot.firmware.InvalidTaskStatus"),
        ("ListOTAUnfinishedTaskByDevice", {"IotId": lamp.iot_id}, "iot.firmware.InvalidTaskStatus"),
        ("ListOTAUnfinishedTaskByDevice", {"TaskStatus": "QUEUED", "IotId": "x"}, "iot.device.NotExistedDevice"),
        (
            "ListOTAUnfinishedTaskByDevice",
            {"TaskStatus": "QUEUED", "IotId": lamp.iot_id, "ModuleName": "?"},
            "iot.ota.InvalidOtaModuleName",
        ),
        ("ConfirmOTATask", {"TaskId": ["unknown"]}, "iot.ota.InvalidTaskId"),
        ("ConfirmOTATask", {"TaskId": [task[:-5] + "90100"]}, "iot.ota.InvalidTaskId"),
        ("ConfirmOTATask", {"TaskId": ["_" + task[1:]]}, "iot.ota.InvalidTaskId"),
        ("ConfirmOTATask", {"TaskId": [task]}, "iot.ota.ConfirmNotAllowedNow"),
        ("ConfirmOTATask", {"TaskId": [task], "IotInstanceId": "iot-other"}, "iot.ota.InvalidTaskId"),
        ("ConfirmOTATask", {"TaskId": [task] * 11}, "iot.ota.TooManyOtaTask"),
        ("ReupgradeOTATask", {"JobId": "unknown", "TaskId": [task]}, "iot.ota.InvalidJobId"),
        ("ReupgradeOTATask", {"JobId": job, "TaskId": ["unknown"]}, "iot.ota.InvalidTaskId"),
        ("ReupgradeOTATask", {"JobId": job, "TaskId": [task]}, "iot.ota.InvalidTaskExist"),
        ("ReupgradeOTATask", {"JobId": job, "TaskId": [task] * 11}, "iot.ota.TooManyOtaTask"),
        (
            "CancelOTATaskByDevice",
            {"FirmwareId": firmware, "ProductKey": lamp.product_key, "DeviceName": [f"d{n}" for n in range(201)]},
            "iot.firmware.ParameterSizeExceedMax",
        ),
        ("QueryOTAJob", {"JobId": "unknown"}, "iot.firmware.InvalidOTAJobId"),
        ("CancelOTATaskByJob", {"JobId": "unknown", "CancelQueuedTask": "true"}, "iot.firmware.InvalidOTAJobId"),
        ("CancelOTAStrategyByJob", {"JobId": "unknown"}, "iot.firmware.InvalidOTAJobId"),
    ]
    for action, parameters, code in cases:
        assert await world.refused(action, **parameters) == code, (action, parameters)


@one_database
async def test_the_sdk_calls_every_operation(world: World) -> None:
    (lamp,) = await world.fleet(1)
    key = {"ProductKey": world.product.product_key}
    device = {**key, "DeviceName": lamp.name}
    paged = {"CurrentPage": 1, "PageSize": 10}
    await world.upload_names([lamp.name])
    await world.call("CreateOTAModule", **key, ModuleName="radio")
    await world.call("UpdateOTAModule", **key, ModuleName="radio", Desc="x")
    await world.call("ListOTAModuleByProduct", **key)
    await world.call("DeleteOTAModule", **key, ModuleName="radio")
    firmware = await world.package(NeedToVerify="true")
    await world.call("QueryOTAFirmware", FirmwareId=firmware)
    await world.call("ListOTAFirmware", **paged)
    verify = await world.job(firmware, "Verify", TargetDeviceName=[lamp.name], NeedConfirm=True)
    task = (await world.tasks(verify))[lamp.name]["TaskId"]
    await world.call("ConfirmOTATask", TaskId=[task])
    await world.call("ListOTAUnfinishedTaskByDevice", **device, TaskStatus="QUEUED")
    await world.inform(lamp, "2.0")
    await world.inform(lamp, "1.0")
    static = await world.job(firmware)
    await world.call("CancelOTATaskByDevice", **key, FirmwareId=firmware, DeviceName=[lamp.name])
    other = await world.package("3.0")
    dynamic = await world.job(other, "Dynamic", SrcVersion=["1.0"])
    await world.call("CancelOTAStrategyByJob", JobId=dynamic)
    again = await world.job(other)
    await world.call("CancelOTATaskByJob", JobId=dynamic, CancelQueuedTask=True)
    task = (await world.tasks(again))[lamp.name]["TaskId"]
    await world.call("ReupgradeOTATask", JobId=again, TaskId=[task])
    await world.call("QueryOTAJob", JobId=static)
    await world.call("ListOTAJobByFirmware", FirmwareId=firmware, **paged)
    await world.call("ListOTAJobByDevice", FirmwareId=firmware, **device, **paged)
    await world.call("DeleteOTAFirmware", FirmwareId=firmware)
    assert {name for name, answer in world.api.answers if answer["Success"]} >= set(OTA)
    assert world.api.foreign == set()


@one_database
async def test_lists_in_xml(world: World) -> None:
    await world.fleet(1)
    firmware = await world.package()
    job = await world.job(firmware, Tag=[{"Key": "k", "Value": "v"}], SrcVersion=["1.0"])
    root = await call_xml(world.api, "ListOTAFirmware", CurrentPage=1, PageSize=10)
    assert root.findtext("FirmwareInfo/SimpleFirmwareInfo/FirmwareId") == firmware
    root = await call_xml(world.api, "QueryOTAJob", JobId=job)
    assert root.findtext("Data/SrcVersions/SrcVersion") == "1.0"
    assert root.findtext("Data/Tags/OtaTagDTO/Value") == "v"
    root = await call_xml(world.api, "ListOTATaskByJob", JobId=job)
    assert root.findtext("Data/SimpleOTATaskInfo/TaskStatus") == "QUEUED"

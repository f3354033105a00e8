"""Values at the edges of what is allowed, spellings that SDKs and people use, and lists page by page."""

import hashlib
from typing import Any

import pytest

from tests.devices.marks import one_database
from tests.ota.world import World

pytestmark = one_database
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


EDGES: list[dict[str, Any]] = [
    {"ScheduleTime": 5 * MINUTE, "ScheduleFinishTime": 5 * MINUTE + HOUR},
    {"ScheduleTime": 7 * DAY, "ScheduleFinishTime": 37 * DAY},
    {"RetryInterval": 0, "RetryCount": 5, "TimeoutInMinutes": 1},
    {"RetryInterval": 60, "RetryCount": 2, "TimeoutInMinutes": 1440},
    {"RetryInterval": 1440, "RetryCount": 1},
    {"MaximumPerMinute": 10},
    {"MaximumPerMinute": 10_000},
    {"SrcVersion": ["1.0", *(f"0.{number}" for number in range(9))]},
    {"TargetSelection": "GRAY", "GrayPercent": "100.000"},
    {"Tag": [{"Key": "k" * 30, "Value": "v" * 994}] + [{"Key": f"k{n}", "Value": "v" * 1022} for n in range(3)]},
    {"Tag": [{"Key": f"k.{n}", "Value": "v"} for n in range(10)]},
]


async def test_batches_at_the_edge(world: World) -> None:
    await world.fleet(1)
    firmware = await world.package()
    now = world.clock.now_ms()
    for parameters in EDGES:
        shifted = {name: value + now if name.startswith("Schedule") else value for name, value in parameters.items()}
        shown = (await world.call("QueryOTAJob", JobId=await world.job(firmware, **shifted)))["Data"]
        for name in ("RetryInterval", "RetryCount", "TimeoutInMinutes", "GrayPercent"):
            assert shown.get(name) == parameters.get(name)
        assert shown["MaximumPerMinute"] == parameters.get("MaximumPerMinute", 10_000)


async def test_sign_methods_in_any_spelling(world: World) -> None:
    (lamp,) = await world.fleet(1)
    for number, given in enumerate(("MD5", "Md5", "md5", "SHA256", "Sha256", "sha-256"), 2):
        name, told = ("MD5", "Md5") if number < 5 else ("SHA256", "SHA256")
        digest = hashlib.new(name, b"%d" % number).hexdigest()
        firmware = await world.package(str(number), SignMethod=given, FirmwareSign=digest.upper())
        info = (await world.call("QueryOTAFirmware", FirmwareId=firmware))["FirmwareInfo"]
        assert (info["SignMethod"], info["FirmwareSign"]) == (name, digest)
        await world.job(firmware)
        await world.tick()
        push = world.pushes(lamp)[-1]
        assert (push["version"], push["signMethod"], push["sign"]) == (str(number), told, digest)
        await world.inform(lamp, str(number))


async def test_urls_of_uploads_count_by_their_key(world: World) -> None:
    url = await world.upload(b"2.0")
    _, _, path = url.partition("http://files.test/")
    for number, given in enumerate((url, f"https://ota.example.com/{path}", f"http://other:8080/{path}?x=1#top")):
        await world.package(f"1{number}.0", FirmwareUrl=given)
    create = {"FirmwareName": "no", "DestVersion": "9", "ProductKey": world.product.product_key}
    for wrong in ("http://[::1", "//[", "", "nothing", f"{url[:-4]}.EXE"):
        code = await world.refused("CreateOTAFirmware", **create, FirmwareUrl=wrong)
        assert code in {"iot.firmware.MalformedFirmwareUrl", "iot.firmware.NullFirmwareUrl"}
    names = await world.upload_names(["lamp-1"])
    assert await world.refused("CreateOTAFirmware", **create, FirmwareUrl=names) == "iot.firmware.InvalidFirmwareUrl"


async def test_twenty_files(world: World) -> None:
    files = [{"Name": f"f{number}", "Url": await world.upload(b"%d" % number)} for number in range(20)]
    given = {"FirmwareName": "many", "DestVersion": "2.0", "ProductKey": world.product.product_key}
    firmware = (await world.call("CreateOTAFirmware", **given, MultiFiles=files))["Data"]["FirmwareId"]
    info = (await world.call("QueryOTAFirmware", FirmwareId=firmware))["FirmwareInfo"]
    assert [file["Name"] for file in info["MultiFiles"]] == [file["Name"] for file in files]


async def test_a_list_has_as_many_devices_as_it_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thingplane.ota.uploads.MAX_NAMES", 2)
    await world.fleet(2)
    firmware = await world.package()
    many = await world.upload_names(["lamp-1", "lamp-2", "lamp-3"])
    named = {"FirmwareId": firmware, "ProductKey": world.product.product_key, "TargetSelection": "SPECIFIC"}
    refused = await world.refused("CreateOTAStaticUpgradeJob", **named, DnListFileUrl=many)
    assert refused == "iot.ota.UpgradeDeviceCountExceedLimit"
    empty = await world.upload_names(["", " "])
    refused = await world.refused("CreateOTAStaticUpgradeJob", **named, DnListFileUrl=empty)
    assert refused == "iot.firmware.NullTargetDeviceNames"
    two = await world.job(
        firmware, TargetSelection="SPECIFIC", DnListFileUrl=await world.upload_names(["lamp-1,\r"] * 9)
    )
    assert set(await world.states(two)) == {"lamp-1"}


async def test_missing_task_ids(world: World) -> None:
    assert await world.refused("ConfirmOTATask", TaskId=[""]) == "iot.ota.TaskIdIsNull"
    await world.fleet(1)
    job = await world.job(await world.package())
    assert await world.refused("ReupgradeOTATask", JobId=job, TaskId=[""]) == "iot.ota.TaskIdIsNull"


def pages(answer: dict[str, Any]) -> tuple[int, int, int, int]:
    return answer["Total"], answer["PageCount"], answer["CurrentPage"], answer["PageSize"]


async def test_tasks_page_by_page(world: World) -> None:
    lamps = await world.fleet(5)
    job = await world.job(await world.package())
    await world.inform(lamps[1], "2.0")
    found: list[str] = []
    for page in (1, 2, 3, 4):
        answer = await world.call("ListOTATaskByJob", JobId=job, PageSize=2, CurrentPage=page)
        assert pages(answer) == (5, 3, page, 2)
        found += [task["DeviceName"] for task in answer["Data"]["SimpleOTATaskInfo"]]
    assert found == [lamp.name for lamp in lamps]
    for state, total in (("QUEUED", 4), ("SUCCEEDED", 1), ("FAILED", 0)):
        answer = await world.call("ListOTATaskByJob", JobId=job, PageSize=3, CurrentPage=2, TaskStatus=state)
        assert pages(answer) == (total, -(-total // 3), 2, 3)
        assert len(answer["Data"]["SimpleOTATaskInfo"]) == max(total - 3, 0)
    assert len((await world.call("ListOTATaskByJob", JobId=job))["Data"]["SimpleOTATaskInfo"]) == 5
    named = await world.call("ListOTATaskByJob", JobId=job, DeviceNames=["lamp-1", "lamp-2"], TaskStatus="QUEUED")
    assert pages(named) == (1, 1, 1, 1)
    far = await world.call("ListOTATaskByJob", JobId=job, PageSize=1, CurrentPage=100_000)
    assert pages(far)[:2] == (5, 5)


async def test_packages_and_batches_page_by_page(world: World) -> None:
    lamp, other = await world.fleet(2)
    firmware = [await world.package(f"{number}.0", FirmwareName=f"fw{number}") for number in (2, 3, 4)]
    jobs: list[str] = []
    for name in (lamp.name, other.name, lamp.name):
        jobs.append(await world.job(firmware[0], TargetSelection="SPECIFIC", TargetDeviceName=[name]))
        await world.call("CancelOTATaskByJob", JobId=jobs[-1], CancelQueuedTask=True)
    huge = 10**12
    answer = await world.call("ListOTAFirmware", CurrentPage=2, PageSize=2)
    listed = [item["FirmwareId"] for item in answer["FirmwareInfo"]["SimpleFirmwareInfo"]]
    assert (pages(answer), listed) == ((3, 2, 2, 2), [firmware[0]])
    assert pages(await world.call("ListOTAFirmware", CurrentPage=huge, PageSize=100)) == (3, 1, huge, 100)
    of_package = {"FirmwareId": firmware[0]}
    device = {**of_package, "ProductKey": lamp.product_key, "DeviceName": lamp.name}
    for action, given, wanted in (
        ("ListOTAJobByFirmware", of_package, jobs[::-1]),
        ("ListOTAJobByDevice", device, [jobs[2], jobs[0]]),
        ("ListOTAJobByDevice", {**device, "DeviceName": other.name}, [jobs[1]]),
        ("ListOTAJobByDevice", {**device, "FirmwareId": firmware[1]}, []),
    ):
        found: list[str] = []
        for page in range(1, len(wanted) + 2):
            answer = await world.call(action, **given, CurrentPage=page, PageSize=1)
            assert pages(answer) == (len(wanted), len(wanted), page, 1)
            found += [job["JobId"] for job in answer["Data"]["SimpleOTAJobInfo"]]
        assert found == wanted
        assert pages(await world.call(action, **given, CurrentPage=huge, PageSize=100))[0] == len(wanted)


async def test_what_a_device_still_says_of_another_update_does_not_count_for_a_planned_one(world: World) -> None:
    (lamp,) = await world.fleet(1)
    start = world.clock.now_ms() + 10 * MINUTE
    job = await world.job(await world.package(), ScheduleTime=start)
    for step in (50, -2):
        await world.progress(lamp, step)
        assert await world.states(job) == {lamp.name: "QUEUED"}
    await world.tick(600)
    await world.progress(lamp, 50)
    assert await world.states(job) == {lamp.name: "IN_PROGRESS"}


async def test_a_dynamic_batch_comes_back_to_a_device_that_was_busy(world: World) -> None:
    (lamp,) = await world.fleet(1)
    first = await world.job(await world.package("2.0"))
    job = await world.job(await world.package("3.0"), "Dynamic", SrcVersion=["1.0"])
    await world.inform(lamp, "1.0")
    assert await world.states(job) == {lamp.name: "FAILED"}
    await world.call("CancelOTATaskByJob", JobId=first, CancelQueuedTask=True)
    await world.inform(lamp, "1.0")
    assert [task["TaskStatus"] for task in await all_tasks(world, job)] == ["FAILED", "QUEUED"]
    await world.progress(lamp, -1)
    await world.inform(lamp, "1.0")
    assert [task["TaskStatus"] for task in await all_tasks(world, job)] == ["FAILED", "FAILED"]


async def all_tasks(world: World, job: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await world.call("ListOTATaskByJob", JobId=job))["Data"]["SimpleOTATaskInfo"]
    return listed

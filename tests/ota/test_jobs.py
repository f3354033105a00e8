"""Batches from beginning to end: which devices, when they are told, what their reports do; time is the test's."""

from itertools import pairwise
from typing import Any

import pytest

from tests.common.moving import move
from tests.devices.marks import one_database
from tests.ota.world import World

MINUTE = 60.0


async def test_a_static_batch_updates_every_device_that_is_not_there_yet(world: World) -> None:
    old, other = await world.fleet(2)
    (new,) = await world.fleet(1, "2.0", "new")
    await world.fleet(1, None, "silent")
    world.downlink.unreachable.add(other.id)
    job = await world.job(await world.package())
    assert await world.states(job) == {"lamp-1": "QUEUED", "lamp-2": "QUEUED"}
    await world.tick()
    assert world.pushed([old, other, new]) == [1, 0, 0]
    assert await world.states(job) == {"lamp-1": "NOTIFIED", "lamp-2": "QUEUED"}
    await world.progress(old, "35", "downloading")
    task = (await world.tasks(job))["lamp-1"]
    assert (task["TaskStatus"], task["Progress"], task["TaskDesc"]) == ("IN_PROGRESS", "35.00", "downloading")
    await world.progress(old, 100)
    assert (await world.states(job))["lamp-1"] == "IN_PROGRESS", "only the version counts"
    await world.inform(old, "2.0")
    assert (await world.states(job))["lamp-1"] == "SUCCEEDED"
    assert await world.status(job) == "IN_PROGRESS"
    # The other one comes online, reports at once, and is told at once, not a second time later.
    world.connect(other)
    await world.inform(other, "1.0")
    await world.tick()
    await world.tick(5)
    assert world.pushed([other]) == [1]
    await world.progress(other, -2, "no space")
    task = (await world.tasks(job))["lamp-2"]
    assert (task["TaskStatus"], task["TaskDesc"]) == ("FAILED", "download failed: no space")
    assert await world.status(job) == "COMPLETED"


@one_database
async def test_a_device_that_comes_online_without_a_word_is_told_after_a_while(world: World) -> None:
    (lamp,) = await world.fleet(1)
    world.downlink.unreachable.add(lamp.id)
    job = await world.job(await world.package())
    await world.tick()
    world.connect(lamp)
    await world.tick()
    assert world.pushed([lamp]) == [0]
    await world.tick(3)
    assert world.pushed([lamp]) == [1]
    # It loses its connection before it is done: told again, in the same state, and its time runs on.
    await world.progress(lamp, 20)
    world.connect(lamp)
    await world.tick(4)
    assert world.pushed([lamp]) == [2]
    assert await world.states(job) == {"lamp-1": "IN_PROGRESS"}
    # A version that it repeats without having been away is no reason to tell it again.
    await world.inform(lamp, "1.0")
    await world.tick()
    assert world.pushed([lamp]) == [2]


@one_database
@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"SrcVersion": ["1.0"]}, {"a-1", "a-2"}),
        ({"SrcVersion": ["1.0", "1.1"]}, {"a-1", "a-2", "b-1"}),
        ({"TargetSelection": "SPECIFIC", "TargetDeviceName": ["a-2", "b-1"]}, {"a-2", "b-1"}),
        ({"TargetSelection": "GRAY", "GrayPercent": "50"}, {"a-1"}),
        ({"TargetSelection": "GRAY", "GrayPercent": "66.667", "SrcVersion": ["1.0", "1.1"]}, {"a-1", "a-2"}),
        ({"TargetSelection": "GRAY", "GrayPercent": "100"}, {"a-1", "a-2", "b-1"}),
    ],
)
async def test_devices_are_selected(world: World, parameters: dict[str, Any], names: set[str]) -> None:
    await world.fleet(2, "1.0", "a")
    await world.fleet(1, "1.1", "b")
    await world.fleet(1, "2.0", "c")
    job = await world.job(await world.package(), **parameters)
    assert set(await world.states(job)) == names
    shown = (await world.call("QueryOTAJob", JobId=job))["Data"]
    assert shown["TargetSelection"] == parameters.get("TargetSelection", "ALL")
    assert shown.get("GrayPercent") == parameters.get("GrayPercent")
    assert shown["SrcVersions"]["SrcVersion"] == parameters.get("SrcVersion", [])


async def test_devices_of_a_list_or_group(world: World) -> None:
    devices = await world.fleet(3)
    url = await world.upload_names(["lamp-3", "", "unknown", "no\0name", "x" * 9000, "lamp-1", "lamp-3"])
    firmware = await world.package()
    job = await world.job(firmware, TargetSelection="SPECIFIC", DnListFileUrl=url)
    assert set(await world.states(job)) == {"lamp-1", "lamp-3"}
    await world.call("CancelOTATaskByJob", JobId=job, CancelQueuedTask=True)
    from thingplane.groups.service import GroupService

    groups = GroupService(world.ota._database, world.clock, world.devices)
    group = await groups.create(1, "lamps")
    await groups.members.add(group, devices[1:])
    target = {"TargetSelection": "GROUP", "GroupType": "LINK_PLATFORM", "GroupId": group.group_id}
    job = await world.job(firmware, **target)
    assert set(await world.states(job)) == {"lamp-2", "lamp-3"}
    shown = (await world.call("QueryOTAJob", JobId=job))["Data"]
    assert (shown["GroupId"], shown["GroupName"]) == (group.group_id, "lamps")


@one_database
async def test_differences_are_for_one_version_only(world: World) -> None:
    await world.fleet(1, "1.0", "right")
    (wrong,) = await world.fleet(1, "1.1", "wrong")
    firmware = await world.package(Type=1, SrcVersion="1.0")
    common = {"FirmwareId": firmware, "ProductKey": world.product.product_key}
    specific = {**common, "TargetSelection": "SPECIFIC", "TargetDeviceName": ["wrong-1"]}
    assert await world.refused("CreateOTAStaticUpgradeJob", **specific) == "iot.firmware.SrcVersionMismatch"
    other = {**common, "TargetSelection": "ALL", "SrcVersion": ["1.1"]}
    assert await world.refused("CreateOTAStaticUpgradeJob", **other) == "iot.firmware.UpgradeSrcVersionMismatch"
    url = await world.upload_names(["wrong-1"])
    listed = await world.job(firmware, TargetSelection="SPECIFIC", DnListFileUrl=url)
    assert (await world.states(listed), await world.status(listed)) == ({}, "COMPLETED")
    job = await world.job(firmware)
    assert await world.states(job) == {"right-1": "QUEUED"}
    assert wrong.name not in await world.states(job)


@one_database
async def test_a_device_whose_version_has_changed_gets_no_differences(world: World) -> None:
    (lamp,) = await world.fleet(1)
    world.downlink.unreachable.add(lamp.id)
    job = await world.job(await world.package(Type=1, SrcVersion="1.0"))
    await world.inform(lamp, "1.5")
    world.connect(lamp)
    await world.tick(4)
    task = (await world.tasks(job))["lamp-1"]
    assert (task["TaskStatus"], task["TaskDesc"]) == ("FAILED", "source version mismatch")
    assert world.pushed([lamp]) == [0]


@one_database
async def test_planned_start_and_end(world: World) -> None:
    lamps = await world.fleet(3)
    start = world.clock.now_ms() + 600_000
    job = await world.job(await world.package(), ScheduleTime=start, ScheduleFinishTime=start + 3_600_000)
    assert await world.status(job) == "PLANNED"
    assert set((await world.states(job)).values()) == {"QUEUED"}
    await world.tick(300)
    assert world.pushed(lamps) == [0, 0, 0]
    assert await world.get(lamps[0]) == {}
    await world.tick(300)
    assert await world.status(job) == "IN_PROGRESS"
    assert world.pushed(lamps) == [1, 1, 1]
    await world.inform(lamps[0], "2.0")
    await world.progress(lamps[1], 10)
    await world.tick(3600)
    tasks = await world.tasks(job)
    assert [tasks[lamp.name]["TaskStatus"] for lamp in lamps] == ["SUCCEEDED", "CANCELED", "CANCELED"]
    shown = (await world.call("QueryOTAJob", JobId=job))["Data"]
    assert shown["JobStatus"] == "COMPLETED"
    assert shown["UtcScheduleTime"] < shown["UtcScheduleFinishTime"] == shown["UtcEndTime"]


async def test_timeouts_count_from_the_first_progress(world: World) -> None:
    first, second = await world.fleet(2)
    job = await world.job(await world.package(), TimeoutInMinutes=10)
    await world.tick()
    await world.progress(first, 1)
    await world.tick(9 * MINUTE)
    await world.progress(second, 1)
    await world.tick(MINUTE)
    tasks = await world.tasks(job)
    assert (tasks["lamp-1"]["TaskStatus"], tasks["lamp-1"]["TaskDesc"]) == ("FAILED", "timeout")
    assert (tasks["lamp-2"]["TaskStatus"], tasks["lamp-2"]["Timeout"]) == ("IN_PROGRESS", "10")
    await world.tick(9 * MINUTE)
    assert await world.states(job) == {"lamp-1": "FAILED", "lamp-2": "FAILED"}


@one_database
async def test_failures_are_tried_again(world: World) -> None:
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package(), SrcVersion=["1.0"], RetryInterval=10, RetryCount=1)
    await world.tick()
    await world.progress(lamp, -1, "flash is full")
    assert await world.states(job) == {"lamp-1": "NOTIFIED"}
    await world.tick(9 * MINUTE)
    assert world.pushed([lamp]) == [1]
    await world.tick(MINUTE)
    assert world.pushed([lamp]) == [2]
    await world.progress(lamp, -1, "flash is full")
    assert await world.states(job) == {"lamp-1": "FAILED"}


@one_database
async def test_the_rate_is_kept(world: World) -> None:
    lamps = await world.fleet(40)
    await world.job(await world.package(), MaximumPerMinute=20)
    counts = []
    for _ in range(120):
        await world.tick()
        counts.append(sum(world.pushed(lamps)))
    assert [counts[59], counts[119]] == [20, 40]
    assert max(later - earlier for earlier, later in pairwise(counts)) <= 1


async def test_dynamic_batches_follow_versions(world: World) -> None:
    old, busy = await world.fleet(2)
    firmware = await world.package()
    job = await world.job(firmware, "Dynamic", SrcVersion=["1.0", "1.1"])
    assert await world.states(job) == {"lamp-1": "QUEUED", "lamp-2": "QUEUED"}
    (late,) = await world.fleet(1, "0.9", "late")
    assert "late-1" not in await world.states(job)
    await world.inform(late, "1.1")
    assert (await world.states(job))["late-1"] == "QUEUED"
    await world.tick()
    assert world.pushed([old, busy, late]) == [1, 1, 1]
    # A device that has failed and goes on repeating its version is left alone; one that was turned back is not.
    await world.progress(busy, -1)
    await world.inform(busy, "1.0")
    assert (await world.states(job))["lamp-2"] == "FAILED"
    await world.inform(old, "2.0")
    await world.inform(old, "1.0")
    assert (await world.tasks(job))["lamp-1"]["TaskStatus"] == "QUEUED"
    again = {"FirmwareId": firmware, "ProductKey": world.product.product_key, "SrcVersion": ["1.0"]}
    assert await world.refused("CreateOTADynamicUpgradeJob", **again) == "iot.firmware.InProgressDynamicJobExisted"
    await world.call("CancelOTAStrategyByJob", JobId=job)
    assert await world.status(job) == "CANCELED"
    (later,) = await world.fleet(1, "1.0", "later")
    assert later.name not in await world.states(job)
    await world.tick()
    assert world.pushed([old]) == [2], "what a policy has begun goes on"
    assert await world.refused("CancelOTAStrategyByJob", JobId=job) == "iot.firmware.JobAlreadyCanceled"


@one_database
async def test_dynamic_mode_2_waits_for_reports(world: World) -> None:
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package(), "Dynamic", SrcVersion=["1.0"], DynamicMode=2)
    assert await world.states(job) == {}
    await world.inform(lamp, "1.0")
    assert await world.states(job) == {"lamp-1": "QUEUED"}


@one_database
async def test_the_newest_policy_wins(world: World) -> None:
    (lamp,) = await world.fleet(1)
    first = await world.job(await world.package("2.0"), "Dynamic", SrcVersion=["1.0"])
    second = await world.job(await world.package("3.0"), "Dynamic", SrcVersion=["1.0", "2.0"])
    assert (await world.states(first), await world.states(second)) == ({"lamp-1": "CANCELED"}, {"lamp-1": "QUEUED"})
    await world.inform(lamp, "3.0")
    await world.inform(lamp, "1.0")
    assert (await world.tasks(second))["lamp-1"]["TaskStatus"] == "QUEUED"
    assert await world.states(first) == {"lamp-1": "CANCELED"}


async def test_one_unfinished_task_a_device(world: World) -> None:
    running, waiting = await world.fleet(2)
    first = await world.job(await world.package("2.0"))
    await world.tick()
    await world.progress(running, 10)
    kept = await world.job(await world.package("2.1"))
    task = (await world.tasks(kept))["lamp-2"]
    assert (task["TaskStatus"], task["TaskDesc"]) == ("FAILED", "another update task of the device is not finished")
    assert await world.status(kept) == "COMPLETED"
    replacing = await world.job(await world.package("2.2"), OverwriteMode=2)
    assert await world.states(replacing) == {"lamp-1": "FAILED", "lamp-2": "QUEUED"}
    assert await world.states(first) == {"lamp-1": "IN_PROGRESS", "lamp-2": "CANCELED"}
    await world.inform(waiting, "2.2")
    assert (await world.states(replacing))["lamp-2"] == "SUCCEEDED"


@one_database
async def test_modules_at_the_same_time_only_if_both_batches_allow_it(world: World) -> None:
    (lamp,) = await world.fleet(1)
    await world.inform(lamp, "7", "radio")
    await world.call("CreateOTAModule", ProductKey=world.product.product_key, ModuleName="radio")
    firmware = await world.package("2.0")
    radio = await world.package("8", ModuleName="radio")
    whole = await world.job(firmware, MultiModuleMode=True)
    alone = await world.job(radio)
    assert await world.states(alone) == {"lamp-1": "FAILED"}
    together = await world.job(radio, MultiModuleMode=True)
    assert await world.states(together) == {"lamp-1": "QUEUED"}
    await world.tick()
    assert [push.get("module") for push in world.pushes(lamp)] == [None, "radio"]
    await world.progress(lamp, 50, module="radio")
    assert await world.states(whole) == {"lamp-1": "NOTIFIED"}
    assert (await world.get(lamp, "radio"))["version"] == "8"
    assert (await world.get(lamp))["version"] == "2.0"
    await world.inform(lamp, "8", "radio")
    await world.inform(lamp, "2.0")
    assert (await world.states(whole), await world.states(together)) == (
        {"lamp-1": "SUCCEEDED"},
        {"lamp-1": "SUCCEEDED"},
    )


@one_database
async def test_tasks_that_an_application_confirms(world: World) -> None:
    first, second = await world.fleet(2)
    job = await world.job(await world.package(), NeedConfirm=True)
    assert await world.states(job) == {"lamp-1": "CONFIRM", "lamp-2": "CONFIRM"}
    await world.tick()
    assert world.pushed([first, second]) == [0, 0]
    assert await world.get(first) == {}
    task = (await world.tasks(job))["lamp-1"]["TaskId"]
    await world.call("ConfirmOTATask", TaskId=[task])
    assert await world.states(job) == {"lamp-1": "QUEUED", "lamp-2": "CONFIRM"}
    await world.tick()
    assert world.pushed([first, second]) == [1, 0]
    assert await world.refused("ConfirmOTATask", TaskId=[task]) == "iot.ota.ConfirmNotAllowedNow"


@one_database
async def test_planned_tasks_are_confirmed_in_their_time_only(world: World) -> None:
    await world.fleet(1)
    start = world.clock.now_ms() + 600_000
    job = await world.job(await world.package(), NeedConfirm=True, ScheduleTime=start)
    task = (await world.tasks(job))["lamp-1"]["TaskId"]
    assert await world.refused("ConfirmOTATask", TaskId=[task]) == "iot.ota.ConfirmNotAllowedNow"
    await world.tick(600)
    await world.call("ConfirmOTATask", TaskId=[task])


@one_database
async def test_devices_that_have_to_ask(world: World) -> None:
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package(Udi="note"), NeedPush=False, Tag=[{"Key": "k", "Value": "v"}])
    await world.tick()
    assert world.pushed([lamp]) == [0]
    assert await world.states(job) == {"lamp-1": "QUEUED"}
    data = await world.get(lamp)
    assert (data["version"], data["extData"]) == ("2.0", {"k": "v", "_package_udi": "note"})
    assert await world.states(job) == {"lamp-1": "NOTIFIED"}


async def test_verification(world: World) -> None:
    first, second = await world.fleet(2)
    firmware = await world.package(NeedToVerify="true")

    async def status() -> tuple[int, int]:
        info = (await world.call("QueryOTAFirmware", FirmwareId=firmware))["FirmwareInfo"]
        return info["Status"], info["VerifyProgress"]

    target = {"FirmwareId": firmware, "ProductKey": world.product.product_key}
    refused = await world.refused("CreateOTAStaticUpgradeJob", **target, TargetSelection="ALL")
    assert (refused, await status()) == ("iot.firmware.FirmwareNotVerified", (0, 0))
    names = {**target, "TargetDeviceName": ["lamp-1", "lamp-2"]}
    job = await world.job(firmware, "Verify", TargetDeviceName=["lamp-1", "lamp-2"])
    assert await status() == (2, 0)
    assert await world.refused("CreateOTAVerifyJob", **names) == "iot.firmware.InProgressVerifyJobExisted"
    await world.tick()
    await world.progress(first, -3)
    assert await status() == (2, 50)
    await world.progress(second, -3)
    assert (await status(), await world.status(job)) == ((3, 100), "COMPLETED")
    job = await world.job(firmware, "Verify", TargetDeviceName=["lamp-1", "lamp-2"])
    await world.call("CancelOTATaskByJob", JobId=job, CancelQueuedTask=True)
    assert (await status(), await world.status(job)) == ((0, 100), "CANCELED")
    await world.job(firmware, "Verify", TargetDeviceName=["lamp-1", "lamp-2"])
    await world.inform(first, "2.0")
    assert await status() == (1, 100)
    assert await world.refused("CreateOTAVerifyJob", **names) == "iot.firmware.VerifyFirmwareNoNeed"
    listed = (await world.call("ListOTAJobByFirmware", FirmwareId=firmware, CurrentPage=1, PageSize=2))["Data"]
    assert [item["JobType"] for item in listed["SimpleOTAJobInfo"]] == ["VERFIY_FIRMWARE"] * 2


async def test_cancelling_a_batch_by_state(world: World) -> None:
    running, told, queued = await world.fleet(3)
    world.downlink.unreachable.add(queued.id)
    job = await world.job(await world.package())
    await world.tick()
    await world.progress(running, 10)
    await world.call("CancelOTATaskByJob", JobId=job, CancelNotifiedTask=True)
    expected = {running.name: "IN_PROGRESS", told.name: "CANCELED", queued.name: "QUEUED"}
    assert await world.states(job) == expected
    await world.call("CancelOTATaskByJob", JobId=job, CancelQueuedTask=True, CancelUnconfirmedTask=False)
    assert await world.status(job) == "IN_PROGRESS"
    await world.call("CancelOTATaskByJob", JobId=job, CancelInProgressTask=True)
    assert await world.status(job) == "CANCELED"
    assert set((await world.states(job)).values()) == {"CANCELED"}
    refused = await world.refused("CancelOTATaskByJob", JobId=job, CancelQueuedTask=True)
    assert refused == "iot.firmware.JobAlreadyCanceled"


@one_database
async def test_cancelling_a_planned_batch(world: World) -> None:
    await world.fleet(1)
    firmware = await world.package()
    job = await world.job(firmware, ScheduleTime=world.clock.now_ms() + 600_000)
    await world.call("CancelOTATaskByJob", JobId=job, CancelScheduledTask=True)
    assert (await world.states(job), await world.status(job)) == ({"lamp-1": "CANCELED"}, "CANCELED")
    await world.tick(700)
    assert await world.status(job) == "CANCELED"
    now = await world.job(firmware)
    refused = await world.refused("CancelOTATaskByJob", JobId=now, CancelScheduledTask=True)
    assert refused == "iot.firmware.JobHasNoScheduleTime"
    assert await world.refused("CancelOTATaskByJob", JobId=now) == "iot.firmware.CancelOptionIsMandatory"


@one_database
async def test_cancelling_by_device(world: World) -> None:
    running, told = await world.fleet(2)
    firmware = await world.package()
    job = await world.job(firmware)
    await world.tick()
    await world.progress(running, 10)
    named = {"FirmwareId": firmware, "ProductKey": world.product.product_key}
    call = "CancelOTATaskByDevice"
    await world.call(call, **named, DeviceName=[running.name, told.name], JobId=job)
    assert await world.states(job) == {running.name: "IN_PROGRESS", told.name: "CANCELED"}
    refused = await world.refused(call, **named, DeviceName=[running.name])
    assert refused == "iot.firmware.IncorrectDeviceUpgradeJobStatus"
    assert await world.refused(call, **named, DeviceName=[told.name]) == "iot.firmware.DeviceUpgradeRecordNotFound"
    assert await world.refused(call, **named, DeviceName=["unknown"]) == "iot.ota.DeviceNotExist"


async def test_starting_again(world: World) -> None:
    failed, done = await world.fleet(2)
    firmware = await world.package()
    job = await world.job(firmware)
    await world.tick()
    await world.progress(failed, -1)
    await world.inform(done, "2.0")
    assert await world.status(job) == "COMPLETED"
    ids = {name: task["TaskId"] for name, task in (await world.tasks(job)).items()}
    call = "ReupgradeOTATask"
    assert await world.refused(call, JobId=job, TaskId=[ids["lamp-2"]]) == "iot.ota.InvalidTaskExist"
    await world.call(call, JobId=job, TaskId=[ids["lamp-1"]])
    assert await world.states(job) == {"lamp-1": "QUEUED", "lamp-2": "SUCCEEDED"}
    assert await world.status(job) == "IN_PROGRESS"
    await world.tick()
    assert world.pushed([failed]) == [2]
    await world.progress(failed, -1)
    other = await world.job(await world.package("3.0"))
    assert await world.refused(call, JobId=job, TaskId=[ids["lamp-1"]]) == "iot.ota.DeviceNotReUpgraded"
    assert await world.refused(call, JobId=other, TaskId=[ids["lamp-1"]]) == "iot.ota.UnmatchedJob"
    await world.call("CancelOTATaskByJob", JobId=other, CancelQueuedTask=True)
    task = (await world.tasks(other))["lamp-1"]["TaskId"]
    assert await world.refused(call, JobId=other, TaskId=[task]) == "iot.ota.JobCanceled"


async def test_deleted_devices_leave_the_counts(world: World) -> None:
    first, second = await world.fleet(2)
    job = await world.job(await world.package())
    await world.devices.delete(first)
    assert await world.states(job) == {"lamp-2": "QUEUED"}
    await world.devices.delete(second)
    await world.tick()
    assert (await world.states(job), await world.status(job)) == ({}, "COMPLETED")


async def test_devices_that_go_to_another_instance_leave_their_batches(world: World) -> None:
    first, second = await world.fleet(2)
    job = await world.job(await world.package())
    await move(world.products, world.devices, world.product, first)
    assert await world.states(job) == {"lamp-2": "QUEUED"}
    await move(world.products, world.devices, world.product, second)
    await world.tick()
    assert (await world.states(job), await world.status(job)) == ({}, "COMPLETED")


@one_database
async def test_subscribers_are_told(world: World) -> None:
    lamp, blocked = await world.fleet(2)
    subscriber = await world.listen()
    firmware = await world.package()
    job = await world.job(firmware)
    await world.job(await world.package("3.0"), TargetSelection="SPECIFIC", TargetDeviceName=[blocked.name])
    await world.tick()
    await world.inform(lamp, "1.0")
    await world.inform(lamp, "2.0")
    await world.progress(blocked, -2)
    told = await world.told(subscriber)
    key = world.product.product_key
    jobs = [(topic, body) for topic, body in told if topic.endswith("/ota/job/status")]
    assert [(topic.split("/")[3], body["status"]) for topic, body in jobs][::3] == [
        (job, "IN_PROGRESS"),
        (job, "COMPLETED"),
    ]
    assert jobs[0][1] == {
        "productKey": key,
        "moduleName": "default",
        "packageId": firmware,
        "jobId": job,
        "status": "IN_PROGRESS",
        "messageCreateTime": world.clock.now_ms() - 1000,
    }
    assert jobs[0][0] == f"/{key}/{firmware}/{job}/ota/job/status"
    versions = [(topic, body) for topic, body in told if topic.endswith("/ota/version/post")]
    assert versions == [
        (
            f"/{key}/{lamp.name}/ota/version/post",
            {
                "iotId": lamp.iot_id,
                "deviceName": lamp.name,
                "productKey": key,
                "moduleName": "default",
                "moduleVersion": "2.0",
                "messageCreateTime": world.clock.now_ms(),
            },
        )
    ]
    ended = [body for topic, body in told if topic.endswith("/ota/upgrade")]
    assert [(body["deviceName"], body["status"], body["desc"]) for body in ended] == [
        (lamp.name, "SUCCEEDED", ""),
        (blocked.name, "FAILED", "download failed"),
    ]
    assert ended[0]["srcVersion"] == "1.0"
    assert ended[0]["destVersion"] == "2.0"
    assert (ended[0]["jobId"], ended[0]["taskId"]) == (job, (await world.tasks(job))[lamp.name]["TaskId"])


@one_database
async def test_what_a_device_has_to_do(world: World) -> None:
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package())
    call = "ListOTAUnfinishedTaskByDevice"
    queued = (await world.call(call, IotId=lamp.iot_id, TaskStatus="QUEUED"))["Data"]["SimpleOTATaskInfo"]
    assert [(task["JobId"], task["ModuleName"], task["SrcVersion"]) for task in queued] == [(job, "default", "1.0")]
    named = {"ProductKey": lamp.product_key, "DeviceName": lamp.name}
    assert (await world.call(call, **named, TaskStatus="NOTIFIED"))["Data"] == {"SimpleOTATaskInfo": []}
    both = await world.call(call, **named, TaskStatus="CONFIRM", TaskStatusList=["QUEUED"], ModuleName="default")
    assert both["Data"]["SimpleOTATaskInfo"] == queued
    assert (await world.call(call, **named, TaskStatus="QUEUED", ModuleName="x"))["Data"] == {"SimpleOTATaskInfo": []}

"""Distribution tasks: what they check, how they go on after a restart, how they are found and deleted."""

import asyncio
from typing import Any

import pytest

from tests.common.api import OTHER_INSTANCE
from tests.distribution.conftest import HERE, THERE, World
from thingplane.cloud.client import CallError
from thingplane.distribution import runner
from thingplane.distribution.jobs import JobStore
from thingplane.distribution.runner import Runner
from thingplane.files.tables import discarded_blobs
from thingplane.storage.blobs import BlobNotFoundError

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def begun(world: World, *names: str, **parameters: Any) -> str:
    """Make a task that nobody runs; returns its JobId."""
    answer = await world.take(*names, **parameters)
    assert answer["Success"] is True, answer
    return str(answer["JobId"])


async def test_a_task_tells_what_it_does_and_how_far_it_is(world: World) -> None:
    await world.devices.register(world.product, "lamp-1")
    await world.distribution.close()
    made = world.clock.now_ms()
    job_id = await begun(world, "lamp-1", Strategy=1)
    job = {
        "GmtCreate": made,
        "JobId": job_id,
        "ProductKey": world.product.product_key,
        "SourceInstanceId": HERE,
        "SourceUid": "1000000000000001",
        "Status": 0,
        "Strategy": 1,
        "TargetInstanceConfigs": {"targetInstanceConfigs": [{"TargetInstanceId": THERE}]},
        "TargetUid": "1000000000000001",
        "Total": 1,
    }
    assert await world.job(job_id) == job
    assert (await world.call("QueryDeviceDistributeDetail", JobId=job_id))["Code"] == "iot.provisioning.TaskNotFinish"
    answer = await world.call("DeleteDeviceDistributeJob", JobId=job_id)
    assert answer["Code"] == "iot.provisioning.TaskIsProcessing"
    await world.distribution.start()
    await world.distribution.done()
    assert await world.job(job_id) == job | {"Status": 2}
    listed = (await world.call("ListDeviceDistributeJob", PageSize=1))["Data"]
    target = {"TargetInstanceId": THERE, "TargetInstanceName": "Second", "TargetRegion": "cn-shanghai"}
    assert listed["JobInfo"]["items"] == [
        job
        | {
            "Status": 2,
            "SourceInstanceName": HERE,
            "SourceRegion": "cn-shanghai",
            "TargetInstanceConfigs": {"targetInstanceConfigs": [target]},
        }
    ]


async def test_a_task_goes_on_after_a_restart_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "AT_ONCE", 2)
    names = [f"lamp-{number}" for number in range(5)]
    for name in names:
        await world.devices.register(world.product, name)
    await world.distribution.close()
    job_id = await begun(world, *names)
    jobs = JobStore(world.database, world.clock)
    [job] = await jobs.unfinished()
    first = Runner(world.database, world.clock, jobs, world.products, world.devices, world.instances, world.blobs)
    stops = iter([False, True])
    await first.run(job.id, lambda: next(stops))
    assert (await world.job(job_id))["Status"] == 1
    copy = await world.products.get(OTHER_INSTANCE.id, world.product.product_key)
    assert (await world.devices.lists.of_product(copy.id, 10))[0] == 2
    again = world.restarted()
    await again.start()
    await again.done()
    await again.close()
    assert (await world.job(job_id))["Status"] == 2
    # Those of the first process are no devices that were distributed before.
    assert [(entry["DeviceName"], entry["Code"]) for entry in await world.result(job_id)] == [
        (name, "200") for name in names
    ]
    assert (await world.devices.lists.of_product(copy.id, 10))[0] == 5


async def test_a_copy_that_is_deleted_meanwhile_is_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.devices.register(world.product, "lamp-1")
    copies = [await world.placed()]
    take_some = Runner._take_some

    async def deleted_before(*arguments: Any) -> None:
        for copy in copies:
            await world.products.delete(copy)
        copies.clear()
        await take_some(*arguments)

    monkeypatch.setattr(Runner, "_take_some", deleted_before)
    job_id = await world.taken("lamp-1")
    assert [entry["Code"] for entry in await world.result(job_id)] == ["200"]
    again = await world.products.get(OTHER_INSTANCE.id, world.product.product_key)
    assert (await world.devices.lists.of_product(again.id, 10))[0] == 1


@SQLITE
async def test_a_result_that_cannot_be_written_is_written_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.devices.register(world.product, "lamp-1")
    monkeypatch.setattr("thingplane.storage.job_queue.RETRY_DELAY", 0.0)
    create, failures = world.blobs.create, iter([OSError("full")])

    async def failing(key: str) -> Any:
        for failure in failures:
            raise failure
        return await create(key)

    monkeypatch.setattr(world.blobs, "create", failing)
    job_id = await world.taken("lamp-1")
    assert [entry["Code"] for entry in await world.result(job_id)] == ["200"]


@SQLITE
async def test_an_instance_that_is_gone_interrupts_the_task(world: World) -> None:
    await world.devices.register(world.product, "lamp-1")
    await world.distribution.close()
    job_id = await begun(world, "lamp-1")
    await world.instances.delete(THERE)
    again = world.restarted()
    await again.start()
    await again.done()
    await again.close()
    assert (await world.job(job_id))["Status"] == 3
    [entry] = await world.result(job_id)
    assert entry["Code"] == "iot.provisioning.TargetInstanceNotFound"


async def test_ten_tasks_may_be_unfinished_also_when_they_come_at_once(world: World) -> None:
    await world.distribution.close()
    answers = await asyncio.gather(*(world.take(f"lamp-{number}") for number in range(12)))
    codes = [answer["Code"] for answer in answers if not answer["Success"]]
    assert codes == ["iot.provisioning.RunningTaskExcceedLimit"] * 2
    assert (await world.place())["Code"] == "iot.provisioning.RunningTaskExcceedLimit"


@SQLITE
async def test_a_device_is_in_one_unfinished_task(world: World) -> None:
    await world.distribution.close()
    await begun(world, "lamp-1", "lamp-2")
    answer = await world.take("lamp-3", "lamp-2")
    assert answer["Code"] == "iot.provisioning.DeviceIsInAnotherTask"
    await begun(world, "lamp-3")


async def test_tasks_are_listed_by_page_and_by_token(world: World) -> None:
    made = [await world.taken(f"lamp-{number}") for number in range(5)]
    newest_first = made[::-1]

    async def page(**parameters: Any) -> tuple[list[str], dict[str, Any]]:
        data = (await world.call("ListDeviceDistributeJob", **parameters))["Data"]
        return [item["JobId"] for item in data["JobInfo"]["items"]], data

    assert (await page())[0] == newest_first
    assert (await page(CurrentPage=2, PageSize=2))[0] == newest_first[2:4]
    found, data = await page(PageSize=2)
    walked = [*found]
    while token := data.get("NextToken"):
        # It outranks the number of the page.
        found, data = await page(PageSize=2, NextToken=token, CurrentPage=7)
        assert data["Total"] == 5
        walked += found
    assert walked == newest_first
    for filters, count in (
        ({"JobId": made[0]}, 1),
        ({"JobId": "unknown"}, 0),
        ({"ProductKey": world.product.product_key}, 5),
        ({"ProductKey": "a1Unknown00"}, 0),
        ({"Status": 2}, 5),
        ({"Status": 1}, 0),
        ({"TargetUid": "1000000000000001"}, 5),
        ({"TargetUid": "2000000000000001"}, 0),
    ):
        found, data = await page(**filters)
        assert (len(found), data["Total"]) == (count, count), filters


async def test_a_task_is_deleted_with_its_file_and_devices_stay_where_they_are(world: World) -> None:
    device = await world.devices.register(world.product, "lamp-1")
    job_id = await world.taken("lamp-1")
    url = (await world.call("QueryDeviceDistributeDetail", JobId=job_id))["File"]
    blob = url.split("/download/")[1].split("/")[0]
    assert await world.blobs.size(blob) > 0
    assert (await world.call("DeleteDeviceDistributeJob", JobId=job_id))["Success"] is True
    with pytest.raises(BlobNotFoundError):
        await world.blobs.size(blob)
    async with world.database.read() as connection:
        assert (await connection.execute(discarded_blobs.select())).all() == []
    for action in ("QueryDeviceDistributeJob", "QueryDeviceDistributeDetail", "DeleteDeviceDistributeJob"):
        assert (await world.call(action, JobId=job_id))["Code"] == "iot.provisioning.TaskNotExist"
    assert device.instance_id == OTHER_INSTANCE.id


@SQLITE
async def test_the_url_of_a_result_is_valid_for_ten_minutes(world: World) -> None:
    job_id = await world.taken("lamp-1")
    url = (await world.call("QueryDeviceDistributeDetail", JobId=job_id))["File"]
    assert f"Expires={world.clock.now_ms() // 1000 + 600}&" in url


TARGET = {"TargetInstanceId": THERE}


BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"ProductKey": ""}, "iot.prod.NullProductKey"),
    ({"ProductKey": "a1Unknown00"}, "iot.prod.NotExistedProduct"),
    ({"DeviceName": ["lamp-1", ""]}, "iot.device.NullDeviceName"),
    ({"DeviceName": [f"lamp-{number}" for number in range(10_001)]}, "iot.provisioning.LimitExceeded"),
    ({"SourceInstanceId": "iot-unknown"}, "iot.provisioning.SourceInstanceNotFound"),
    ({"TargetInstanceConfig": [{"TargetInstanceId": "iot-unknown"}]}, "iot.provisioning.TargetInstanceNotFound"),
    ({"TargetInstanceConfig": [{"TargetInstanceId": ""}]}, "iot.provisioning.TargetInstanceNotFound"),
    ({"TargetInstanceConfig": [{"TargetInstanceId": HERE}]}, "iot.system.InstanceIdSame"),
    ({"TargetInstanceConfig": [TARGET, {"TargetInstanceId": "iot-3"}]}, "iot.provisioning.InstanceRegionConflict"),
    (
        {"TargetInstanceConfig": [TARGET, {"TargetInstanceId": "iot-3"}], "Strategy": 1},
        "iot.provisioning.InstanceRegionConflict",
    ),
    ({"Strategy": 2}, "iot.provisioning.ErrorStrategy"),
    ({"TargetUid": "2000000000000001"}, "iot.provisioning.NotCrossTenantId"),
)


@SQLITE
async def test_bad_parameters_make_no_task(world: World) -> None:
    await world.instances.create("iot-3")
    for changes, code in BAD:
        assert (await world.take("lamp-1", **changes))["Code"] == code, changes
    assert (await world.call("ListDeviceDistributeJob"))["Data"]["Total"] == 0
    for missing in ("ProductKey", "DeviceName", "TargetInstanceConfig"):
        given: dict[str, Any] = {missing: None}
        with pytest.raises(CallError, match=f"Missing{missing}"):
            await world.take("lamp-1", **given)


QUERIES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("ListDeviceDistributeJob", {"PageSize": 201}, "iot.common.InvalidPageParams"),
    ("ListDeviceDistributeJob", {"CurrentPage": 0}, "iot.common.InvalidPageParams"),
    ("ListDeviceDistributeJob", {"CurrentPage": 51, "PageSize": 200}, "iot.provisioning.NextTokenNotNull"),
    ("ListDeviceDistributeJob", {"NextToken": "no token"}, "iot.device.PageTokenIsIllegal"),
    ("ListDeviceDistributeJob", {"Status": 4}, "iot.common.InvalidFormattedParameter"),
    ("ListDistributedDevice", {"PageSize": 201}, "iot.common.InvalidPageParams"),
    ("ListDistributedDevice", {"SourceInstanceId": "iot-x"}, "iot.provisioning.SourceInstanceNotFound"),
    ("ListDistributedProduct", {"PageSize": 0}, "iot.common.InvalidPageParams"),
    ("ListDistributedProduct", {"TargetInstanceId": "iot-x"}, "iot.provisioning.TargetInstanceNotFound"),
    ("QueryDeviceDistributeJob", {"JobId": ""}, "iot.provisioning.TaskNotExist"),
)


@SQLITE
async def test_bad_parameters_of_queries(world: World) -> None:
    for action, parameters, code in QUERIES:
        assert (await world.call(action, **parameters))["Code"] == code, (action, parameters)
    assert (await world.call("ListDeviceDistributeJob", CurrentPage=50, PageSize=200))["Success"] is True

"""What happens at the same time, or only half: ends, cancellations and restarts of batches beside everything else."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError

from tests.devices.marks import one_database
from tests.ota.world import World
from thingplane.cloud import BusinessError
from thingplane.ota.job import Kind, Strategy
from thingplane.ota.jobs import NewJob
from thingplane.ota.scheduler import SWEEP_S
from thingplane.ota.tables import ota_job_counts, ota_jobs, ota_tasks
from thingplane.ota.task import State

HOUR = 3600


@one_database
async def test_an_end_that_a_crash_has_cut_short_is_completed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.fleet(2)
    start = world.clock.now_ms() + 600_000
    job = await world.job(await world.package(), ScheduleTime=start, ScheduleFinishTime=start + HOUR * 1000)
    await world.tick(600)

    async def crash(*_arguments: object) -> None:
        raise OSError("the power is gone")

    with monkeypatch.context() as crashing:
        crashing.setattr(world.ota.tasks, "cancel_of_job", crash)
        with pytest.raises(OSError, match="power"):
            await world.tick(HOUR)
    assert set((await world.states(job)).values()) == {"NOTIFIED"}
    await world.tick(SWEEP_S)
    assert (set((await world.states(job)).values()), await world.status(job)) == ({"CANCELED"}, "COMPLETED")


@one_database
async def test_nothing_begins_again_after_the_planned_end(world: World) -> None:
    await world.fleet(1)
    start = world.clock.now_ms() + 600_000
    job = await world.job(await world.package(), ScheduleTime=start, ScheduleFinishTime=start + HOUR * 1000)
    await world.tick(600)
    await world.tick(HOUR)
    (task,) = (await world.tasks(job)).values()
    refused = await world.refused("ReupgradeOTATask", JobId=job, TaskId=[task["TaskId"]])
    assert refused == "iot.ota.DeviceNotReUpgraded"
    assert (await world.states(job), await world.status(job)) == ({"lamp-1": "CANCELED"}, "COMPLETED")


async def test_a_task_that_begins_again_while_its_batch_ends_is_pushed(world: World) -> None:
    failed, last = await world.fleet(2)
    job = await world.job(await world.package())
    await world.tick()
    await world.progress(failed, -1)
    task = (await world.tasks(job))["lamp-1"]["TaskId"]
    found = await world.ota.jobs.find(1, job)
    assert found is not None
    # The last device succeeds, and completes the batch, after the batch was looked up.
    await world.inform(last, "2.0")
    assert await world.status(job) == "COMPLETED"
    await world.ota.begin_again(found, [task])
    assert (await world.states(job), await world.status(job)) == (
        {"lamp-1": "QUEUED", "lamp-2": "SUCCEEDED"},
        "IN_PROGRESS",
    )
    await world.tick()
    assert world.pushed([failed]) == [2]


async def test_counts_of_a_device_that_is_deleted_while_it_is_told(world: World) -> None:
    lamp, other = await world.fleet(2)
    job = await world.job(await world.package())
    made = await world.ota.jobs.get(1, job)
    async with asyncio.TaskGroup() as group:
        group.create_task(world.devices.delete(lamp))
        group.create_task(world.tick())
        group.create_task(world.ota.cancel_tasks(made, [State.NOTIFIED], planned=False))
    assert set(await world.states(job)) == {other.name}


async def test_everything_at_once_keeps_the_counts(world: World) -> None:
    lamps = await world.fleet(12)
    firmware = await world.package()
    job = await world.job(firmware, NeedConfirm=True)
    ids = [task["TaskId"] for task in (await world.tasks(job)).values()]
    made, package = await world.ota.jobs.get(1, job), await world.ota.packages.get(1, firmware)
    outcomes = await asyncio.gather(
        world.ota.confirm(1, ids[:6]),
        world.ota.cancel_of_devices(package, [lamps[6].id, lamps[7].id], None),
        world.ota.cancel_tasks(made, [State.QUEUED], planned=False),
        *(world.inform(lamp, "2.0") for lamp in lamps[::3]),
        *(world.progress(lamp, 10) for lamp in lamps[1::3]),
        *(world.devices.delete(lamp) for lamp in lamps[10:]),
        world.tick(),
        return_exceptions=True,
    )
    # Confirmation may come too late for one of them.
    assert {type(outcome) for outcome in outcomes} <= {type(None), BusinessError}
    states = await world.states(job)
    assert len(states) == 10
    async with world.ota._database.read() as connection:
        counts = (await connection.execute(select(ota_job_counts).join(ota_jobs))).one()
        kept = (await connection.execute(select(ota_tasks.c.state))).scalars().all()
    assert list(counts[1:]) == [kept.count(int(state)) for state in State]


@one_database
@pytest.mark.parametrize("need_confirm", [False, True])
async def test_only_who_cancels_what_a_batch_begins_with_ends_its_making(
    world: World, monkeypatch: pytest.MonkeyPatch, need_confirm: bool
) -> None:
    monkeypatch.setattr("thingplane.ota.building.AT_ONCE", 1)
    await world.fleet(4)
    queue = world.ota._builder._queue
    firmware = await world.package()
    for ends in (False, True):
        with monkeypatch.context() as held:
            held.setattr(queue, "put", lambda _job: None)
            job = await world.job(firmware, NeedConfirm=need_confirm)
        chosen = {"CancelUnconfirmedTask": need_confirm is ends, "CancelQueuedTask": need_confirm is not ends}
        await world.call("CancelOTATaskByJob", JobId=job, **chosen)
        queue.put((await world.ota.jobs.get(1, job)).id)
        await queue.done()
        states = list((await world.states(job)).values())
        assert states == (["CANCELED"] if ends else ["CONFIRM" if need_confirm else "QUEUED"] * 4)
        if not ends:
            await world.call("CancelOTATaskByJob", JobId=job, CancelQueuedTask=True)


@one_database
async def test_queued_tasks_that_were_passed_over_are_found_again(world: World) -> None:
    first, second = await world.fleet(2)
    await world.job(await world.package())
    # The transaction that made the earlier task has ended after the one of the later task.
    async with world.ota._database.write() as connection:
        late = update(ota_tasks).where(ota_tasks.c.device_id == first.id)
        await connection.execute(late.values(state=int(State.CONFIRM)))
    await world.tick()
    async with world.ota._database.write() as connection:
        await connection.execute(late.values(state=int(State.QUEUED)))
    await world.tick()
    assert world.pushed([first, second]) == [0, 1]
    await world.tick(120)
    await world.tick()
    assert world.pushed([first, second]) == [1, 1]


@one_database
async def test_a_device_that_has_just_connected_is_told_once(world: World) -> None:
    lamp, other = await world.fleet(2)
    world.downlink.unreachable.add(other.id)
    await world.job(await world.package("3.0"), TargetSelection="SPECIFIC", TargetDeviceName=[other.name])
    await world.tick()
    world.connect(lamp)
    await world.job(await world.package(), TargetSelection="SPECIFIC", TargetDeviceName=[lamp.name])
    for _ in range(6):
        await world.tick()
    assert world.pushed([lamp]) == [1]


@one_database
async def test_a_verification_that_begins_again_beside_a_new_one(world: World) -> None:
    first, second = await world.fleet(2)
    firmware = await world.package(NeedToVerify="true")

    async def status() -> int:
        return int((await world.call("QueryOTAFirmware", FirmwareId=firmware))["FirmwareInfo"]["Status"])

    old = await world.job(firmware, "Verify", TargetDeviceName=[first.name])
    await world.progress(first, -1)
    assert await status() == 3
    task = (await world.tasks(old))[first.name]["TaskId"]
    await world.job(firmware, "Verify", TargetDeviceName=[second.name])
    await world.call("ReupgradeOTATask", JobId=old, TaskId=[task])
    await world.progress(first, -1)
    assert await status() == 2, "the other one still runs"
    await world.inform(second, "2.0")
    assert await status() == 1


@one_database
async def test_a_package_is_not_deleted_while_a_device_installs_it(world: World) -> None:
    (lamp,) = await world.fleet(1)
    firmware = await world.package()
    job = await world.job(firmware, "Dynamic", SrcVersion=["1.0"])
    await world.call("CancelOTAStrategyByJob", JobId=job)
    assert await world.refused("DeleteOTAFirmware", FirmwareId=firmware) == "iot.firmware.DeleteFirmwareFailure"
    await world.inform(lamp, "2.0")
    await world.call("DeleteOTAFirmware", FirmwareId=firmware)


async def test_what_a_device_says_with_its_progress_may_be_anything(world: World) -> None:
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package())
    await world.progress(lamp, 5, "a\0b\U0001f600" + "x" * 1000)
    (task,) = (await world.tasks(job)).values()
    assert (task["TaskStatus"], len(task["TaskDesc"])) == ("IN_PROGRESS", 256)


@one_database
async def test_modules_at_the_same_time_replace_what_waits_for_the_same_module(world: World) -> None:
    lamp, running = await world.fleet(2)
    first = await world.job(await world.package("2.0"), MultiModuleMode=True)
    await world.progress(running, 5)
    second = await world.job(await world.package("2.1"), MultiModuleMode=True)
    assert await world.states(first) == {lamp.name: "CANCELED", running.name: "IN_PROGRESS"}
    assert await world.states(second) == {lamp.name: "QUEUED", running.name: "FAILED"}


@pytest.mark.parametrize("kind", ["VERIFY", "DYNAMIC"])
async def test_a_package_has_one_running_batch_of_these_kinds(world: World, kind: Kind) -> None:
    await world.fleet(1)
    firmware = await world.package(NeedToVerify="true" if kind == "VERIFY" else "false")
    package = await world.ota.packages.get(1, firmware)
    if kind == "VERIFY":
        new = NewJob(kind=kind, selection="SPECIFIC", strategy=Strategy(), names=["lamp-1"])
    else:
        new = NewJob(kind=kind, selection="ALL", strategy=Strategy(src_versions=("1.0",), dynamic_mode=1))
    made = await asyncio.gather(
        *(world.ota.create_job(world.product, package, new) for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in made) == ["BusinessError", "BusinessError", "Job"]
    listed = await world.call("ListOTAJobByFirmware", FirmwareId=firmware, CurrentPage=1, PageSize=10)
    assert listed["Total"] == 1


class Refusing:
    """Lets a transaction fail for some times."""

    def __init__(self, process: Any, errors: list[Exception]) -> None:
        self._process = process
        self.errors = errors

    async def __call__(self, reports: Any) -> None:
        if self.errors:
            raise self.errors.pop()
        await self._process(reports)


@one_database
@pytest.mark.parametrize(
    "error", [IntegrityError, OperationalError, InterfaceError, lambda *_: ConnectionRefusedError("no server")]
)
async def test_no_report_is_lost_to_others_or_to_a_database_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    monkeypatch.setattr("thingplane.ota.reports.RETRY_DELAY_S", 0.001)
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package())
    reports = world.ota._reports
    refusing = Refusing(reports._process, [error("INSERT", {}, Exception("why")) for _ in range(5)])
    monkeypatch.setattr(reports, "_process", refusing)
    await world.inform(lamp, "2.0")
    assert (refusing.errors, await world.states(job)) == ([], {"lamp-1": "SUCCEEDED"})


@one_database
async def test_a_report_that_can_never_be_written_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package())
    reports = world.ota._reports
    monkeypatch.setattr(reports, "_process", Refusing(reports._process, [DataError("UPDATE", {}, Exception("odd"))]))
    with pytest.raises(DataError):
        await world.inform(lamp, "1.9")
    await world.inform(lamp, "2.0")
    assert await world.states(job) == {"lamp-1": "SUCCEEDED"}


@one_database
async def test_a_report_that_waits_for_the_database_is_not_acknowledged_by_the_end_of_the_node(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package())
    reports = world.ota._reports
    with monkeypatch.context() as away:
        refusing = Refusing(reports._process, [ConnectionRefusedError("no server")])
        away.setattr(reports, "_process", refusing)
        waiting = asyncio.create_task(world.inform(lamp, "2.0"))
        while refusing.errors:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        await world.ota.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await world.ota.start(ticking=False)
    assert await world.states(job) == {"lamp-1": "QUEUED"}
    await world.inform(lamp, "2.0")
    assert await world.states(job) == {"lamp-1": "SUCCEEDED"}

import asyncio

import pytest

from tests.telemetry.world import World
from thingplane.devices.service import DeviceDeleted
from thingplane.storage.timeseries import Kind, Point, TimeSeriesError
from thingplane.telemetry.snapshots import Snapshots


@pytest.fixture
def snapshots(world: World) -> Snapshots:
    return Snapshots(world.series, world.commits, capacity=2)


def report(world: World, snapshots: Snapshots, device_id: int, points: bytes) -> None:
    now = world.clock.now_ms()
    world.series.append(device_id, Kind.PROPERTY, now, points)
    snapshots.report(device_id, now, points)


async def values(snapshots: Snapshots, device_id: int = 1) -> dict[str, bytes]:
    return {name: point.value for name, point in (await snapshots.of(device_id)).items()}


async def test_values_reported_before_anybody_asked_are_found(world: World, snapshots: Snapshots) -> None:
    report(world, snapshots, 1, b'{"a":1}')
    assert await values(snapshots) == {"a": b"1"}


async def test_later_reports_replace_values(world: World, snapshots: Snapshots) -> None:
    report(world, snapshots, 1, b'{"a":1,"b":1}')
    await snapshots.of(1)
    report(world, snapshots, 1, b'{"a":2}')
    report(world, snapshots, 1, b'{"a":3}')
    await world.commits.durable()
    assert await values(snapshots) == {"a": b"3", "b": b"1"}


async def test_older_values_do_not_replace_newer_ones(world: World, snapshots: Snapshots) -> None:
    report(world, snapshots, 1, b'{"a":{"value":1,"time":2000}}')
    await snapshots.of(1)
    report(world, snapshots, 1, b'{"a":{"value":0,"time":1999}}')
    await world.commits.durable()
    assert await snapshots.of(1) == {"a": Point("a", 2000, b"1")}


async def test_a_value_is_shown_when_it_is_durable(world: World, snapshots: Snapshots) -> None:
    await snapshots.of(1)
    report(world, snapshots, 1, b'{"a":1}')
    assert await values(snapshots) == {}
    await world.commits.durable()
    assert await values(snapshots) == {"a": b"1"}


async def test_a_withdrawn_report_is_never_shown(
    world: World, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    await snapshots.of(1)
    with monkeypatch.context() as patched:
        patched.setattr(world.series, "commit", lambda done: done(TimeSeriesError("disk full")))
        snapshots.report(1, world.clock.now_ms(), b'{"a":1}')
        with pytest.raises(TimeSeriesError):
            await world.commits.durable()
    assert await values(snapshots) == {}


async def test_reports_during_the_first_look_are_not_lost(world: World, snapshots: Snapshots) -> None:
    report(world, snapshots, 1, b'{"a":1,"b":1}')
    looks = [asyncio.create_task(values(snapshots)) for _ in range(2)]
    await asyncio.sleep(0)
    report(world, snapshots, 1, b'{"a":2}')
    await asyncio.gather(*looks)
    await world.commits.durable()
    assert await values(snapshots) == {"a": b"2", "b": b"1"}


async def test_a_failed_look_is_repeated_by_the_next(
    world: World, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(world, snapshots, 1, b'{"a":1}')

    async def fail(_device_id: int) -> dict[str, Point]:
        raise TimeSeriesError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(world.series, "latest", fail)
        with pytest.raises(TimeSeriesError):
            await snapshots.of(1)
    assert await values(snapshots) == {"a": b"1"}


async def test_least_recently_used_devices_make_room(world: World, snapshots: Snapshots) -> None:
    for device_id in (1, 2, 3):
        report(world, snapshots, device_id, b'{"a":%d}' % device_id)
    for device_id in (1, 2, 1, 3, 2):
        assert await values(snapshots, device_id) == {"a": b"%d" % device_id}
    assert len(snapshots) == 2


async def test_deleted_devices_are_forgotten(world: World) -> None:
    await world.post({"Level": 1})
    assert await world.telemetry.last_properties(world.device.id) != {}
    forgotten: list[int] = []

    async def forget(device_id: int) -> None:
        forgotten.append(device_id)

    world.series.forget = forget  # type: ignore[method-assign]
    world.bus.publish(DeviceDeleted(world.device.id, world.product.product_key, world.device.name))
    await asyncio.sleep(0)
    assert forgotten == [world.device.id]

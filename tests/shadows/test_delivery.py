"""How a device learns what is desired, and that no writer's change is lost."""

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from tests.shadows.world import Shadows
from tests.telemetry.world import ON_ONE_DATABASE
from thingplane.devices.service import DeviceConnected
from thingplane.shadows.document import Change, Edit, ShadowError
from thingplane.storage.database import Database


def reconnect(shadows: Shadows) -> None:
    shadows.world.disconnect()
    shadows.world.connect()


async def test_a_device_that_is_online_is_told_at_once(shadows: Shadows) -> None:
    shadows.world.connect()
    await shadows.report(1, color="red")
    await shadows.desire(2, color="green")
    [message] = shadows.world.downlink.sent
    assert message.topic == f"/shadow/get/{shadows.world.product.product_key}/lamp1"
    assert (message.qos, message.needs_subscription) == (0, False)
    at = shadows.seconds
    assert shadows.pushes() == [
        {
            "method": "control",
            "version": 2,
            "timestamp": at,
            "payload": {
                "status": "success",
                "state": {"reported": {"color": "red"}, "desired": {"color": "green"}},
                "metadata": {"reported": {"color": {"timestamp": at}}, "desired": {"color": {"timestamp": at}}},
            },
        }
    ]


async def test_a_device_that_was_offline_is_told_once_it_connects(shadows: Shadows) -> None:
    await shadows.desire(1, color="green")
    await shadows.desire(2, delta=True, size=3)
    assert shadows.pushes() == []
    shadows.world.connect()
    await shadows.settle()
    [push] = shadows.pushes()
    assert (push["method"], push["version"]) == ("control", 2)
    assert push["payload"]["state"] == {"desired": {"color": "green", "size": 3}}


async def test_a_device_is_told_at_each_connection_until_it_has_fetched_its_shadow(shadows: Shadows) -> None:
    shadows.world.connect()
    await shadows.desire(1, color="green")
    reconnect(shadows)
    await shadows.settle()
    assert len(shadows.pushes()) == 2
    await shadows.say({"method": "get"})
    reconnect(shadows)
    await shadows.settle()
    assert shadows.pushes() == []


@pytest.mark.parametrize(("version", "told"), [(2, 0), (-1, 1), (None, 1)])
async def test_a_version_above_the_shadow_s_shows_that_the_device_knows_it(
    shadows: Shadows, version: int | None, told: int
) -> None:
    await shadows.desire(1, color="green")
    await shadows.report(version, color="red")
    shadows.world.connect()
    await shadows.settle()
    assert len(shadows.pushes()) == told


async def test_what_is_not_desired_any_more_is_not_told(shadows: Shadows) -> None:
    await shadows.desire(1, color="green")
    await shadows.say({"method": "update", "state": {"desired": "null"}})
    shadows.world.connect()
    await shadows.settle()
    await shadows.desire(3, color="blue")
    shadows.pushes()
    await shadows.update({"method": "update", "state": {"desired": "null"}, "version": 4})
    reconnect(shadows)
    await shadows.settle()
    assert shadows.pushes() == []


async def test_a_report_of_an_application_is_not_told_and_leaves_open_what_is(shadows: Shadows) -> None:
    await shadows.desire(1, color="green")
    await shadows.update({"method": "update", "state": {"reported": {"color": "red"}}, "version": 2})
    shadows.world.connect()
    await shadows.settle()
    [push] = shadows.pushes()
    assert push["version"] == 2
    await shadows.update({"method": "update", "state": {"reported": {"color": "black"}}, "version": 3})
    assert shadows.pushes() == []


async def test_a_restart_forgets_nobody_who_has_to_be_told(shadows: Shadows) -> None:
    await shadows.desire(1, color="green")
    restarted = Shadows(shadows.world)
    await restarted.service.start()
    shadows.service._undelivered.clear()  # the service before the restart is gone
    shadows.world.connect()
    await restarted.settle()
    assert len(restarted.pushes()) == 1


async def test_a_deleted_device_takes_its_shadow_along(shadows: Shadows) -> None:
    world = shadows.world
    await shadows.desire(1, color="green")
    await world.devices.delete(world.device)
    assert shadows.service._undelivered == set()
    world.device = await world.devices.register(world.product, "lamp1")
    assert (await shadows.document())["version"] == 0


@ON_ONE_DATABASE
async def test_a_push_that_fails_is_logged_and_tried_at_the_next_connection(
    shadows: Shadows, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shadows.desire(1, color="green")

    def away() -> None:
        raise OSError("away")

    device = shadows.world.device
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(database, "read", away)
        shadows.world.bus.publish(DeviceConnected(device.id, device.product_key, device.name))
        await shadows.settle()
    assert [log["log_level"] for log in logs] == ["error"]
    shadows.world.connect()
    await shadows.settle()
    assert len(shadows.pushes()) == 1


async def test_of_writers_with_one_version_only_one_wins(shadows: Shadows) -> None:
    answers = await asyncio.gather(*(shadows.desire(1, delta=True, **{f"a{number}": 1}) for number in range(8)))
    assert sorted(answer["Success"] for answer in answers) == [False] * 7 + [True]
    assert len((await shadows.state())["desired"]) == 1


async def test_no_change_is_lost_among_writers_of_several_nodes(shadows: Shadows) -> None:
    nodes = [Shadows(shadows.world).service for _ in range(4)]
    device = shadows.world.device

    async def write(number: int) -> None:
        await nodes[number % 4].report(device, Change(None, reported=Edit({f"a{number}": number})))

    await asyncio.gather(*map(write, range(24)))
    document = await shadows.document()
    assert document["version"] == 24
    assert document["state"]["reported"] == {f"a{number}": number for number in range(24)}


async def test_pushes_arrive_in_the_order_of_their_versions(shadows: Shadows) -> None:
    shadows.world.connect()

    async def desire(version: int) -> None:
        with suppress(ShadowError):
            await shadows.service.update(shadows.world.device, Change(version, desired=Edit({"a": version})))

    await asyncio.gather(*map(desire, range(1, 9)))
    versions = [push["version"] for push in shadows.pushes()]
    assert versions == sorted(versions)
    assert versions[-1] == 8

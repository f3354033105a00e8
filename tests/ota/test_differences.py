"""Packages that start from one version, and devices that run another one by the time they hear of it."""

from typing import Any

import pytest

from tests.devices.marks import one_database
from tests.ota.world import World
from thingplane.devices.service import Device

pytestmark = one_database
MISMATCH = ("FAILED", "source version mismatch")


async def difference(world: World, **parameters: Any) -> str:
    return await world.job(await world.package(Type=1, SrcVersion="1.0"), **parameters)


async def ended(world: World, job: str) -> tuple[str, str]:
    (task,) = (await world.tasks(job)).values()
    return task["TaskStatus"], task["TaskDesc"]


async def ask(world: World, lamp: Device) -> bool:
    return bool(await world.get(lamp))


async def ask_the_old_way(world: World, lamp: Device) -> bool:
    payload = b'{"id":12,"params":{"version":"1.5"}}'
    ((_, answer),) = await world.messages.publish("/ota/device/request", payload, lamp)
    return b'"1000"' in answer


@pytest.mark.parametrize("way", [ask, ask_the_old_way])
@pytest.mark.parametrize("parameters", [{"NeedPush": "false"}, {}])
async def test_who_asks_gets_no_differences_to_another_version(world: World, way: Any, parameters: Any) -> None:
    (lamp,) = await world.fleet(1)
    subscriber = await world.listen()
    job = await difference(world, **parameters)
    assert await world.get(lamp) != {}
    await world.inform(lamp, "1.5")
    assert not await way(world, lamp)
    assert await ended(world, job) == MISMATCH
    assert await world.status(job) == "COMPLETED"
    told = [body["desc"] for topic, body in await world.told(subscriber) if topic.endswith("/ota/upgrade")]
    assert told == ["source version mismatch"]


@pytest.mark.parametrize("is_difference", [True, False])
async def test_a_device_that_came_to_a_third_version_is_told_again_of_full_packages_only(
    world: World, is_difference: bool
) -> None:
    (lamp,) = await world.fleet(1)
    retries: dict[str, Any] = {"SrcVersion": ["1.0"], "RetryInterval": 0, "RetryCount": 1}
    kind: dict[str, Any] = {"Type": 1, "SrcVersion": "1.0"} if is_difference else {}
    job = await world.job(await world.package(**kind), **retries)
    await world.tick()
    await world.progress(lamp, 50)
    await world.inform(lamp, "1.5")
    await world.tick()
    await world.tick()
    if is_difference:
        assert (world.pushed([lamp]), await ended(world, job)) == ([1], MISMATCH)
    else:
        assert (world.pushed([lamp]), (await ended(world, job))[0]) == ([2], "IN_PROGRESS")
        await world.inform(lamp, "2.0")
        assert await world.status(job) == "COMPLETED"


async def test_named_devices_run_the_version_that_the_package_starts_from(world: World) -> None:
    await world.fleet(1, "1.0", "right")
    await world.fleet(1, "1.1", "wrong")
    for number, kind in enumerate((0, 1)):
        firmware = await world.package(f"{number + 2}.0", Type=kind, SrcVersion="1.0")
        named = {"FirmwareId": firmware, "ProductKey": world.product.product_key, "TargetSelection": "SPECIFIC"}
        both = ["right-1", "wrong-1"]
        refused = await world.refused("CreateOTAStaticUpgradeJob", **named, TargetDeviceName=both)
        assert refused == "iot.firmware.SrcVersionMismatch"
    several = {"FirmwareId": firmware, "ProductKey": world.product.product_key, "SrcVersion": ["1.0", "1.1"]}
    for action, more in (("CreateOTADynamicUpgradeJob", {}), ("CreateOTAStaticUpgradeJob", {"TargetSelection": "ALL"})):
        assert await world.refused(action, **several, **more) == "iot.firmware.MoreThanOneSrcVersion"

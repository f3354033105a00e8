"""Making, finding and deleting groups, on both databases."""

import asyncio
from collections import Counter

import pytest

from tests.common.clock import FakeClock
from thingplane.cloud import BusinessError
from thingplane.devices.service import DeviceService
from thingplane.groups.service import Group, GroupLimits, GroupService
from thingplane.storage.database import Database


@pytest.fixture
def limited(database: Database, clock: FakeClock, devices: DeviceService) -> GroupService:
    return GroupService(database, clock, devices, GroupLimits(groups=4, subgroups=2))


def codes(results: list[Group | BaseException]) -> Counter[str]:
    return Counter(result.code for result in results if isinstance(result, BusinessError))


async def test_a_created_group_is_found_in_its_instance_only(groups: GroupService, clock: FakeClock) -> None:
    group = await groups.create(1, "Ground_floor", description="Halls")
    assert await groups.get(1, group.group_id) == group
    assert (group.name, group.description, group.level, group.parent_id) == ("Ground_floor", "Halls", 1, None)
    assert group.created_at == clock.now_ms()
    assert len(group.group_id) == 16
    assert group.group_id.isalnum()
    with pytest.raises(BusinessError, match=r"iot\.group\.NotExistedGroup"):
        await groups.get(2, group.group_id)
    with pytest.raises(BusinessError, match=r"iot\.group\.NullGroupId"):
        await groups.get(1, "")


async def test_names_are_unique_within_an_instance_on_all_levels(groups: GroupService) -> None:
    floor = await groups.create(1, "Floor")
    await groups.create(2, "Floor")
    for parent in (None, floor):
        with pytest.raises(BusinessError, match=r"iot\.group\.GroupNameExisted"):
            await groups.create(1, "Floor", parent=parent)


async def test_of_creations_with_one_name_at_once_exactly_one_succeeds(groups: GroupService) -> None:
    results = await asyncio.gather(*(groups.create(1, "Floor") for _ in range(8)), return_exceptions=True)
    assert codes(results) == {"iot.group.GroupNameExisted": 7}
    assert (await groups.page(1, 1, 10))[1] == 1


async def test_an_instance_has_no_more_groups_than_allowed_even_when_created_at_once(limited: GroupService) -> None:
    creations = (limited.create(1, f"Floor_{number}") for number in range(7))
    assert codes(await asyncio.gather(*creations, return_exceptions=True)) == {"iot.group.GroupCountExceedMax": 3}
    assert (await limited.page(1, 1, 10))[1] == 4
    await limited.create(2, "Elsewhere")


async def test_a_group_has_no_more_subgroups_than_allowed_even_when_created_at_once(limited: GroupService) -> None:
    floor = await limited.create(1, "Floor")
    creations = (limited.create(1, f"Room_{number}", parent=floor) for number in range(3))
    assert codes(await asyncio.gather(*creations, return_exceptions=True)) == {"iot.group.GroupCountExceedMax": 1}
    await limited.create(1, "Other_floor")


async def test_groups_are_nested_in_three_levels(groups: GroupService) -> None:
    floor = await groups.create(1, "Floor")
    room = await groups.create(1, "Room", parent=floor)
    corner = await groups.create(1, "Corner", parent=room)
    assert [group.level for group in (floor, room, corner)] == [1, 2, 3]
    assert await groups.parent(corner) == room
    assert await groups.parent(room) == floor
    assert await groups.parent(floor) is None
    with pytest.raises(BusinessError, match=r"iot\.group\.GroupLevelExceedingLimitError: .* 3 levels"):
        await groups.create(1, "Chair", parent=corner)


async def test_a_group_with_subgroups_stays(groups: GroupService) -> None:
    floor = await groups.create(1, "Floor")
    room = await groups.create(1, "Room", parent=floor)
    with pytest.raises(BusinessError, match=r"iot\.group\.SubGroupNotNull"):
        await groups.delete(floor)
    await groups.delete(room)
    await groups.delete(floor)
    with pytest.raises(BusinessError, match=r"iot\.group\.NotExistedGroup"):
        await groups.get(1, floor.group_id)


async def test_of_a_deletion_and_a_subgroup_at_once_one_is_refused(groups: GroupService) -> None:
    floor = await groups.create(1, "Floor")
    results = await asyncio.gather(groups.delete(floor), groups.create(1, "Room", parent=floor), return_exceptions=True)
    refused = [result for result in results if isinstance(result, BusinessError)]
    assert [error.code for error in refused] in (["iot.group.SubGroupNotNull"], ["iot.group.NotExistedGroup"])


async def test_what_is_done_with_a_deleted_group_is_refused(groups: GroupService) -> None:
    group = await groups.create(1, "Floor")
    await groups.delete(group)
    for action in (
        groups.delete(group),
        groups.describe(group, "Halls"),
        groups.create(1, "Room", parent=group),
        groups.tags.set(group, {"kind": "hall"}),
        groups.members.add(group, []),
        groups.members.remove(group, []),
    ):
        with pytest.raises(BusinessError, match=r"iot\.group\.NotExistedGroup"):
            await action


async def test_the_name_of_a_deleted_group_is_free_and_its_id_is_gone(groups: GroupService) -> None:
    group = await groups.create(1, "Floor")
    await groups.delete(group)
    again = await groups.create(1, "Floor")
    assert again.group_id != group.group_id
    assert again.id > group.id


async def test_a_description_is_changed(groups: GroupService) -> None:
    group = await groups.create(1, "Floor")
    await groups.describe(group, "Halls")
    assert (await groups.get(1, group.group_id)).description == "Halls"


async def names(groups: GroupService, page: int = 1, size: int = 10, **options: object) -> list[str]:
    found, _ = await groups.page(1, page, size, **options)  # type: ignore[arg-type]
    return [group.name for group in found]


async def test_pages_are_newest_first_and_filtered(groups: GroupService) -> None:
    floor = await groups.create(1, "Floor_1")
    await groups.create(1, "Room_1", parent=floor)
    await groups.create(1, "Room_21", parent=floor)
    await groups.create(1, "Room%21")
    await groups.create(2, "Room_1")
    assert await names(groups) == ["Room%21", "Room_21", "Room_1", "Floor_1"]
    assert await names(groups, page=2, size=3) == ["Floor_1"]
    assert await names(groups, page=2**62, size=200) == []
    assert await names(groups, parent=floor) == ["Room_21", "Room_1"]
    assert await names(groups, name="room_") == ["Room_21", "Room_1"]
    assert await names(groups, name="%") == ["Room%21"]
    assert await names(groups, name="21", parent=floor) == ["Room_21"]
    assert (await groups.page(1, 1, 1, name="oo"))[1] == 4
    assert (await groups.page(1, 1, 1, name="nowhere")) == ([], 0)

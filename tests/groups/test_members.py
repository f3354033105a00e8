"""Which devices are in which groups, on both databases."""

import asyncio

import pytest
from sqlalchemy import select

from tests.common.clock import FakeClock
from tests.groups.conftest import Register
from thingplane.cloud import BusinessError
from thingplane.devices.service import DeviceService, DeviceStatistics
from thingplane.groups.service import Added, Group, GroupLimits, GroupService, Removed
from thingplane.groups.tables import device_group_members, device_group_tags
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database


@pytest.fixture
async def group(groups: GroupService) -> Group:
    return await groups.create(1, "Floor")


async def names(groups: GroupService, group: Group, page: int = 1, size: int = 10) -> list[str]:
    found, _ = await groups.members.page(group, page, size)
    return [device.name for device in found]


async def test_added_devices_are_listed_in_the_order_in_which_they_came(
    groups: GroupService, group: Group, register: Register
) -> None:
    first, second, third = await register(3)
    assert await groups.members.add(group, [third]) == Added(added=1, already=0, exceeding=0, valid=1)
    assert await groups.members.add(group, [first, second]) == Added(added=2, already=0, exceeding=0, valid=2)
    assert await groups.members.page(group, 1, 10) == ([third, first, second], 3)
    assert await groups.members.page(group, 2, 2) == ([second], 3)
    assert await groups.members.page(group, 2**62, 200) == ([], 3)


async def test_devices_that_are_in_the_group_already_or_named_twice_are_counted_once(
    groups: GroupService, group: Group, register: Register
) -> None:
    first, second = await register(2)
    await groups.members.add(group, [first])
    result = await groups.members.add(group, [first, second, second, first])
    assert result == Added(added=1, already=1, exceeding=0, valid=2)
    assert await names(groups, group) == ["lamp-0", "lamp-1"]


async def test_a_device_is_in_at_most_ten_groups(groups: GroupService, register: Register) -> None:
    busy, free = await register(2)
    eleven = [await groups.create(1, f"Floor_{number}") for number in range(11)]
    for group in eleven[:10]:
        assert (await groups.members.add(group, [busy])).added == 1
    assert await groups.members.add(eleven[10], [busy, free]) == Added(added=1, already=0, exceeding=1, valid=2)
    assert await groups.members.add(eleven[0], [busy]) == Added(added=0, already=1, exceeding=0, valid=1)
    await groups.members.remove(eleven[0], [busy])
    assert (await groups.members.add(eleven[10], [busy])).added == 1


async def test_limits_hold_when_devices_are_added_to_many_groups_at_once(
    database: Database, clock: FakeClock, devices: DeviceService, register: Register
) -> None:
    groups = GroupService(database, clock, devices, GroupLimits(groups_per_device=3))
    both = await register(2)
    six = [await groups.create(1, f"Floor_{number}") for number in range(6)]
    orders = (both, both[::-1]) * 3
    results = await asyncio.gather(
        *(groups.members.add(group, order) for group, order in zip(six, orders, strict=True))
    )
    assert sum(result.added for result in results) == 6
    assert sum(result.exceeding for result in results) == 6
    found = await groups.members.groups_of([device.id for device in both])
    assert [len(groups) for groups in found.values()] == [3, 3]


async def test_a_group_that_would_hold_too_many_devices_takes_none(
    database: Database, clock: FakeClock, devices: DeviceService, register: Register
) -> None:
    groups = GroupService(database, clock, devices, GroupLimits(devices=3))
    group = await groups.create(1, "Floor")
    four = await register(4)
    await groups.members.add(group, four[:2])
    with pytest.raises(BusinessError, match=r"iot\.group\.BindGroupRelationFailed: .* 3 devices"):
        await groups.members.add(group, four[2:])
    assert await names(groups, group) == ["lamp-0", "lamp-1"]
    assert (await groups.members.add(group, four[:3])).added == 1


async def test_removed_devices_stay_devices(
    groups: GroupService, group: Group, devices: DeviceService, register: Register
) -> None:
    first, second, stranger = await register(3)
    await groups.members.add(group, [first, second])
    assert await groups.members.remove(group, [first, stranger, first]) == Removed(removed=1, valid=2)
    assert await names(groups, group) == ["lamp-1"]
    assert await devices.find(first.product_key, first.name) == first


async def test_devices_of_other_instances_are_no_devices_here(
    groups: GroupService, group: Group, devices: DeviceService, foreign_product: Product
) -> None:
    foreign = await devices.register(foreign_product, "lamp-1")
    assert await groups.members.add(group, [foreign]) == Added(added=0, already=0, exceeding=0, valid=0)
    assert await groups.members.remove(group, [foreign]) == Removed(removed=0, valid=0)


async def test_a_deleted_device_leaves_its_groups_and_its_product_can_go(
    groups: GroupService, group: Group, devices: DeviceService, products: ProductService, register: Register
) -> None:
    first, second = await register(2)
    await groups.members.add(group, [first, second])
    await devices.delete(first)
    assert await names(groups, group) == ["lamp-1"]
    assert (await groups.members.add(group, [first])).valid == 0
    await devices.delete(second)
    product = await products.get(1, second.product_key)
    await products.delete(product)
    assert await groups.members.page(group, 1, 10) == ([], 0)


async def test_devices_deleted_while_they_are_added_are_in_no_group(
    groups: GroupService, group: Group, devices: DeviceService, register: Register
) -> None:
    many = await register(8)
    results = await asyncio.gather(
        groups.members.add(group, many),
        *(devices.delete(device) for device in many[:4]),
        groups.members.add(group, many[::-1]),
        *(devices.delete(device) for device in many[4:6]),
        groups.members.remove(group, many),
        return_exceptions=True,
    )
    assert [result for result in results if isinstance(result, BaseException)] == []
    # Whether the removal came before or after the additions, the deleted ones are in no group.
    assert set(await names(groups, group)) <= {"lamp-6", "lamp-7"}
    assert (await groups.members.add(group, many)).valid == 2
    assert sorted(await names(groups, group)) == ["lamp-6", "lamp-7"]


async def test_a_page_is_not_moved_by_devices_that_are_added_or_by_deleted_later_ones(
    groups: GroupService, group: Group, devices: DeviceService, register: Register
) -> None:
    oldest, *others = await register(5)
    await groups.members.add(group, others)
    before = await names(groups, group, page=1, size=2)
    await groups.members.add(group, [oldest])
    await devices.delete(others[3])
    assert await names(groups, group, page=1, size=2) == before == ["lamp-1", "lamp-2"]
    assert await names(groups, group, page=2, size=2) == ["lamp-3", "lamp-0"]


async def test_a_deleted_group_lets_its_devices_and_tags_go(
    groups: GroupService, group: Group, devices: DeviceService, database: Database, register: Register
) -> None:
    [device] = await register(1)
    other = await groups.create(1, "Other_floor")
    for place in (group, other):
        await groups.members.add(place, [device])
        await groups.tags.set(place, {"kind": "hall"})
    await groups.delete(group)
    assert await groups.members.groups_of([device.id]) == {device.id: [other]}
    assert await devices.find(device.product_key, device.name) == device
    async with database.read() as connection:
        for table in (device_group_members, device_group_tags):
            assert (await connection.execute(select(table.c.group_id))).scalars().all() == [other.id]


async def test_statistics_count_devices_that_are_activated_and_online(
    groups: GroupService, group: Group, devices: DeviceService, clock: FakeClock, register: Register
) -> None:
    online, offline, back, _never, stranger = five = await register(5)
    await groups.members.add(group, five[:4])
    assert await groups.members.statistics(group) == DeviceStatistics(total=4, activated=0, online=0)
    for device in (online, offline, back, stranger):
        devices.connected(device, "10.0.0.1")
    clock.advance(1)
    for device in (offline, back):
        devices.disconnected(device)
    clock.advance(1)
    devices.connected(back, "10.0.0.1")
    await devices.close()
    assert await groups.members.statistics(group) == DeviceStatistics(total=4, activated=3, online=2)


async def test_groups_of_several_devices_are_told_oldest_first(
    groups: GroupService, group: Group, register: Register
) -> None:
    first, second, alone = await register(3)
    other = await groups.create(1, "Other_floor")
    await groups.members.add(other, [first, second])
    await groups.members.add(group, [first])
    assert await groups.members.groups_of([first.id, second.id, alone.id]) == {
        first.id: [group, other],
        second.id: [other],
    }
    assert await groups.members.groups_of([]) == {}


async def test_keys_of_a_group_s_devices_are_found_by_other_queries(
    groups: GroupService, group: Group, database: Database, register: Register
) -> None:
    first, second, _ = await register(3)
    await groups.members.add(group, [first, second])

    async def keys(instance_id: int, group_id: str) -> set[int]:
        async with database.read() as connection:
            return set((await connection.execute(groups.members.device_ids(instance_id, group_id))).scalars())

    assert await keys(1, group.group_id) == {first.id, second.id}
    assert await keys(2, group.group_id) == set()
    assert await keys(1, "unknown") == set()


async def test_a_device_of_another_node_is_added_and_listed(
    groups: GroupService, group: Group, other_node: DeviceService, product: Product
) -> None:
    elsewhere = await other_node.register(product, "lamp-9")
    await groups.members.add(group, [elsewhere])
    assert await names(groups, group) == ["lamp-9"]

"""Which devices are in which groups."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, delete, func, insert, select

from thingplane.devices.service import Device, DeviceService, DeviceStatistics
from thingplane.groups import errors
from thingplane.groups.group import Group, GroupLimits
from thingplane.groups.rows import changing, page_of, to_group
from thingplane.groups.tables import device_group_members, device_groups
from thingplane.storage.database import Database

_group = device_group_members.c.group_id
_device = device_group_members.c.device_id


class Added(msgspec.Struct, frozen=True):
    """What became of devices that were to be added to a group."""

    added: int
    already: int
    """Devices that were in the group before."""
    exceeding: int
    """Devices that are in as many groups as a device may be, and were not added."""
    valid: int
    """Devices that exist: the sum of the others."""


class Removed(msgspec.Struct, frozen=True):
    """What became of devices that were to be removed from a group."""

    removed: int
    valid: int
    """Devices that exist, in the group or not."""


class GroupMembers:
    """The devices of all groups.

    A device that is deleted leaves its groups in the same transaction, and so do the devices of a deleted group.
    """

    def __init__(self, database: Database, devices: DeviceService, limits: GroupLimits) -> None:
        self._database = database
        self._devices = devices
        self._limits = limits

    async def add(self, group: Group, devices: Sequence[Device]) -> Added:
        """Add devices to a group; those that are in it or in too many groups are counted and left as they are.

        Raises:
            BusinessError: iot.group.BindGroupRelationFailed when the group would hold too many devices (the guide names
                no code of its own for that): none is added then; iot.group.NotExistedGroup.
        """
        wanted = _own(group, devices)
        async with self._database.write() as connection:
            await changing(connection, group)
            existing = await self._devices.keep(connection, wanted)
            rows = (await connection.execute(select(_device, _group).where(_device.in_(existing)))).all()
            already = {device_id for device_id, group_id in rows if group_id == group.id}
            groups = Counter(device_id for device_id, _ in rows)
            others = [device_id for device_id in existing if device_id not in already]
            new = [device_id for device_id in others if groups[device_id] < self._limits.groups_per_device]
            if new:
                count = select(func.count()).where(_group == group.id)
                if (await connection.execute(count)).scalar_one() + len(new) > self._limits.devices:
                    raise errors.BIND_GROUP_RELATION_FAILED(f"A group holds at most {self._limits.devices} devices.")
                members = [{"group_id": group.id, "device_id": device_id} for device_id in new]
                await connection.execute(insert(device_group_members), members)
        return Added(added=len(new), already=len(already), exceeding=len(others) - len(new), valid=len(existing))

    async def remove(self, group: Group, devices: Sequence[Device]) -> Removed:
        """Take devices out of a group; those that are not in it are only counted.

        Raises:
            BusinessError: iot.group.NotExistedGroup.
        """
        wanted = _own(group, devices)
        async with self._database.write() as connection:
            await changing(connection, group)
            existing = await self._devices.keep(connection, wanted)
            leaving = delete(device_group_members).where(_group == group.id, _device.in_(existing))
            removed = (await connection.execute(leaving)).rowcount
        return Removed(removed=removed, valid=len(existing))

    async def page(self, group: Group, page: int, size: int) -> tuple[list[Device], int]:
        """Return a page of a group's devices, in the order in which they were added, and the number of all.

        Args:
            group: whose devices.
            page: number of the page, from 1.
            size: devices on a page.
        """
        query = select(_device).where(_group == group.id).order_by(device_group_members.c.id)
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).where(_group == group.id))).scalar_one()
            keys = (await connection.execute(page_of(query, page, size))).scalars().all()
        return await self._devices.several_by_id(keys), total

    async def statistics(self, group: Group) -> DeviceStatistics:
        """Return how many devices a group has, and how many of them are activated and online."""
        return await self._devices.statistics(select(_device).where(_group == group.id))

    async def groups_of(self, device_ids: Sequence[int]) -> dict[int, list[Group]]:
        """Return the groups of devices by the devices' keys, oldest group first; devices in no group are absent."""
        query = select(_device, *device_groups.c).join(device_groups, device_groups.c.id == _group)
        query = query.where(_device.in_(device_ids)).order_by(device_groups.c.id)
        found: dict[int, list[Group]] = {}
        async with self._database.read() as connection:
            for row in await connection.execute(query):
                found.setdefault(row.device_id, []).append(to_group(row))
        return found

    def device_ids(self, instance_id: int, group_id: str) -> Select[Any]:
        """Return a query for the keys of the devices in the instance's group with this GroupId, for use inside others.

        It finds nothing when there is no such group.
        """
        wanted = (device_groups.c.instance_id == instance_id, device_groups.c.group_id == group_id)
        return select(_device).join(device_groups, device_groups.c.id == _group).where(*wanted)


def _own(group: Group, devices: Sequence[Device]) -> list[int]:
    """Return the keys of the devices that belong to the group's instance, each once, in their order."""
    return list(dict.fromkeys(device.id for device in devices if device.instance_id == group.instance_id))

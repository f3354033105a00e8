"""Device groups: making, finding, changing and deleting them; also the way in for other slices."""

import secrets
import string
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.devices.service import DeviceService
from thingplane.groups import errors
from thingplane.groups.group import Group, GroupLimits
from thingplane.groups.members import Added, GroupMembers, Removed
from thingplane.groups.rows import changing, page_of, serialize, to_group
from thingplane.groups.tables import device_group_members, device_groups
from thingplane.groups.tags import GroupTags
from thingplane.storage.database import Database

__all__ = [
    "Added",
    "Group",
    "GroupLimits",
    "GroupMembers",
    "GroupService",
    "GroupTags",
    "Removed",
    # The tables themselves, for queries of other slices that join them.
    "device_group_members",
    "device_groups",
]

_ALPHANUMERIC: Final = string.ascii_letters + string.digits
_LIMITS: Final = GroupLimits()


class GroupService:
    """The device groups of all instances. Nothing is cached: no message of a device asks for its groups."""

    def __init__(self, database: Database, clock: Clock, devices: DeviceService, limits: GroupLimits = _LIMITS) -> None:
        """Wire the service.

        Args:
            database: where groups are kept.
            clock: tells creation times.
            devices: the service of the devices in them.
            limits: how many there may be of what.
        """
        self._database = database
        self._clock = clock
        self._limits = limits
        self.members = GroupMembers(database, devices, limits)
        devices.moves.on_move.append(_leave)
        self.tags = GroupTags(database, limits.tags)

    async def get(self, instance_id: int, group_id: str) -> Group:
        """Return the instance's group with this GroupId.

        Raises:
            BusinessError: iot.group.NullGroupId, iot.group.NotExistedGroup.
        """
        if not group_id:
            raise errors.NULL_GROUP_ID()
        wanted = (device_groups.c.group_id == group_id, device_groups.c.instance_id == instance_id)
        async with self._database.read() as connection:
            group = await _first(connection, select(device_groups).where(*wanted))
        if group is None:
            raise errors.NOT_EXISTED_GROUP()
        return group

    async def name_of(self, instance_id: int, group_id: str) -> str | None:
        """Return the name of the instance's group with this GroupId, or None."""
        wanted = (device_groups.c.group_id == group_id, device_groups.c.instance_id == instance_id)
        async with self._database.read() as connection:
            name: str | None = await connection.scalar(select(device_groups.c.name).where(*wanted))
        return name

    async def parent(self, group: Group) -> Group | None:
        """Return the group that a group is a subgroup of, or None."""
        if group.parent_id is None:
            return None
        async with self._database.read() as connection:
            return await _first(connection, select(device_groups).where(device_groups.c.id == group.parent_id))

    async def create(
        self, instance_id: int, name: str, *, description: str | None = None, parent: Group | None = None
    ) -> Group:
        """Create a group, below another one if there is a parent.

        Raises:
            BusinessError: iot.group.GroupNameExisted, iot.group.GroupLevelExceedingLimitError,
                iot.group.GroupCountExceedMax (of the instance or of the parent); iot.group.NotExistedGroup when the
                parent was deleted meanwhile.
        """
        values: dict[str, Any] = {
            "instance_id": instance_id,
            "group_id": "".join(secrets.choice(_ALPHANUMERIC) for _ in range(16)),
            "parent_id": None if parent is None else parent.id,
            "level": 1 if parent is None else parent.level + 1,
            "name": name,
            "description": description,
            "created_at": self._clock.now_ms(),
        }
        if values["level"] > self._limits.levels:
            raise errors.GROUP_LEVEL_EXCEEDING_LIMIT(f"Groups are nested in at most {self._limits.levels} levels.")
        mine = device_groups.c.instance_id == instance_id
        async with self._database.write() as connection:
            if parent is None:
                await serialize(connection, instance_id)
            else:
                await changing(connection, parent)
            if await _count(connection, mine, device_groups.c.name == name):
                raise errors.GROUP_NAME_EXISTED()
            if await _count(connection, mine) >= self._limits.groups:
                raise errors.GROUP_COUNT_EXCEED_MAX(f"An instance has at most {self._limits.groups} groups.")
            if parent is not None and await self._subgroups(connection, parent) >= self._limits.subgroups:
                raise errors.GROUP_COUNT_EXCEED_MAX(f"A group has at most {self._limits.subgroups} subgroups.")
            created = await connection.execute(insert(device_groups).values(values).returning(device_groups.c.id))
            return Group(id=created.scalar_one(), **values)

    async def describe(self, group: Group, description: str) -> None:
        """Change the description.

        Raises:
            BusinessError: iot.group.NotExistedGroup.
        """
        change = update(device_groups).where(device_groups.c.id == group.id).values(description=description)
        async with self._database.write() as connection:
            if not (await connection.execute(change)).rowcount:
                raise errors.NOT_EXISTED_GROUP()

    async def delete(self, group: Group) -> None:
        """Delete a group that has no subgroups, with its tags; its devices stay, outside of it.

        Raises:
            BusinessError: iot.group.SubGroupNotNull, iot.group.NotExistedGroup.
        """
        async with self._database.write() as connection:
            await changing(connection, group)
            if await self._subgroups(connection, group):
                raise errors.SUB_GROUP_NOT_NULL()
            await connection.execute(delete(device_groups).where(device_groups.c.id == group.id))

    async def page(
        self, instance_id: int, page: int, size: int, *, parent: Group | None = None, name: str | None = None
    ) -> tuple[list[Group], int]:
        """Return a page of an instance's groups of all levels, newest first, and the number of all that fit.

        Args:
            instance_id: whose groups.
            page: number of the page, from 1.
            size: groups on a page.
            parent: only its direct subgroups.
            name: only those with this text somewhere in their name; upper and lower case are the same.
        """
        fits = [device_groups.c.instance_id == instance_id]
        if parent is not None:
            fits.append(device_groups.c.parent_id == parent.id)
        if name:
            fits.append(device_groups.c.name.icontains(name, autoescape=True))
        return await self._page(fits, page, size)

    async def page_by_tags(
        self, instance_id: int, tags: Sequence[tuple[str, str]], page: int, size: int
    ) -> tuple[list[Group], int]:
        """Return a page of the groups that have any of these tags, newest first, and the number of all that have."""
        fits = [device_groups.c.instance_id == instance_id, device_groups.c.id.in_(self.tags.matching(tags))]
        return await self._page(fits, page, size)

    async def _page(self, fits: Sequence[Any], page: int, size: int) -> tuple[list[Group], int]:
        newest_first = select(device_groups).where(*fits).order_by(device_groups.c.id.desc())
        async with self._database.read() as connection:
            total = await _count(connection, *fits)
            rows = (await connection.execute(page_of(newest_first, page, size))).all()
        return [to_group(row) for row in rows], total

    async def _subgroups(self, connection: AsyncConnection, group: Group) -> int:
        return await _count(connection, device_groups.c.parent_id == group.id)


async def _count(connection: AsyncConnection, *fits: Any) -> int:
    count: int = (await connection.execute(select(func.count()).select_from(device_groups).where(*fits))).scalar_one()
    return count


async def _first(connection: AsyncConnection, query: Select[Any]) -> Group | None:
    row = (await connection.execute(query)).first()
    return None if row is None else to_group(row)


async def _leave(connection: AsyncConnection, device_ids: Sequence[int], _source: int, _target: int) -> None:
    """Take devices that go to another instance out of their groups."""
    await connection.execute(delete(device_group_members).where(device_group_members.c.device_id.in_(device_ids)))

"""Rows of device groups, inside the caller's transaction."""

from typing import Any, Final

from sqlalchemy import Row, Select, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.groups import errors
from thingplane.groups.group import Group
from thingplane.groups.tables import device_group_locks, device_groups

# Far beyond every row, and small enough for the 64-bit integers of both databases.
_MAX_OFFSET: Final = 2**53


def to_group(row: Row[Any]) -> Group:
    """Return the group of a row with at least all columns of ``device_groups``."""
    columns = row._mapping  # noqa: SLF001 - the documented way to a row's columns
    return Group(**{name: columns[name] for name in Group.__struct_fields__})


async def serialize(connection: AsyncConnection, instance_id: int) -> None:
    """Let the transactions that change an instance's groups run one after the other.

    Limits and names can then be checked before a change is made, and hold exactly.
    """
    lock = select(device_group_locks).where(device_group_locks.c.instance_id == instance_id).with_for_update()
    if (await connection.execute(lock)).first() is None:
        try:
            async with connection.begin_nested():
                await connection.execute(insert(device_group_locks).values(instance_id=instance_id))
        except IntegrityError:
            # Another transaction was quicker with the first change of all, and has ended now.
            await connection.execute(lock)


async def changing(connection: AsyncConnection, group: Group) -> None:
    """Begin to change a group, its devices or its tags; others that change the instance's groups wait.

    Raises:
        BusinessError: iot.group.NotExistedGroup when it was deleted meanwhile.
    """
    await serialize(connection, group.instance_id)
    if (await connection.execute(select(device_groups.c.id).where(device_groups.c.id == group.id))).first() is None:
        raise errors.NOT_EXISTED_GROUP()


def page_of(query: Select[Any], page: int, size: int) -> Select[Any]:
    """Return the query for one page, numbered from 1, of an ordered query."""
    return query.limit(size).offset(min((page - 1) * size, _MAX_OFFSET))

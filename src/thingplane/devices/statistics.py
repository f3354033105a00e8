"""How many devices there are, and how many of them are activated and online."""

from typing import Any

import msgspec
from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.devices.tables import devices


class DeviceStatistics(msgspec.Struct, frozen=True):
    """Numbers of devices."""

    total: int
    activated: int
    """Devices that have connected at least once."""
    online: int


async def count_states(connection: AsyncConnection, among: Select[Any]) -> DeviceStatistics:
    """Count devices by state.

    Args:
        connection: where to ask.
        among: a query for the keys of the devices to count.
    """
    is_online = devices.c.online_at.is_not(None) & or_(
        devices.c.offline_at.is_(None), devices.c.offline_at < devices.c.online_at
    )
    query = select(func.count(), func.count(devices.c.activated_at), func.count(case((is_online, 1))))
    total, activated, online = (await connection.execute(query.where(devices.c.id.in_(among)))).one()
    return DeviceStatistics(total=total, activated=activated, online=online)

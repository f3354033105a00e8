"""How many devices there are, and how many of them are activated and online."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.devices.tables import DISABLE, ONLINE, UNACTIVE, devices


class DeviceStatistics(msgspec.Struct, frozen=True):
    """Numbers of devices."""

    total: int
    activated: int
    """Devices that have connected at least once."""
    online: int


async def count_states(connection: AsyncConnection, among: Sequence[ColumnElement[bool]]) -> DeviceStatistics:
    """Count the devices that fulfil all conditions, by state."""
    # By status in the index; only disabled devices have to be looked at.
    query = select(devices.c.status, func.count()).where(*among).group_by(devices.c.status)
    counts: dict[int, int] = {status: count for status, count in await connection.execute(query)}  # noqa: C416 (rows are not pairs for mypy)
    total = sum(counts.values())
    never = counts.get(UNACTIVE, 0)
    if counts.get(DISABLE):
        barred = select(func.count()).where(*among, devices.c.status == DISABLE, devices.c.activated_at.is_(None))
        never += (await connection.execute(barred)).scalar_one()
    return DeviceStatistics(total=total, activated=total - never, online=counts.get(ONLINE, 0))

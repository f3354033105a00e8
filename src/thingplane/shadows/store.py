"""Reading and writing shadows inside transactions."""

from typing import Any

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.devices.service import devices
from thingplane.shadows.document import Part, Shadow
from thingplane.shadows.tables import device_shadows

_key = device_shadows.c.device_id


class _Document(msgspec.Struct):
    desired: Part
    reported: Part


_decode = msgspec.json.Decoder(_Document).decode


async def read(connection: AsyncConnection, device_id: int, *, lock: bool = False) -> Shadow | None:
    """Return a shadow, None if it was never written; ``lock`` keeps others from changing it meanwhile."""
    query = select(device_shadows).where(_key == device_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        return None
    document = _decode(row.document)
    return Shadow(row.version, row.updated_at, document.desired, document.reported)


async def lock_device(connection: AsyncConnection, device_id: int) -> bool:
    """Keep others from writing the first shadow of a device, or deleting it; False when it is gone already."""
    query = select(devices.c.id).where(devices.c.id == device_id).with_for_update(key_share=True)
    return (await connection.execute(query)).first() is not None


async def write(connection: AsyncConnection, device_id: int, shadow: Shadow, *, new: bool, waits: bool | None) -> None:
    """Write a shadow.

    Args:
        connection: of the transaction that has locked it.
        device_id: whose shadow.
        shadow: what it is now.
        new: whether it has no row yet.
        waits: whether the device does not know yet what is desired; None: as before.
    """
    values: dict[str, Any] = {
        "version": shadow.version,
        "updated_at": shadow.updated_at,
        "document": msgspec.json.encode(_Document(shadow.desired, shadow.reported)).decode(),
    }
    if waits is not None or new:
        values["undelivered"] = bool(waits)
    if new:
        await connection.execute(insert(device_shadows).values(device_id=device_id, **values))
    else:
        await connection.execute(update(device_shadows).where(_key == device_id).values(values))


async def mark_delivered(connection: AsyncConnection, device_id: int) -> None:
    """Take note that a device knows what is desired."""
    await connection.execute(update(device_shadows).where(_key == device_id).values(undelivered=False))


async def read_undelivered(connection: AsyncConnection) -> set[int]:
    """Return the keys of the devices that do not know yet what is desired."""
    return set((await connection.execute(select(_key).where(device_shadows.c.undelivered))).scalars())

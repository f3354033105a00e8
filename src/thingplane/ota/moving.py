"""Tasks of devices that go to another instance."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.ota.tables import ota_tasks
from thingplane.ota.tasklists import leave


async def move(connection: AsyncConnection, device_ids: Sequence[int], _source: int, _target: int) -> None:
    """Take the tasks of devices away, in the transaction that takes them to another instance: batches stay behind."""
    theirs = ota_tasks.c.device_id.in_(device_ids)
    having = select(ota_tasks.c.device_id).where(theirs).distinct().order_by(ota_tasks.c.device_id)
    for device_id in (await connection.execute(having)).scalars().all():
        await leave(connection, device_id)
    await connection.execute(delete(ota_tasks).where(theirs))

"""Tasks of devices that go to another instance."""

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.ota.tables import ota_tasks
from thingplane.ota.tasklists import leave


async def move(connection: AsyncConnection, device_id: int, _source: int, _target: int) -> None:
    """Take a device's tasks away, in the transaction that takes it to another instance: their batches stay behind."""
    await leave(connection, device_id)
    await connection.execute(delete(ota_tasks).where(ota_tasks.c.device_id == device_id))

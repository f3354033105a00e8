"""Telling of devices that ``thingplane import`` has brought, which the node that runs learns from the database."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sqlalchemy import delete, select

from thingplane.devices.directory import COLUMNS, from_row
from thingplane.devices.record import Device
from thingplane.devices.tables import device_announcements, devices
from thingplane.storage.database import Database
from thingplane.storage.periodic import Periodic

LOOK_EVERY_S: Final = 2.0
AT_ONCE: Final = 500
"""Devices that are told of together."""


class Announcements:
    """Announces devices as created, each once; after a crash of the node possibly once more."""

    def __init__(self, database: Database, created: Callable[[Sequence[Device]], Awaitable[None]]) -> None:
        """Wire; ``start`` begins to look.

        Args:
            database: where imported devices are.
            created: awaited with devices; they count as announced when it returns.
        """
        self._database = database
        self._created = created
        self._periodic = Periodic("announcing imported devices", self.look, LOOK_EVERY_S)

    async def start(self) -> None:
        """Look every two seconds from now on; after all who are told."""
        self._periodic.start()

    async def close(self) -> None:
        """Announce nothing more."""
        await self._periodic.stop()

    async def look(self) -> None:
        """Announce what is not announced yet."""
        waiting = device_announcements.c.device_id
        query = select(*COLUMNS).join(device_announcements, waiting == devices.c.id).order_by(waiting).limit(AT_ONCE)
        while True:
            async with self._database.read() as connection:
                found = [from_row(row) for row in await connection.execute(query)]
            if not found:
                return
            await self._created(found)
            done = waiting.in_([device.id for device in found])
            async with self._database.write() as connection:
                await connection.execute(delete(device_announcements).where(done))

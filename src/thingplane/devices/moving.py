"""Devices that go from one instance to another."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices.certificates import DeviceCertificates
from thingplane.devices.events import DeviceMoved, DeviceReset
from thingplane.devices.presence import Presence
from thingplane.devices.record import Device
from thingplane.devices.tables import device_tags, devices
from thingplane.products.service import Product
from thingplane.storage.database import Database

OnMove: TypeAlias = Callable[[AsyncConnection, int, int, int], Awaitable[None]]
Also: TypeAlias = Callable[[AsyncConnection, Sequence[Device]], Awaitable[None]]


class DeviceMoves:
    """Takes devices to the copies that other instances have of their product.

    What a device is called, its keys, and what it has told so far stay. What its old instance has added to it does not
    go along: tags, certificates, and whatever ``on_move`` takes away. It counts as never connected.
    """

    def __init__(
        self, database: Database, clock: Clock, bus: Bus, presence: Presence, certificates: DeviceCertificates
    ) -> None:
        self._database = database
        self._clock = clock
        self._bus = bus
        self._presence = presence
        self._certificates = certificates
        self.on_move: list[OnMove] = []
        """Called with a device's key, that of its old and that of its new instance, inside the transaction."""

    async def move(self, moving: Sequence[Device], to: Product, also: Also) -> None:
        """Take devices of one product to the instance of a product with the same key; all in one transaction.

        Args:
            moving: those that are gone, or somewhere else, meanwhile stay out.
            to: the product of the other instance.
            also: called inside the transaction with the devices that moved.
        """
        now = self._clock.now_ms()
        by_id = {device.id: device for device in moving}
        sources = {device.id: device.instance_id for device in moving}
        # Times of connections before the move must not be written after it.
        async with self._presence.paused():
            async with self._database.write() as connection:
                moved = await self._move(connection, sources, to, now)
                await also(connection, [by_id[device_id] for device_id in moved])
            for device_id in moved:
                device = by_id[device_id]
                self._bus.publish(DeviceMoved(device_id, to.instance_id, to.id, now))
                self._bus.publish(DeviceReset(device_id, device.product_key, device.name, now))
        await self._certificates.refresh()

    async def _move(self, connection: AsyncConnection, sources: dict[int, int], to: Product, now: int) -> list[int]:
        forgotten = {"activated_at": None, "online_at": None, "offline_at": None, "ip": None, "online": False}
        change = update(devices).values(
            instance_id=to.instance_id, product_id=to.id, switched_at=now, modified_at=now, **forgotten
        )
        moved = []
        for device_id, source in sorted(sources.items()):
            found = change.where(devices.c.id == device_id, devices.c.instance_id == source)
            if (await connection.execute(found)).rowcount:
                moved.append(device_id)
        await connection.execute(delete(device_tags).where(device_tags.c.device_id.in_(moved)))
        await self._certificates.leave(connection, moved)
        for device_id in moved:
            for hook in self.on_move:
                await hook(connection, device_id, sources[device_id], to.instance_id)
        return moved

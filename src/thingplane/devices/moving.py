"""Devices that go from one instance to another."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from sqlalchemy import delete, select, update
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

OnMove: TypeAlias = Callable[[AsyncConnection, Sequence[int], int, int], Awaitable[None]]
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
        """Called with devices' keys, that of their old and that of their new instance, inside the transaction."""

    async def move(self, moving: Sequence[Device], here: Product, there: Product, also: Also) -> None:
        """Take devices to another instance, all in one transaction.

        Args:
            moving: devices of ``here``; those that are gone, or somewhere else, meanwhile stay out.
            here: their product where they are.
            there: the product with the same key in the other instance.
            also: called inside the transaction with the devices that moved.
        """
        now = self._clock.now_ms()
        by_id = {device.id: device for device in moving}
        # Times of connections before the move must not be written after it.
        async with self._presence.paused():
            async with self._database.write() as connection:
                moved = await self._move(connection, sorted(by_id), here, there, now)
                await also(connection, [by_id[device_id] for device_id in moved])
            for device_id in moved:
                device = by_id[device_id]
                self._bus.publish(DeviceMoved(device_id, there.instance_id, there.id, now))
                self._bus.publish(DeviceReset(device_id, device.product_key, device.name, now))
        await self._certificates.refresh()

    async def _move(
        self, connection: AsyncConnection, device_ids: Sequence[int], here: Product, there: Product, now: int
    ) -> list[int]:
        # Locked in an order that is always the same.
        query = select(devices.c.id).where(devices.c.id.in_(device_ids), devices.c.product_id == here.id)
        moved = list((await connection.execute(query.order_by(devices.c.id).with_for_update())).scalars())
        forgotten = {"activated_at": None, "online_at": None, "offline_at": None, "ip": None, "online": False}
        change = update(devices).where(devices.c.id.in_(moved)).values(switched_at=now, modified_at=now, **forgotten)
        await connection.execute(change.values(instance_id=there.instance_id, product_id=there.id))
        await connection.execute(delete(device_tags).where(device_tags.c.device_id.in_(moved)))
        await self._certificates.leave(connection, moved)
        for hook in self.on_move:
            await hook(connection, moved, here.instance_id, there.instance_id)
        return moved

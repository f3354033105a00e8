"""What the platform does with devices; also the way in for the gateway and for other slices."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

from sqlalchemy import Select, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices import errors
from thingplane.devices.announcing import Announcements
from thingplane.devices.applications import MAX_DEVICES, DeviceApplications, OnLife
from thingplane.devices.batching import MAX_KEYS
from thingplane.devices.certificates import MAX_AUTHORITIES, DeviceCertificates
from thingplane.devices.changes import Changes
from thingplane.devices.client_ids import MAX_CLIENT_IDS, ClientIds
from thingplane.devices.directory import DeviceDirectory
from thingplane.devices.events import (
    ClientIdsBarred,
    DeviceConnected,
    DeviceDeleted,
    DeviceDisabled,
    DeviceEnabled,
    DeviceMoved,
    DeviceReset,
    DeviceTagsChanged,
    NicknamesChanged,
)
from thingplane.devices.lists import DeviceLists
from thingplane.devices.moving import DeviceMoves
from thingplane.devices.presence import Presence
from thingplane.devices.record import Device
from thingplane.devices.registration import new_device
from thingplane.devices.sdk_information import SdkInformation
from thingplane.devices.self_registration import RegistrationRefusedError, RegistrationRequest, SelfRegistration
from thingplane.devices.statistics import DeviceStatistics
from thingplane.devices.tables import device_tags, devices
from thingplane.devices.tags import MAX_TAGS, DeviceTags
from thingplane.devices.tokens import DeviceTokens, TokenError, TokenExpiredError
from thingplane.forwarding.bodies import Action
from thingplane.products.errors import NOT_EXISTED_PRODUCT, NULL_PRODUCT_KEY
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database

__all__ = [
    "ClientIdsBarred",
    "Device",
    "DeviceConnected",
    "DeviceDeleted",
    "DeviceDisabled",
    "DeviceEnabled",
    "DeviceMoved",
    "DeviceReset",
    "DeviceService",
    "DeviceStatistics",
    "DeviceTagsChanged",
    "NicknamesChanged",
    "RegistrationRefusedError",
    "RegistrationRequest",
    "Status",
    "TokenError",
    "TokenExpiredError",
    # The tables themselves, for queries of other slices that join them.
    "device_tags",
    "devices",
]

Status = Literal["ONLINE", "OFFLINE", "UNACTIVE", "DISABLE"]
"""The words for a device's state, spelled as documented."""

OnDelete = Callable[[AsyncConnection, int], Awaitable[None]]
OnReset = OnDelete
OnConnected = Callable[[Device], None]
OnDisconnected = Callable[[Device, int, int], None]
OnCutOff = Callable[[Sequence[Device]], Awaitable[None]]

CLOSED: Final = 400
"""Why a connection ended that nobody on the platform has ended."""

CACHED_DEVICES: Final = 100_000
SETTLED_AT_ONCE: Final = 2000
"""Devices of a transaction after a crash."""

_IOT_ID = re.compile(r"[A-Za-z0-9]{1,64}")


class DeviceService:
    """Devices of all instances."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        products: ProductService,
        *,
        region: str = "cn-shanghai",
        cached_devices: int = CACHED_DEVICES,
        max_batch: int = MAX_DEVICES,
        max_tags: int = MAX_TAGS,
        max_client_ids: int = MAX_CLIENT_IDS,
        max_authorities: int = MAX_AUTHORITIES,
    ) -> None:
        """Wire the service; ``start`` has to be awaited before devices connect.

        Args:
            database: where devices are kept.
            clock: time of everything that is recorded.
            bus: where deletions and switches are published.
            products: the service of their products.
            region: region that answers name.
            cached_devices: devices that are kept in memory beside those that are connected.
            max_batch: most devices that are made with one application.
            max_tags: most tags of a device, and of one call.
            max_client_ids: most physical devices that register themselves under one DeviceName.
            max_authorities: most certificate authorities of devices in an instance.
        """
        self.region = region
        self.on_delete: list[OnDelete] = []
        """Called with a device's key inside the transaction that deletes it, before it is gone."""
        self.on_reset: list[OnReset] = []
        """Called with a device's key inside the transaction that resets it."""
        self.on_connected: list[OnConnected] = []
        """Called with a device that has connected."""
        self.on_disconnected: list[OnDisconnected] = []
        """Called with a device whose connection has ended, the reason, and for how long nothing had come, in ms."""
        self.on_cut_off: list[OnCutOff] = []
        """Awaited with devices whose connections a crash has cut off, before the database says that they ended."""
        self.on_life: list[OnLife] = []
        """Called when devices were created, deleted, enabled or disabled; that is acknowledged afterwards."""
        self.tags = DeviceTags(database, clock, bus, max_tags)
        self.sdk_information = SdkInformation(database)
        self.client_ids = ClientIds(database, clock, bus, max_client_ids)
        self.certificates = DeviceCertificates(database, clock, self.by_id, max_authorities=max_authorities)
        self.tokens = DeviceTokens(database, clock, bus, self.by_id)
        self.self_registration = SelfRegistration(products, self)
        self.applications = DeviceApplications(database, clock, products, max_batch, self._lived)
        self._database = database
        self.clock = self._clock = clock
        self._bus = bus
        self._products = products
        self._presence = Presence(database, clock)
        self.moves = DeviceMoves(database, clock, bus, self._presence, self.certificates)
        self._directory = DeviceDirectory(database, cached_devices, self._presence.held)
        products.count_devices = self.count
        # Also the changes that this service makes arrive there: one way for its own and for those of other nodes.
        self._changes = Changes(bus, self._directory, self._presence)
        self.lists = DeviceLists(database, self._directory, self._presence, self.tags)
        self.announcements = Announcements(database, partial(self._lived, "create"))

    async def start(self) -> None:
        """Let applications for devices go on that a stop or a crash has left open; ``settle`` has to follow."""
        await self.certificates.start()
        await self.applications.start()

    async def settle(self) -> None:
        """Let the connections end that a crash has cut off; before any device connects, and after all who are told."""
        after = 0
        while found := await self._presence.cut_off(after, SETTLED_AT_ONCE):
            after = found[-1].id
            # First, so that another crash in between tells it twice, and not never.
            for report in self.on_cut_off:
                await report(found)
            ended_at = await self._presence.settle(after)
            for device in found:
                self._directory.changed(device.id)
                known = self._directory.cached_id(device.id)
                if known is not None:
                    known.offline_at = ended_at

    async def close(self) -> None:
        """Stop working on applications, and write the times of connections that are not written yet."""
        await self.applications.close()
        await self.certificates.close()
        await self._presence.close()

    # Finding devices.

    def cached(self, product_key: str, name: str) -> Device | None:
        """Return the device of any instance if it is in memory."""
        return self._directory.cached(product_key, name)

    async def find(self, product_key: str, name: str) -> Device | None:
        """Return the device of any instance, or None. Look-ups of one loop turn become one query."""
        return await self._directory.find(product_key, name)

    async def by_id(self, device_id: int) -> Device | None:
        """Return the device of any instance by its key in the database, or None."""
        return await self._directory.find_id(device_id)

    async def by_iot_id(self, iot_id: str) -> Device | None:
        """Return the device of any instance by its IotId, or None."""
        return await self._directory.find_iot_id(iot_id)

    async def resolve(
        self, instance_id: int, *, product_key: str | None = None, name: str | None = None, iot_id: str | None = None
    ) -> Device:
        """Return the device that a call names by IotId, or by ProductKey and DeviceName; IotId outranks.

        Raises:
            BusinessError: iot.device.InvalidIoTId, iot.prod.NullProductKey, iot.device.NullDeviceName,
                iot.prod.NotExistedProduct or iot.device.NotExistedDevice.
        """
        if iot_id:
            if _IOT_ID.fullmatch(iot_id) is None:
                raise errors.INVALID_IOT_ID()
            device = await self._directory.find_iot_id(iot_id)
        elif not product_key:
            raise NULL_PRODUCT_KEY()
        elif not name:
            raise errors.NULL_DEVICE_NAME()
        else:
            device = self._directory.cached(product_key, name)
            if device is None or device.instance_id != instance_id:
                await self._products.get(instance_id, product_key)
                device = await self._directory.find(product_key, name)
        if device is None or device.instance_id != instance_id:
            raise errors.NOT_EXISTED_DEVICE()
        return device

    async def several(self, product: Product, names: Sequence[str]) -> list[Device]:
        """Return those devices of a product that exist, in the order of the names and without repetitions."""
        found = await asyncio.gather(*(self.find(product.product_key, name) for name in dict.fromkeys(names)))
        return [device for device in found if device is not None and device.product_id == product.id]

    async def several_by_iot_id(self, instance_id: int, iot_ids: list[str]) -> list[Device]:
        """Return those devices of an instance that exist, in the order of the IotIds and without repetitions."""
        found = await asyncio.gather(*(self.by_iot_id(iot_id) for iot_id in dict.fromkeys(iot_ids)))
        return [device for device in found if device is not None and device.instance_id == instance_id]

    async def several_by_id(self, device_ids: Sequence[int]) -> list[Device]:
        """Return those devices of any instance that exist, in the order of the given keys."""
        found = await asyncio.gather(*(self.by_id(device_id) for device_id in device_ids))
        return [device for device in found if device is not None]

    async def keep(self, connection: AsyncConnection, device_ids: Sequence[int]) -> list[int]:
        """Return the keys of those devices that exist, and let none of them be deleted until the transaction ends."""
        # The weakest of locks: connections of these devices are written meanwhile.
        existing = select(devices.c.id).where(devices.c.id.in_(device_ids)).order_by(devices.c.id)
        return list((await connection.execute(existing.with_for_update(read=True, key_share=True))).scalars())

    async def statistics(self, among: Select[Any]) -> DeviceStatistics:
        """Return how many devices there are, and how many of them are activated and online.

        Args:
            among: a query for the keys of the devices to count.
        """
        return await self.lists.statistics(among=among)

    async def count(self, connection: AsyncConnection, product_ids: Sequence[int]) -> dict[int, int]:
        """Return how many devices products have, by the products' keys; products without devices are absent."""
        rows = await connection.execute(
            select(devices.c.product_id, func.count())
            .where(devices.c.product_id.in_(product_ids))
            .group_by(devices.c.product_id)
        )
        return {product_id: count for product_id, count in rows}  # noqa: C416 (rows are not pairs for mypy)

    # Connections.

    def connected(self, device: Device, ip: str) -> None:
        """Take note of a connection: at once in memory, within half a second in the database.

        Every call has to be followed by one of ``disconnected`` when that connection ends, also when another connection
        of the same device has replaced it.
        """
        self._presence.connected(device, ip)
        self._bus.publish(DeviceConnected(device.id, device.product_key, device.name))
        for report in self.on_connected:
            report(device)

    def reported(self, device: Device, ip: str) -> None:
        """Take note of a message by a transport without connections (HTTPS): it activates the device, no more."""
        self._presence.reported(device, ip)

    def disconnected(self, device: Device, reason: int = CLOSED, quiet_ms: int = 0) -> None:
        """Take note of the end of a connection.

        Args:
            device: whose.
            reason: code of why, as messages about it carry it.
            quiet_ms: for how long nothing had come over it.
        """
        self._presence.disconnected(device)
        for report in self.on_disconnected:
            report(device, reason, quiet_ms)

    async def flush(self) -> None:
        """Write the times of connections that are not written yet, so that queries of the table find them."""
        await self._presence.flush()

    def status(self, device: Device) -> Status:
        """Return the device's state."""
        if not device.enabled:
            return "DISABLE"
        if device.activated_at is None:
            # Also while the connection of a device that was reset is being closed.
            return "UNACTIVE"
        return "ONLINE" if self._presence.online(device.id) else "OFFLINE"

    def status_since(self, device: Device) -> int:
        """Return when the device's state became what it is, in epoch milliseconds."""
        switched = device.switched_at or device.created_at
        if not device.enabled or device.activated_at is None:
            return switched
        if self._presence.online(device.id):
            return max(device.online_at or 0, switched)
        return max(device.online_at or 0, device.offline_at or 0, switched)

    # Life.

    async def register(self, product: Product, name: str | None = None, nickname: str | None = None) -> Device:
        """Create a device, with a name of the platform's choice when there is none.

        Raises:
            BusinessError: iot.device.AlreadyExistedDeviceName; iot.device.DeviceHasDistributed when the device with
                this name is in another instance; iot.prod.NotExistedProduct when the product was deleted meanwhile.
        """
        values = new_device(product, name, nickname, self._clock.now_ms())
        try:
            async with self._database.write() as connection:
                created = await connection.execute(insert(devices).values(values).returning(devices.c.id))
                device = Device(id=created.scalar_one(), **values)
        except IntegrityError:
            # Another call was quicker: it took the name, or deleted the product.
            present = await self.find(values["product_key"], values["name"])
            if present is not None:
                distributed = present.instance_id != product.instance_id
                taken = errors.HAS_DISTRIBUTED if distributed else errors.ALREADY_EXISTED_DEVICE_NAME
                raise taken() from None
            if await self._products.by_id(product.id) is None:
                raise NOT_EXISTED_PRODUCT() from None
            raise
        added = self._directory.add(device)
        await self._lived("create", [added])
        return added

    async def delete(self, device: Device) -> None:
        """Delete a device with everything that hangs on it.

        Raises:
            BusinessError: iot.device.NotExistedDevice when it is gone already.
        """
        async with self._database.write() as connection:
            for hook in self.on_delete:
                await hook(connection, device.id)
            deleted = await connection.execute(delete(devices).where(devices.c.id == device.id))
            if not deleted.rowcount:
                raise errors.NOT_EXISTED_DEVICE()
        self._bus.publish(DeviceDeleted(device.id, device.product_key, device.name))
        await self._lived("delete", [device])

    async def reset(self, device: Device) -> None:
        """Let a device count as never connected, so that it may register itself again; its secret stays.

        Raises:
            BusinessError: iot.device.NotExistedDevice when it is gone meanwhile.
        """
        now = self._clock.now_ms()
        forgotten = {"activated_at": None, "online_at": None, "offline_at": None, "ip": None, "online": False}
        # Times of connections before the reset must not be written after it.
        async with self._presence.paused():
            async with self._database.write() as connection:
                changed = update(devices).where(devices.c.id == device.id)
                changed = changed.values(switched_at=now, modified_at=now, **forgotten)
                if not (await connection.execute(changed)).rowcount:
                    raise errors.NOT_EXISTED_DEVICE()
                for hook in self.on_reset:
                    await hook(connection, device.id)
            self._bus.publish(DeviceReset(device.id, device.product_key, device.name, now))

    async def rename(self, nicknames: Mapping[int, str | None]) -> None:
        """Give devices other nicknames, all or none.

        Args:
            nicknames: by the devices' keys; None takes the nickname away.

        Raises:
            BusinessError: iot.device.NotExistedDevice when one is gone meanwhile.
        """
        now = self._clock.now_ms()
        change = update(devices).where(devices.c.id == bindparam("key"))
        change = change.values(nickname=bindparam("other"), modified_at=now)
        rows: list[dict[str, Any]] = [
            {"key": device_id, "other": nickname} for device_id, nickname in sorted(nicknames.items())
        ]
        async with self._database.write() as connection:
            for start in range(0, len(rows), MAX_KEYS):
                some = rows[start : start + MAX_KEYS]
                if len(await self.keep(connection, [row["key"] for row in some])) < len(some):
                    raise errors.NOT_EXISTED_DEVICE()
                await connection.execute(change, some)
        self._bus.publish(NicknamesChanged(dict(nicknames), now))

    async def disable(self, device: Device) -> None:
        """Bar a device from connecting; nothing happens when it is barred already.

        Raises:
            BusinessError: iot.device.NotExistedDevice when it is gone meanwhile.
        """
        at = await self._switch(device, enabled=False)
        if at is not None:
            self._bus.publish(DeviceDisabled(device.id, device.product_key, device.name, at))
            await self._lived("disable", [device])

    async def enable(self, device: Device) -> None:
        """Let a device connect again; nothing happens when it may already.

        Raises:
            BusinessError: iot.device.NotExistedDevice when it is gone meanwhile.
        """
        at = await self._switch(device, enabled=True)
        if at is not None:
            self._bus.publish(DeviceEnabled(device.id, device.product_key, device.name, at))
            await self._lived("enable", [device])

    async def _lived(self, action: Action, devices: Sequence[Device]) -> None:
        for report in self.on_life:
            await report(action, devices)

    async def _switch(self, device: Device, *, enabled: bool) -> int | None:
        now = self._clock.now_ms()
        async with self._database.write() as connection:
            switched = await connection.execute(
                update(devices)
                .where(devices.c.id == device.id, devices.c.enabled.is_not(enabled))
                .values(enabled=enabled, switched_at=now, modified_at=now)
            )
            if switched.rowcount:
                return now
            if not await connection.scalar(select(func.count()).where(devices.c.id == device.id)):
                raise errors.NOT_EXISTED_DEVICE()
        return None

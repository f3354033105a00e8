"""Relationships between gateways and sub-devices: adding, removing and finding them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.alink import is_signed, signature
from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices.errors import NOT_EXISTED_DEVICE
from thingplane.devices.service import Device, DeviceDeleted, DeviceReset, DeviceService, devices
from thingplane.storage.database import Database
from thingplane.topology import errors
from thingplane.topology.events import SubDevice, TopologyChanged, sub_device
from thingplane.topology.owners import Owners
from thingplane.topology.tables import topology_locks, topology_relations

__all__ = ["GATEWAY", "SubDevice", "TopologyChanged", "TopologyService", "is_signed", "signature"]

MAX_SUB_DEVICES: Final = 2000
"""Sub-devices of a gateway (device-protocol reference, 12: the newest figure)."""
GATEWAY: Final = 1
"""Node type of gateways."""

_gateway = topology_relations.c.gateway_id
_sub_device = topology_relations.c.sub_device_id


class TopologyService:
    """The relationships of all instances. A sub-device belongs to one gateway; a gateway is nobody's sub-device."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        devices: DeviceService,
        *,
        max_sub_devices: int = MAX_SUB_DEVICES,
    ) -> None:
        """Wire the service.

        Args:
            database: where relationships are kept.
            clock: tells when they change.
            bus: carries ``TopologyChanged``, and brings deletions and resets of devices.
            devices: the service of gateways and sub-devices.
            max_sub_devices: most sub-devices of a gateway.
        """
        self.max_sub_devices = max_sub_devices
        self._database = database
        self._clock = clock
        self._bus = bus
        self._devices = devices
        self._owners = Owners(database, bus)
        self._leaving: dict[int, dict[str, Any]] = {}
        self._emptied: dict[int, tuple[str, tuple[SubDevice, ...]]] = {}
        devices.on_delete.append(self._leave)
        devices.on_reset.append(self._reset)
        devices.moves.on_move.append(self._moved)
        bus.subscribe(DeviceDeleted, self._left)
        bus.subscribe(DeviceReset, self._left)

    # Finding.

    async def gateway_of(self, device_id: int) -> Device | None:
        """Return the gateway that a device is attached to, or None."""
        gateway_id = (await self._owners.of([device_id])).get(device_id)
        return None if gateway_id is None else await self._devices.by_id(gateway_id)

    async def attached(self, gateway_id: int, device_ids: Iterable[int]) -> set[int]:
        """Return which devices are sub-devices of a gateway, by their keys."""
        owners = await self._owners.of(device_ids)
        return {device_id for device_id, owner in owners.items() if owner == gateway_id}

    async def sub_devices(self, gateway: Device) -> list[Device]:
        """Return all sub-devices of a gateway, in the order in which they were attached."""
        query = select(_sub_device).where(_gateway == gateway.id).order_by(topology_relations.c.id)
        async with self._database.read() as connection:
            keys = (await connection.execute(query)).scalars().all()
        return await self._devices.several_by_id(keys)

    async def page(
        self, gateway: Device, limit: int, *, offset: int = 0, after: int | None = None
    ) -> tuple[int, list[Device], int | None]:
        """Return a part of a gateway's sub-devices, in the order in which they were attached.

        Args:
            gateway: whose sub-devices.
            limit: sub-devices at most.
            offset: sub-devices to skip.
            after: only those behind this place; outranks ``offset``.

        Returns:
            How many sub-devices there are in all; the part; the place behind it, None when nothing follows.
        """
        query = select(topology_relations.c.id, _sub_device).where(_gateway == gateway.id)
        query = query.offset(offset) if after is None else query.where(topology_relations.c.id > after)
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).where(_gateway == gateway.id))).scalar_one()
            rows = (await connection.execute(query.order_by(topology_relations.c.id).limit(limit + 1))).all()
        part = rows[:limit]
        devices = await self._devices.several_by_id([row.sub_device_id for row in part])
        return total, devices, part[-1].id if len(rows) > limit else None

    # Changing.

    async def add(self, gateway: Device, sub_devices: Sequence[Device], *, by_gateway: bool = False) -> None:
        """Attach sub-devices to a gateway, all or none; those of another gateway move.

        Args:
            gateway: a device of a gateway product.
            sub_devices: of the same instance; those that are attached to it already stay so.
            by_gateway: whether the gateway itself asks for it.

        Raises:
            BusinessError: iot.device.AddTopoRelationFailed when ``gateway`` is no gateway or a sub-device is one;
                iot.device.TopoRelationCountExceeded; iot.device.NotExistedDevice when one was deleted meanwhile or
                belongs to another instance.
        """
        wanted = {device.id: device for device in sub_devices}
        _check_nodes(gateway, wanted.values())
        async with self._database.write() as connection:
            await _serialize(connection, gateway.instance_id)
            if len(await self._devices.keep(connection, [gateway.id, *wanted])) <= len(wanted):
                raise NOT_EXISTED_DEVICE()
            query = select(_sub_device, _gateway).where(_sub_device.in_(list(wanted)))
            attached = {row.sub_device_id: row.gateway_id for row in await connection.execute(query)}
            new = [device_id for device_id in wanted if attached.get(device_id) != gateway.id]
            count = (await connection.execute(select(func.count()).where(_gateway == gateway.id))).scalar_one()
            if new and count + len(new) > self.max_sub_devices:
                raise errors.TOPO_RELATION_COUNT_EXCEEDED(f"A gateway has at most {self.max_sub_devices} sub-devices.")
            if new:
                await connection.execute(delete(topology_relations).where(_sub_device.in_(new)))
                rows = [{"gateway_id": gateway.id, "sub_device_id": device_id} for device_id in new]
                await connection.execute(insert(topology_relations), rows)
        moved: dict[int, list[Device]] = {}
        for device_id in new:
            if device_id in attached:
                moved.setdefault(attached[device_id], []).append(wanted[device_id])
        for former in await self._devices.several_by_id(list(moved)):
            self._publish("delete", former, moved[former.id])
        self._publish("add", gateway, [wanted[device_id] for device_id in new], by_gateway=by_gateway)

    async def remove(self, gateway: Device, sub_devices: Sequence[Device], *, by_gateway: bool = False) -> list[Device]:
        """Detach sub-devices from a gateway, and return those that were attached to it."""
        wanted = {device.id: device for device in sub_devices}
        return await self._remove(gateway, _sub_device.in_(list(wanted)), wanted, by_gateway=by_gateway)

    async def remove_all(self, gateway: Device) -> list[Device]:
        """Detach all sub-devices from a gateway, and return them."""
        return await self._remove(gateway, None, {}, by_gateway=False)

    async def _remove(
        self, gateway: Device, which: ColumnElement[bool] | None, known: dict[int, Device], *, by_gateway: bool
    ) -> list[Device]:
        leaving = delete(topology_relations).where(_gateway == gateway.id).returning(_sub_device)
        if which is not None:
            leaving = leaving.where(which)
        async with self._database.write() as connection:
            await _serialize(connection, gateway.instance_id)
            keys = sorted((await connection.execute(leaving)).scalars())
        removed = [known[key] for key in keys] if known else await self._devices.several_by_id(keys)
        self._publish("delete", gateway, removed, by_gateway=by_gateway)
        return removed

    # Telling.

    def _publish(
        self, action: Literal["add", "delete"], gateway: Device, devices: Sequence[Device], *, by_gateway: bool = False
    ) -> None:
        if devices:
            self._bus.publish(
                TopologyChanged(
                    action=action,
                    gateway_id=gateway.id,
                    gateway_iot_id=gateway.iot_id,
                    gateway_product_key=gateway.product_key,
                    gateway_name=gateway.name,
                    sub_devices=tuple(map(sub_device, devices)),
                    by_gateway=by_gateway,
                    at=self._clock.now_ms(),
                )
            )

    async def _leave(self, connection: AsyncConnection, device_id: int) -> None:
        """Remember the gateway of a device that is leaving it, to tell about it once that is certain."""
        device, gateway = devices.alias("device"), devices.alias("gateway")
        both = select(
            device.c.iot_id,
            gateway.c.id.label("gateway_id"),
            gateway.c.iot_id.label("gateway_iot_id"),
            gateway.c.product_key.label("gateway_product_key"),
            gateway.c.name.label("gateway_name"),
        )
        both = both.join_from(topology_relations, device, device.c.id == _sub_device)
        both = both.join(gateway, gateway.c.id == _gateway).where(_sub_device == device_id)
        row = (await connection.execute(both)).first()
        if row is not None:
            self._leaving[device_id] = row._asdict()

    async def _reset(self, connection: AsyncConnection, device_id: int) -> None:
        """Take the relationships of a device that is being reset (guide, ResetThing)."""
        await self._leave(connection, device_id)
        sub = select(devices.c.id, devices.c.iot_id, devices.c.product_key, devices.c.name)
        sub = sub.join(topology_relations, _sub_device == devices.c.id).where(_gateway == device_id)
        rows = (await connection.execute(sub.order_by(topology_relations.c.id))).all()
        if rows:
            iot_id = await connection.scalar(select(devices.c.iot_id).where(devices.c.id == device_id))
            self._emptied[device_id] = (str(iot_id), tuple(SubDevice(*row) for row in rows))
        own = or_(_sub_device == device_id, _gateway == device_id)
        await connection.execute(delete(topology_relations).where(own))

    async def _moved(self, connection: AsyncConnection, device_ids: Sequence[int], _source: int, _target: int) -> None:
        """Take the relationships of devices that go to another instance; ``DeviceReset`` tells of it."""
        theirs = _sub_device.in_(device_ids)
        for device_id in (await connection.execute(select(_sub_device).where(theirs))).scalars().all():
            await self._leave(connection, device_id)
        own = or_(theirs, _gateway.in_(device_ids))
        await connection.execute(delete(topology_relations).where(own))

    def _left(self, event: DeviceDeleted | DeviceReset) -> None:
        emptied = self._emptied.pop(event.device_id, None)
        if emptied is not None and isinstance(event, DeviceReset):
            iot_id, subs = emptied
            self._bus.publish(
                TopologyChanged(
                    action="delete",
                    gateway_id=event.device_id,
                    gateway_iot_id=iot_id,
                    gateway_product_key=event.product_key,
                    gateway_name=event.name,
                    sub_devices=subs,
                    # Its connection is being closed: it begins anew.
                    by_gateway=True,
                    at=event.at,
                )
            )
        left = self._leaving.pop(event.device_id, None)
        if left is not None:
            gone = SubDevice(event.device_id, left.pop("iot_id"), event.product_key, event.name)
            at = self._clock.now_ms()
            deleted = isinstance(event, DeviceDeleted)
            self._bus.publish(TopologyChanged(action="delete", sub_devices=(gone,), deleted=deleted, at=at, **left))


def _check_nodes(gateway: Device, sub_devices: Iterable[Device]) -> None:
    if gateway.node_type != GATEWAY:
        raise errors.ADD_TOPO_RELATION_FAILED(f"{gateway.name} is not a device of a gateway product.")
    for device in sub_devices:
        if device.id == gateway.id:
            raise errors.ADD_TOPO_RELATION_FAILED("A gateway cannot be its own sub-device.")
        if device.node_type == GATEWAY:
            raise errors.ADD_TOPO_RELATION_FAILED(f"{device.name} is a gateway: it cannot be a sub-device.")
        if device.instance_id != gateway.instance_id:
            raise NOT_EXISTED_DEVICE()


async def _serialize(connection: AsyncConnection, instance_id: int) -> None:
    """Let the transactions that change an instance's relationships run one after the other.

    The limit can then be checked before a change is made, and a sub-device that two gateways want moves twice.
    """
    lock = select(topology_locks).where(topology_locks.c.instance_id == instance_id).with_for_update()
    if (await connection.execute(lock)).first() is None:
        try:
            async with connection.begin_nested():
                await connection.execute(insert(topology_locks).values(instance_id=instance_id))
        except IntegrityError:
            # Another transaction was quicker with the first change of all, and has ended now.
            await connection.execute(lock)

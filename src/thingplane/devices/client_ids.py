"""Client ids: what physical devices connect with that registered themselves under a DeviceName, each with a token.

Registration without a device made before is described in the guide's section on unique-certificate-per-product
authentication; several physical devices may hold one DeviceName.
"""

import hmac
from typing import Final

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.devices import errors
from thingplane.devices.events import ClientIdsBarred, DeviceSelfRegistered
from thingplane.devices.record import Device
from thingplane.devices.tables import device_client_ids, devices
from thingplane.storage.database import Database

MAX_CLIENT_IDS: Final = 5
"""Client ids of a device (guide 4.8.4)."""

_mine = device_client_ids.c.device_id
_client_id = device_client_ids.c.client_id


class ClientId(msgspec.Struct, frozen=True):
    """A client id of a device."""

    client_id: str
    created_at: int
    """Epoch milliseconds."""


class ClientIds:
    """The client ids of all devices. They go with the device."""

    def __init__(self, database: Database, clock: Clock, bus: Bus, max_client_ids: int) -> None:
        self._database = database
        self._clock = clock
        self._bus = bus
        self._max_client_ids = max_client_ids

    async def list(self, device: Device) -> list[ClientId]:
        """Return a device's client ids, oldest first."""
        query = select(_client_id, device_client_ids.c.created_at).where(_mine == device.id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(device_client_ids.c.created_at, _client_id))).all()
        return [ClientId(client_id, created_at) for client_id, created_at in rows]

    async def add(self, device: Device, client_id: str, token: str) -> None:
        """Give a device a client id with its token; from then on the device counts as one that registers itself.

        Raises:
            BusinessError: iot.device.NotExistedDevice; iot.device.VerifyDeviceFailed when the device has as many client
                ids as it may, or this one already.
        """
        values = {
            "device_id": device.id,
            "client_id": client_id,
            "token": token,
            "created_at": self._clock.now_ms(),
        }
        # Registrations of one device queue up here; without that, several at once could pass the limit.
        lock = select(devices.c.id).where(devices.c.id == device.id).with_for_update(key_share=True)
        try:
            async with self._database.write() as connection:
                if (await connection.execute(lock)).first() is None:
                    raise errors.NOT_EXISTED_DEVICE()
                known = (await connection.execute(select(_client_id).where(_mine == device.id))).scalars().all()
                if len(known) >= self._max_client_ids:
                    raise errors.VERIFY_DEVICE_FAILED(f"A device has at most {self._max_client_ids} client ids.")
                await connection.execute(insert(device_client_ids).values(values))
                mark = update(devices).where(devices.c.id == device.id, devices.c.self_registered.is_not(True))
                is_first = (await connection.execute(mark.values(self_registered=True))).rowcount
        except IntegrityError:
            raise errors.VERIFY_DEVICE_FAILED("The device has this client id already.") from None
        if is_first:
            self._bus.publish(DeviceSelfRegistered(device.id))

    async def verify(self, device: Device, client_id: str, token: str) -> bool:
        """Tell whether a physical device may connect with this client id and token."""
        query = select(device_client_ids.c.token).where(_mine == device.id, _client_id == client_id)
        async with self._database.read() as connection:
            known = (await connection.execute(query)).scalar()
        return known is not None and hmac.compare_digest(known.encode(), token.encode())

    async def keep(self, device: Device, client_id: str) -> None:
        """Bar all client ids of a device but one.

        Raises:
            BusinessError: iot.common.InvalidFormattedParameter when the device has no such client id (the guide names
                no code of its own for that); nothing is changed then.
        """
        lock = select(_client_id).where(_mine == device.id, _client_id == client_id).with_for_update()
        async with self._database.write() as connection:
            if (await connection.execute(lock)).first() is None:
                raise INVALID_FORMATTED_PARAMETER("ClientId: the device has no such client id.")
            others = delete(device_client_ids).where(_mine == device.id, _client_id != client_id)
            barred = tuple((await connection.execute(others.returning(_client_id))).scalars())
        self._barred(device, barred)

    async def clear(self, device: Device) -> None:
        """Bar all client ids of a device; it has to register itself again."""
        async with self._database.write() as connection:
            all_of_them = delete(device_client_ids).where(_mine == device.id).returning(_client_id)
            barred = tuple((await connection.execute(all_of_them)).scalars())
        self._barred(device, barred)

    def _barred(self, device: Device, client_ids: tuple[str, ...]) -> None:
        if client_ids:
            self._bus.publish(ClientIdsBarred(device.id, client_ids))

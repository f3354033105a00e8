"""Shadows of devices: read and written by applications and by the devices themselves."""

import structlog

from thingplane.alink import Identity
from thingplane.bus import Background, Bus, Downlink, DownlinkMessage
from thingplane.clock import Clock
from thingplane.devices.errors import NOT_EXISTED_DEVICE
from thingplane.devices.service import DeviceConnected, DeviceDeleted
from thingplane.shadows import messages, store
from thingplane.shadows.document import FORCED, Change, Shadow, apply
from thingplane.storage.database import Database
from thingplane.storage.keyed_lock import KeyedLocks
from thingplane.throttle import Throttle

_log = structlog.get_logger(__name__)


class ShadowService:
    """The shadows of all devices. What a call or request has changed is durable when its method returns.

    What an application desires is pushed to the device at once if it is online, and again at each of its connections
    until the device has shown that it knows: by fetching its shadow, or by a change with a version above that of the
    shadow.
    """

    def __init__(
        self, database: Database, clock: Clock, bus: Bus, downlink: Downlink, *, requests_per_second: int = 0
    ) -> None:
        """Wire the service; ``start`` has to be awaited before devices connect.

        Args:
            database: where shadows are kept.
            clock: time of changes.
            bus: tells of devices that connect or are deleted.
            downlink: the way to devices.
            requests_per_second: for one device, of applications and the device together; 0: unlimited, the vendor
                allows 20.
        """
        self.rate = Throttle(requests_per_second, 1, clock.monotonic)
        self._database = database
        self.clock = clock
        self._downlink = downlink
        # Pushes and answers leave in the order of the versions they tell.
        self._locks = KeyedLocks()
        self._undelivered: set[int] = set()
        self._background = Background("shadows")
        bus.subscribe(DeviceConnected, self._connected)
        bus.subscribe(DeviceDeleted, self._deleted)

    async def start(self) -> None:
        """Learn which devices have to be told something when they connect."""
        async with self._database.read() as connection:
            self._undelivered = await store.read_undelivered(connection)

    async def close(self) -> None:
        """Wait for the pushes under way; to be called before the database is closed."""
        await self._background.settled()

    async def read(self, device: Identity) -> Shadow:
        """Return a shadow, empty and with version 0 if it was never written."""
        async with self._database.read() as connection:
            return await store.read(connection, device.id) or Shadow()

    async def update(self, device: Identity, change: Change) -> Shadow:
        """Change a shadow for an application, and push what is desired now to the device if that changed.

        Raises:
            ShadowError: the change is refused; nothing has changed.
            BusinessError: iot.device.NotExistedDevice when the device was deleted meanwhile.
        """
        async with self._locks.of(device.id):
            shadow = await self._write(device, change, by_device=False)
            if change.desired and shadow.desired.values:
                await self._push(device.id, device.product_key, device.name, shadow)
        return shadow

    async def report(self, device: Identity, change: Change) -> Shadow:
        """Change a shadow for its device.

        Raises:
            ShadowError: the change is refused; nothing has changed.
            BusinessError: iot.device.NotExistedDevice when the device was deleted meanwhile.
        """
        async with self._locks.of(device.id):
            return await self._write(device, change, by_device=True)

    async def fetch(self, device: Identity) -> Shadow:
        """Return a shadow to its device, which knows from then on what is desired."""
        async with self._locks.of(device.id):
            if device.id not in self._undelivered:
                return await self.read(device)
            async with self._database.write() as connection:
                shadow = await store.read(connection, device.id, lock=True)
                await store.mark_delivered(connection, device.id)
            self._undelivered.discard(device.id)
            return shadow or Shadow()

    async def _write(self, device: Identity, change: Change, *, by_device: bool) -> Shadow:
        async with self._database.write() as connection:
            shadow = await store.read(connection, device.id, lock=True)
            if shadow is None:
                if not await store.lock_device(connection, device.id):
                    raise NOT_EXISTED_DEVICE()
                # Another transaction may have written it until now.
                shadow = await store.read(connection, device.id, lock=True)
            new = shadow is None
            shadow = shadow or Shadow()
            apply(shadow, change, self.clock.now_ms())
            waits = _waits(shadow, change, by_device=by_device)
            await store.write(connection, device.id, shadow, new=new, waits=waits)
        if waits:
            self._undelivered.add(device.id)
        elif waits is not None:
            self._undelivered.discard(device.id)
        return shadow

    # Telling devices.

    def _connected(self, event: DeviceConnected) -> None:
        if event.device_id in self._undelivered:
            self._background.run(self._catch_up(event))

    def _deleted(self, event: DeviceDeleted) -> None:
        self._undelivered.discard(event.device_id)

    async def _catch_up(self, event: DeviceConnected) -> None:
        try:
            async with self._locks.of(event.device_id):
                async with self._database.read() as connection:
                    shadow = await store.read(connection, event.device_id)
                # The device may have fetched it meanwhile, or something else may be desired.
                if shadow is not None and event.device_id in self._undelivered:
                    await self._push(event.device_id, event.product_key, event.name, shadow)
        except Exception:  # noqa: BLE001 - whatever failed is tried again when the device connects the next time
            _log.exception("a device was not told what is desired", product_key=event.product_key, device=event.name)

    async def _push(self, device_id: int, product_key: str, name: str, shadow: Shadow) -> None:
        # QoS 0: what a session keeps for later could arrive after a newer push, and each connection brings one anyway.
        if self._downlink.online(device_id):
            await self._downlink.send(
                DownlinkMessage(
                    device_id=device_id,
                    topic=messages.topic(product_key, name),
                    payload=messages.control(shadow, self.clock.now_ms()),
                )
            )


def _waits(shadow: Shadow, change: Change, *, by_device: bool) -> bool | None:
    """Tell whether a changed shadow holds something that its device does not know; None: whatever it was before."""
    if not shadow.desired.values:
        return False
    if by_device:
        # Whoever gives a version above that of the shadow has seen it.
        return None if change.version in {None, FORCED} else False
    return True if change.desired else None

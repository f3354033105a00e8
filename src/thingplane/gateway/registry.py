"""Which device is connected, and on which connection: its own, or that of its gateway."""

from thingplane.gateway.connection import CLOSED, Connection
from thingplane.gateway.ports import Devices
from thingplane.gateway.sub_device import SubDevice


class Registry:
    """Present connections by device."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._by_device: dict[int, Connection] = {}
        self._subs: dict[int, SubDevice] = {}

    def __len__(self) -> int:
        return len(self._by_device)

    def get(self, device_id: int) -> Connection | None:
        """Return the device's own connection."""
        return self._by_device.get(device_id)

    def reach(self, device_id: int) -> Connection | None:
        """Return the connection over which a device is reached, which may be its gateway's."""
        connection = self._by_device.get(device_id)
        if connection is None:
            sub = self._subs.get(device_id)
            return None if sub is None else sub.connection
        return connection

    def of_product(self, product_id: int) -> list[Connection]:
        """Return the connections of a product's devices."""
        return [item for item in self._by_device.values() if item.device and item.device.product_id == product_id]

    def certified(self) -> list[Connection]:
        """Return the connections that were let in by a client certificate."""
        return [item for item in self._by_device.values() if item.certified]

    def enter(self, connection: Connection) -> None:
        """Take note of a connection that is about to be accepted."""
        device = connection.device
        if device is None:
            raise RuntimeError("the connection has no device")
        self._by_device[device.id] = connection
        self._devices.connected(device, connection.ip)

    def leave(self, connection: Connection) -> None:
        """Take note of the end of a connection; one that never entered is none of the registry's business."""
        device = connection.device
        if device is None:
            return
        self._devices.disconnected(device, connection.end_code, connection.quiet_ms)
        if self._by_device.get(device.id) is connection:
            del self._by_device[device.id]

    # Sub-devices

    @property
    def sub_devices(self) -> int:
        """How many devices are logged in through gateways."""
        return len(self._subs)

    def sub(self, device_id: int) -> SubDevice | None:
        """Return the present login of a sub-device."""
        return self._subs.get(device_id)

    def subs_of_product(self, product_id: int) -> list[SubDevice]:
        """Return the present logins of a product's devices."""
        return [sub for sub in self._subs.values() if sub.device.product_id == product_id]

    def enter_sub(self, sub: SubDevice) -> None:
        """Take note of a login."""
        self._subs[sub.device.id] = sub
        self._devices.connected(sub.device, sub.connection.ip)

    def leave_sub(self, sub: SubDevice, code: int = CLOSED) -> None:
        """Take note of the end of a login, and of why."""
        self._devices.disconnected(sub.device, code, 0)
        if self._subs.get(sub.device.id) is sub:
            del self._subs[sub.device.id]

"""Which device is connected, and on which connection."""

from thingplane.gateway.connection import Connection
from thingplane.gateway.ports import Devices


class Registry:
    """Present connections by device."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._by_device: dict[int, Connection] = {}

    def __len__(self) -> int:
        return len(self._by_device)

    def get(self, device_id: int) -> Connection | None:
        """Return the connection of a device."""
        return self._by_device.get(device_id)

    def of_product(self, product_id: int) -> list[Connection]:
        """Return the connections of a product's devices."""
        return [item for item in self._by_device.values() if item.device and item.device.product_id == product_id]

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
        self._devices.disconnected(device)
        if self._by_device.get(device.id) is connection:
            del self._by_device[device.id]

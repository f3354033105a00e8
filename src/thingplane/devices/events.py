"""What the bus tells about devices, each after its change is durable."""

import msgspec


class DeviceDeleted(msgspec.Struct, frozen=True):
    """The device is gone with everything that hung on it."""

    device_id: int
    product_key: str
    name: str


class DeviceDisabled(msgspec.Struct, frozen=True):
    """The device may not connect any more; its connection has to be closed."""

    device_id: int
    product_key: str
    name: str
    at: int
    """Epoch milliseconds of the change."""


class DeviceEnabled(msgspec.Struct, frozen=True):
    """The device may connect again."""

    device_id: int
    product_key: str
    name: str
    at: int
    """Epoch milliseconds of the change."""

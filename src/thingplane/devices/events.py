"""What the bus tells about devices, each after its change is durable."""

import msgspec


class DeviceDeleted(msgspec.Struct, frozen=True):
    """The device is gone with everything that hung on it."""

    device_id: int
    product_key: str
    name: str


class DeviceConnected(msgspec.Struct, frozen=True):
    """The device is being let in, for the first time or again: from the next turn of the loop on it can be sent to."""

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


class DeviceReset(msgspec.Struct, frozen=True):
    """The device counts as never connected and may register itself again; its connection has to be closed."""

    device_id: int
    product_key: str
    name: str
    at: int
    """Epoch milliseconds of the change."""


class DeviceMoved(msgspec.Struct, frozen=True):
    """The device belongs to another instance, and there to that instance's copy of its product.

    ``DeviceReset`` follows: it counts as never connected there.
    """

    device_id: int
    instance_id: int
    product_id: int
    at: int
    """Epoch milliseconds of the change."""


class NicknamesChanged(msgspec.Struct, frozen=True):
    """Devices have other nicknames, or none."""

    nicknames: dict[int, str | None]
    """By the devices' keys."""
    at: int
    """Epoch milliseconds of the change."""


class DeviceTagsChanged(msgspec.Struct, frozen=True):
    """Tags of a device were added, changed or removed."""

    device_id: int
    tags: dict[str, str | None]
    """Those that changed, by key; None for one that was removed."""
    at: int
    """Epoch milliseconds of the change."""


class DeviceSelfRegistered(msgspec.Struct, frozen=True):
    """A physical device has registered itself under the device's name for the first time."""

    device_id: int


class DeviceTokenIssued(msgspec.Struct, frozen=True):
    """The device has another token; earlier ones for the same purpose count no more."""

    device_id: int
    purpose: str
    issued_at: int
    """Epoch milliseconds."""


class ClientIdsBarred(msgspec.Struct, frozen=True):
    """Physical devices may not connect with these client ids any more; their connections have to be closed."""

    device_id: int
    client_ids: tuple[str, ...]

"""What the bus tells about topological relationships, after the change is durable."""

from typing import Literal

import msgspec

from thingplane.devices.service import Device


class SubDevice(msgspec.Struct, frozen=True):
    """A sub-device whose relationship was added or removed."""

    device_id: int
    iot_id: str
    product_key: str
    name: str


class TopologyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Sub-devices were added to a gateway, or removed from it; their sessions through it are over then."""

    action: Literal["add", "delete"]
    gateway_id: int
    gateway_iot_id: str
    gateway_product_key: str
    gateway_name: str
    sub_devices: tuple[SubDevice, ...]
    by_gateway: bool = False
    """Whether the gateway itself asked for it, or was reset: then it gets no notice."""
    deleted: bool = False
    """Whether the sub-devices themselves are gone."""
    at: int
    """Epoch milliseconds of the change."""


def sub_device(device: Device) -> SubDevice:
    """Return a device as events name it."""
    return SubDevice(device.id, device.iot_id, device.product_key, device.name)

"""What the gateway needs of the slices, so that it depends on none of them."""

from collections.abc import Iterable
from typing import Final, Protocol

from thingplane.alink import Identity

GATEWAY: Final = 1
"""Node type of gateways."""


class ConnectingDevice(Identity, Protocol):
    """A device as authentication sees it."""

    @property
    def secret(self) -> str:
        """DeviceSecret."""

    @property
    def enabled(self) -> bool:
        """False after DisableThing."""

    @property
    def node_type(self) -> int:
        """0: device, 1: gateway."""


class Devices(Protocol):
    """Finds devices and takes note of their presence (``devices.service``)."""

    def cached(self, product_key: str, name: str) -> ConnectingDevice | None:
        """Return the device if it is in memory."""

    async def find(self, product_key: str, name: str) -> ConnectingDevice | None:
        """Return the device, or None if there is none."""

    def connected(self, device: ConnectingDevice, ip: str) -> None:
        """Take note of an accepted connection."""

    def disconnected(self, device: ConnectingDevice, reason: int = 400, quiet_ms: int = 0) -> None:
        """Take note of its end, of why, and of how long nothing had come."""


class ConnectingProduct(Protocol):
    """A product as authentication sees it."""

    @property
    def auth_type(self) -> str:
        """How its devices authenticate: secret, x509."""


class Products(Protocol):
    """Knows products (``products.service``)."""

    def cached(self, product_key: str) -> ConnectingProduct | None:
        """Return the product if it is in memory."""

    async def find(self, product_key: str) -> ConnectingProduct | None:
        """Return the product, or None if there is none."""


class TopicPermissions(Protocol):
    """What devices of one product may do on custom topics; texts are what follows ``/{productKey}/{deviceName}/``."""

    def may_publish(self, rest: str) -> bool:
        """Tell whether a device may publish on this topic."""

    def may_subscribe(self, rest: str) -> bool:
        """Tell whether a device may subscribe with this filter."""


class Topics(Protocol):
    """Knows the topic categories of products (``topics.service``)."""

    def cached(self, product_id: int) -> TopicPermissions | None:
        """Return the product's permissions if they are in memory."""

    async def permissions(self, product_id: int) -> TopicPermissions:
        """Return the product's permissions."""


class Topology(Protocol):
    """Knows the sub-devices of gateways (``topology.service``)."""

    async def attached(self, gateway_id: int, device_ids: Iterable[int]) -> set[int]:
        """Return which devices are sub-devices of a gateway, by their keys."""

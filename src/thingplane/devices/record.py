"""A device as the platform keeps it in memory."""

from typing import Any

import msgspec

from thingplane.forwarding.message import Source


class Device(msgspec.Struct, kw_only=True, gc=False):
    """One device. All times are epoch milliseconds.

    A device has one such object in a process while it is cached or connected; only ``DeviceService`` changes it.
    """

    id: int
    """Key in the metadata database and in the history."""
    iot_id: str
    instance_id: int
    product_id: int
    product_key: str
    name: str
    secret: str
    nickname: str | None
    node_type: int
    """0: device, 1: gateway; as the product's."""
    enabled: bool
    created_at: int
    modified_at: int
    """When its record was last changed by a call; connections do not count."""
    switched_at: int | None
    """When it was last disabled or enabled."""
    activated_at: int | None
    """First connection; None while the device is not activated."""
    online_at: int | None
    """Last time it came online."""
    offline_at: int | None
    """Last time it went offline."""
    ip: str | None
    """Address of its last connection."""
    self_registered: bool | None = None
    """True once physical devices have registered themselves under its name, to connect with client ids and tokens."""

    @property
    def device_id(self) -> str:
        """DeviceId, the deprecated identifier that a few answers carry: the IotId without its end (guide samples)."""
        return self.iot_id.removesuffix("000000")

    def source(self, category: str) -> Source:
        """Return whom forwarded messages of the device are from.

        Args:
            category: device type of its product.
        """
        return Source(self.instance_id, self.product_id, self.product_key, self.id, self.name, self.iot_id, category)

    def __repr__(self) -> str:
        # The generated one would write the secret into logs and tracebacks.
        return f"Device(id={self.id}, product_key={self.product_key!r}, name={self.name!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what rich prints, which is not the secret either."""
        return [("id", self.id), ("product_key", self.product_key), ("name", self.name)]

"""Messages that leave the platform (rules-and-subscription reference, chapter 3)."""

from enum import IntEnum

import msgspec


class Kind(IntEnum):
    """What a message is about: what subscriptions choose by."""

    STATUS = 1
    """A device came online or went offline."""
    CUSTOM = 2
    """A message on a custom topic, unchanged or parsed by the product's script."""
    PROPERTY = 3
    EVENT = 4
    PROPERTY_BATCH = 5
    EVENT_BATCH = 6
    REPLY = 7
    """A device answered an asynchronous downlink, or the platform in its place."""
    PROPERTY_HISTORY = 8
    EVENT_HISTORY = 9
    LIFECYCLE = 10
    """A device was created, deleted, enabled or disabled."""
    TOPOLOGY = 11
    FOUND = 12
    """A gateway found sub-devices."""
    TAGS = 13
    OTA_STATUS = 14
    OTA_VERSION = 15
    OTA_JOB = 16
    RULE = 17
    """What a rule made; only ever due to the subscriber that the rule names."""


class Source(msgspec.Struct, frozen=True, gc=False):
    """Whom a message is from."""

    instance_id: int
    product_id: int
    product_key: str
    device_id: int
    """0 for a message about a product."""
    device_name: str
    iot_id: str
    category: str
    """The ``deviceType`` of bodies: category key of the product."""


class Forwarded(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A message in the log."""

    position: int
    """Place in the log: grows with every message, with gaps."""
    message_id: int
    """The same everywhere and in every redelivery."""
    kind: Kind
    instance_id: int
    product_id: int
    product_key: str
    device_id: int
    device_name: str
    topic: str
    body: bytes
    generated: int
    """Epoch milliseconds."""
    qos: int
    tag: str
    properties: dict[str, object] | None = None
    """What the device said with MQTT 5, named as in ``bus.DownlinkMessage``, with ``expiry`` in seconds; None without.
    Pairs of ``user`` may be lists."""

    def __repr__(self) -> str:
        # Bodies are nobody's business in logs and tracebacks.
        return f"Forwarded(position={self.position}, message_id={self.message_id}, topic={self.topic!r})"

"""What a consumer group is, and how many there may be of what."""

from typing import Final

import msgspec

DEFAULT_GROUP_ID: Final = "DEFAULT_GROUP"
"""GroupId of the group that every instance has."""
DEFAULT_GROUP_NAME: Final = "Default consumer group"


class SubscriptionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many there may be of what (guide: limits of server-side subscription)."""

    groups: int = 1000
    """Groups of an instance."""
    groups_per_product: int = 10
    products_per_group: int = 1000
    clients_per_group: int = 128
    """Connections of a group at the same time; 0: unlimited."""
    connects_per_minute: int = 0
    """Of a group; 0: unlimited, the vendor allows 100."""


class ConsumerGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer group as it is now."""

    id: int
    instance_id: int
    group_id: str
    """GroupId: ``DEFAULT_GROUP``, or 26 letters and digits."""
    name: str
    created_at: int
    """Epoch milliseconds."""
    subscriber: int
    """In the log of forwarded messages."""
    consumed_at: int | None = None
    """When a message was accepted last before the node started, in epoch milliseconds."""

    @property
    def is_default(self) -> bool:
        """Whether it is the group that every instance has."""
        return self.group_id == DEFAULT_GROUP_ID

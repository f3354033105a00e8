"""What a device group is, and how many there may be of what."""

from typing import Final

import msgspec

STATIC: Final = "LINK_PLATFORM"
"""GroupType of groups whose devices are chosen one by one."""
DYNAMIC: Final = "LINK_PLATFORM_DYNAMIC"
"""GroupType of groups whose devices are found by an expression. They are not offered: none exists."""


class GroupLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many there may be of what (guide: limits, and the error codes of device groups)."""

    groups: int = 1000
    """Groups of an instance."""
    levels: int = 3
    """Levels of a tree: groups, subgroups and their subgroups."""
    subgroups: int = 100
    """Direct subgroups of a group."""
    devices: int = 100_000
    """Devices of a group."""
    groups_per_device: int = 10
    tags: int = 100
    """Tags of a group."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A device group as it is now."""

    id: int
    instance_id: int
    group_id: str
    """GroupId: 16 letters and digits."""
    parent_id: int | None
    """Key of the parent group; None for a group of the first level."""
    level: int
    """1 for a group without a parent."""
    name: str
    """4 to 30 letters, digits, underscores (letters outside ASCII count as two), unique within the instance."""
    description: str | None
    created_at: int
    """Epoch milliseconds."""

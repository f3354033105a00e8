"""Tables of device groups, the devices in them and their tags. Times are epoch milliseconds."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, SmallInteger, String, Table, UniqueConstraint

from thingplane.storage.database import BOOKKEEPING, BigId, metadata

device_groups = Table(
    "device_groups",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("instance_id", BigInteger, nullable=False),
    Column("group_id", String(32), nullable=False, unique=True),
    Column("parent_id", BigInteger, ForeignKey("device_groups.id")),
    # 1 for a group without a parent; a group never moves.
    Column("level", SmallInteger, nullable=False),
    Column("name", String(30), nullable=False),
    Column("description", String(100)),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("instance_id", "name"),
    Index(None, "instance_id", "id"),
    Index(None, "parent_id", "id"),
    # Lists are ordered by id, so an id must not come back after its group is deleted.
    sqlite_autoincrement=True,
)

device_group_members = Table(
    "device_group_members",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    # The database itself takes memberships away with the group or the device: also one that is being added in another
    # transaction while the device is deleted.
    Column("group_id", BigInteger, ForeignKey("device_groups.id", ondelete="CASCADE"), nullable=False),
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    UniqueConstraint("device_id", "group_id"),
    # Pages of a group's devices, and all its devices, without a look at the table.
    Index(None, "group_id", "id", "device_id"),
    sqlite_autoincrement=True,
)

device_group_tags = Table(
    "device_group_tags",
    metadata,
    Column("group_id", BigInteger, ForeignKey("device_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_key", String(30), primary_key=True),
    Column("tag_value", String(128), nullable=False),
    Index(None, "tag_key", "tag_value"),
)

device_group_locks = Table(
    "device_group_locks",
    metadata,
    Column("instance_id", BigInteger, primary_key=True, autoincrement=False),
    info=BOOKKEEPING,
)
"""One row per instance with groups, locked by whoever changes them."""

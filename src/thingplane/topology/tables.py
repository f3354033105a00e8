"""Tables of topological relationships."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from thingplane.storage.database import BOOKKEEPING, BigId, metadata

topology_relations = Table(
    "topology_relations",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    # The database itself takes relationships away with either device: also one that is being added in another
    # transaction while the device is deleted.
    Column("gateway_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    # A sub-device belongs to one gateway.
    Column("sub_device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False, unique=True),
    Index(None, "gateway_id", "id", "sub_device_id"),
    # Lists are ordered by id, so an id must not come back.
    sqlite_autoincrement=True,
)

topology_locks = Table(
    "topology_locks",
    metadata,
    Column("instance_id", BigInteger, primary_key=True, autoincrement=False),
    info=BOOKKEEPING,
)
"""One row per instance with relationships, locked by whoever changes them."""

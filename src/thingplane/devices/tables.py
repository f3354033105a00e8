"""Tables of devices."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, SmallInteger, String, Table, UniqueConstraint

from thingplane.storage.database import BigId, metadata

devices = Table(
    "devices",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("iot_id", String(64), nullable=False, unique=True),
    Column("instance_id", BigInteger, nullable=False),
    Column("product_id", BigInteger, ForeignKey("products.id"), nullable=False),
    Column("product_key", String(20), nullable=False),
    Column("name", String(32), nullable=False),
    Column("secret", String(64), nullable=False),
    Column("nickname", String(64)),
    Column("node_type", SmallInteger, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("switched_at", BigInteger),
    Column("activated_at", BigInteger),
    Column("online_at", BigInteger),
    Column("offline_at", BigInteger),
    Column("ip", String(64)),
    UniqueConstraint("product_key", "name"),
    # Pages of a product's devices go from the newest to the oldest.
    Index(None, "product_id", "id"),
    # Ids of deleted devices are not given again: the history of a device is kept under its id.
    sqlite_autoincrement=True,
)
"""One row per device. ``product_key`` repeats the product's, so that a connecting device is found by one index."""

"""Table of topic categories."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, String, Table, UniqueConstraint

from thingplane.storage.database import BigId, metadata

topic_categories = Table(
    "topic_categories",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("product_id", BigInteger, ForeignKey("products.id"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("operation", String(3), nullable=False),
    Column("description", String(100)),
    Column("codec", String(128)),
    Column("enable_proxy_subscribe", Boolean),
    UniqueConstraint("product_id", "name"),
    # A caller may still hold the id of a deleted category; it must not come to mean another one.
    sqlite_autoincrement=True,
)
"""``name`` is what follows ``/{productKey}/${deviceName}/``, with ``user/`` in front; ``operation`` PUB, SUB or ALL."""

topic_routes = Table(
    "topic_routes",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("source", String(128), nullable=False),
    Column("destination", String(128), nullable=False, index=True),
    # The database itself takes routes away with either device.
    Column("source_device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False, index=True),
    UniqueConstraint("source", "destination"),
    # Lists are ordered by id, so an id must not come back.
    sqlite_autoincrement=True,
)
"""Messages on the topic ``source`` also go to the topic ``destination``, which is one of the device ``device_id``."""

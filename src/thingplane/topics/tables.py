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

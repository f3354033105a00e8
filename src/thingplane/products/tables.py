"""Tables of products and their tags. Times are epoch milliseconds."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint, text

from thingplane.storage.database import BigId, metadata

products = Table(
    "products",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("instance_id", BigInteger, nullable=False),
    Column("product_key", String(20), nullable=False),
    Column("product_secret", String(64), nullable=False),
    Column("name", String(30), nullable=False),
    Column("description", String(100)),
    Column("node_type", Integer, nullable=False),
    Column("data_format", Integer),
    Column("senior", Boolean, nullable=False),
    Column("auth_type", String(16), nullable=False),
    Column("id2", Boolean, nullable=False),
    Column("protocol_type", String(16)),
    Column("net_type", String(16), nullable=False),
    Column("validate_type", Integer, nullable=False),
    Column("publish_auto", Boolean, nullable=False),
    Column("category_key", String(64)),
    Column("category_name", String(128)),
    Column("resource_group_id", String(64)),
    Column("status", String(20), nullable=False),
    Column("dynamic_register", Boolean, nullable=False),
    Column("filter_by_timestamp", Boolean, nullable=False),
    Column("filter_by_value", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # The product that this one is a copy of, made by distributing it to another instance.
    Column("source_id", BigInteger, ForeignKey("products.id"), index=True),
    UniqueConstraint("instance_id", "name"),
    UniqueConstraint("product_key", "instance_id"),
    # Ids of deleted products are not given again: other slices and nodes may still hold them in caches.
    sqlite_autoincrement=True,
)
Index("ix_products_newest", products.c.instance_id, products.c.created_at, products.c.id)
_original = text("source_id IS NULL")
# A ProductKey belongs to one product, which other instances can only have copies of.
Index("ix_products_original", products.c.product_key, unique=True, sqlite_where=_original, postgresql_where=_original)

product_tags = Table(
    "product_tags",
    metadata,
    Column("product_id", BigInteger, ForeignKey("products.id"), primary_key=True),
    Column("tag_key", String(30), primary_key=True),
    Column("tag_value", String(128), nullable=False),
    Index("ix_product_tags_key_value", "tag_key", "tag_value"),
)

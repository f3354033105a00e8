"""Tables of thing models: one draft per product, and its published versions."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, Text, UniqueConstraint

from thingplane.storage.database import BigId, metadata

thing_models = Table(
    "thing_models",
    metadata,
    Column("product_id", BigInteger, ForeignKey("products.id"), primary_key=True, autoincrement=False),
    # JSON array of modules (things.model.types.ThingModel), the default module first.
    Column("draft", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
"""A row exists for every product with a thing model; who edits it locks the product first."""

thing_model_versions = Table(
    "thing_model_versions",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("product_id", BigInteger, ForeignKey("products.id"), nullable=False),
    Column("version", String(16), nullable=False),
    Column("description", String(100)),
    Column("modules", Text, nullable=False),
    Column("published_at", BigInteger, nullable=False),
    UniqueConstraint("product_id", "version"),
    # The order of ids is the order of publication: an id must not come back when the newest version is deleted.
    sqlite_autoincrement=True,
)
Index("ix_thing_model_versions_newest", thing_model_versions.c.product_id, thing_model_versions.c.id)

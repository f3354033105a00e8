"""Tables of rules, their actions, and the data sources of the newer pipeline. Times are epoch milliseconds."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from thingplane.storage.database import BigId, metadata

rules = Table(
    "rules",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("instance_id", BigInteger, nullable=False),
    Column("name", String(30), nullable=False),
    Column("description", String(100)),
    Column("data_type", String(6), nullable=False),
    # Where messages come from, and the two clauses; a rule may be without any of them, but cannot run then.
    Column("product_key", String(64)),
    # Not a reference: a rule outlives its product, stopped.
    Column("product_id", BigInteger, index=True),
    Column("short_topic", String(512)),
    Column("topic_type", SmallInteger),
    Column("select_clause", Text),
    Column("where_clause", Text, nullable=False),
    Column("running", Boolean, nullable=False),
    # Id of the account that made it.
    Column("user_id", String(64), nullable=False),
    Column("resource_group_id", String(64)),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    UniqueConstraint("instance_id", "name"),
    Index(None, "instance_id", "id"),
    # Applications hold ids, and the log of forwarded messages knows rules by them.
    sqlite_autoincrement=True,
)

rule_actions = Table(
    "rule_actions",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("rule_id", BigInteger, ForeignKey("rules.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("type", String(16), nullable=False),
    # JSON object, as it was given.
    Column("configuration", Text, nullable=False),
    # Whether it takes what other actions could not deliver.
    Column("for_errors", Boolean, nullable=False),
    sqlite_autoincrement=True,
)

rule_data_source_items = Table(
    "rule_data_source_items",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("instance_id", BigInteger, nullable=False),
    Column("data_source_id", BigInteger, nullable=False),
    Column("topic", String(512), nullable=False),
    Column("scope_type", String(16)),
    Column("product_key", String(64)),
    Column("device_name", String(64)),
    Index(None, "instance_id", "data_source_id", "id"),
    sqlite_autoincrement=True,
)
"""Topics of data sources; a data source is there once it has an item."""

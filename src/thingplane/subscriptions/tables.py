"""Tables of consumer groups and of the subscriptions of products. Times are epoch milliseconds."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from thingplane.storage.database import BigId, metadata

consumer_groups = Table(
    "consumer_groups",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    # NULL: the default group, which goes with the instance and does not keep it from being deleted.
    Column("instance_id", BigInteger),
    # The instance whose default group it is; NULL for all others.
    Column("default_of", BigInteger, unique=True),
    Column("group_id", String(32), nullable=False),
    Column("name", String(30), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # In the log of forwarded messages; NULL for a moment after the group was made.
    Column("subscriber_id", BigInteger),
    # When a client of it accepted a message last, some seconds late.
    Column("consumed_at", BigInteger),
    UniqueConstraint("instance_id", "group_id"),
    UniqueConstraint("instance_id", "name"),
    # Ids of deleted groups are not given again: connections may still hold them.
    sqlite_autoincrement=True,
)

product_subscriptions = Table(
    "product_subscriptions",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    # The database itself takes subscriptions away with the product.
    Column("product_id", BigInteger, ForeignKey("products.id", ondelete="CASCADE"), nullable=False),
    # AMQP or MNS.
    Column("type", String(8), nullable=False),
    # Bits of thingplane.subscriptions.subscription.Flags.
    Column("flags", Integer, nullable=False),
    # As given: JSON text that is kept and shown.
    Column("subscribe_flags", Text),
    Column("mns_configuration", Text),
    # Of an MNS subscription in the log of forwarded messages; NULL for AMQP and for a moment after it was made.
    Column("subscriber_id", BigInteger),
    UniqueConstraint("product_id", "type"),
    sqlite_autoincrement=True,
)

product_subscription_groups = Table(
    "product_subscription_groups",
    metadata,
    Column("subscription_id", BigInteger, ForeignKey("product_subscriptions.id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", BigInteger, ForeignKey("consumer_groups.id"), primary_key=True, index=True),
)

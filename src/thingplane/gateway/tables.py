"""Tables of the sessions that outlive their connections."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Table, Text, false

from thingplane.storage.database import metadata

sessions = Table(
    "gateway_sessions",
    metadata,
    Column("device_id", BigInteger, primary_key=True, autoincrement=False),
    Column("client_id", Text, nullable=False),
    Column("expiry_interval", BigInteger, nullable=False),  # seconds
    Column("expires_at", BigInteger, index=True),  # milliseconds; NULL while connected
)

subscriptions = Table(
    "gateway_subscriptions",
    metadata,
    Column("device_id", BigInteger, primary_key=True, autoincrement=False),
    Column("topic_filter", Text, primary_key=True),
    Column("muted", Boolean, nullable=False),  # a system topic that the device unsubscribed
    Column("qos", Integer, nullable=False),
    Column("no_local", Boolean, nullable=False),
    Column("retain_as_published", Boolean, nullable=False),
    Column("retain_handling", Integer, nullable=False),
)

messages = Table(
    "gateway_messages",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # grows with the order of sending
    Column("device_id", BigInteger, nullable=False, index=True),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("properties", Text),  # JSON
    Column("retain", Boolean, nullable=False, server_default=false()),
    Column("expires_at", BigInteger, nullable=False, index=True),  # milliseconds
)

"""Tables of the subscribers of forwarded messages. The messages themselves are beside the history."""

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, UniqueConstraint

from thingplane.storage.database import BigId, metadata

forwarding_subscribers = Table(
    "forwarding_subscribers",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("reference", String(191), nullable=False),
    UniqueConstraint("kind", "reference"),
    # The log names subscribers by id: none may ever be given to somebody else.
    sqlite_autoincrement=True,
)

forwarding_waiting = Table(
    "forwarding_waiting",
    metadata,
    Column("subscriber_id", BigInteger, primary_key=True, autoincrement=False),
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("bits", LargeBinary, nullable=False),
)
"""Messages that subscribers have not acknowledged: a bit each, little-endian, 1024 positions in a block."""

forwarding_progress = Table(
    "forwarding_progress",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
)
"""One row: up to this position of the log ``forwarding_waiting`` knows who waits for what."""

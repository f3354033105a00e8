"""Tables of remote configuration. Times are epoch milliseconds."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from thingplane.storage.database import BigId, metadata

product_configurations = Table(
    "product_configurations",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("config_id", String(32), nullable=False, unique=True),
    Column("product_id", BigInteger, ForeignKey("products.id", ondelete="CASCADE"), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "product_id", "id"),
    sqlite_autoincrement=True,
)
"""Versions, the newest of which is in force."""

configuration_switches = Table(
    "configuration_switches",
    metadata,
    Column(
        "product_id", BigInteger, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("enabled", Boolean, nullable=False),
)
"""Products whose remote configuration was turned off or on; one without a row has it on."""

configuration_pushes = Table(
    "configuration_pushes",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("product_id", BigInteger, ForeignKey("products.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("requested_at", BigInteger, nullable=False),
    # Null while no node has taken it up.
    Column("done_at", BigInteger),
    # Devices that were online and got it.
    Column("sent", Integer),
    sqlite_autoincrement=True,
)
"""What the command line asks a running node to push."""

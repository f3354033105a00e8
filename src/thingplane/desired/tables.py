"""Table of desired values."""

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, Text

from thingplane.storage.database import metadata

desired_properties = Table(
    "desired_properties",
    metadata,
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    # module:identifier for those of custom modules.
    Column("identifier", String(128), primary_key=True),
    # How often it was set or cleared by applications. Stays when the value goes, so that a version never comes back.
    Column("version", BigInteger, nullable=False),
    # JSON text; null when nothing is desired any more.
    Column("value", Text),
    # Epoch milliseconds of the last change.
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""One row per property whose desired value was ever set."""

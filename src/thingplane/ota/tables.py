"""Tables of OTA. Times are epoch milliseconds."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table

from thingplane.storage.database import metadata

ota_module_versions = Table(
    "ota_module_versions",
    metadata,
    # The database itself takes the versions away with the device.
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("module", String(64), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("reported_at", BigInteger, nullable=False),
    # Searches for devices by module and version.
    Index(None, "module", "version", "device_id"),
    Index(None, "version", "device_id"),
    sqlite_with_rowid=False,
)
"""What devices have reported last: one row per device and module."""

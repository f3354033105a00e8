"""Tables of device logs. Times are epoch milliseconds."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String, Table, Text

from thingplane.storage.database import BigId, metadata

device_logs = Table(
    "device_logs",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("source", String(8), nullable=False),
    # When it came; what the device says of the time is text of its own.
    Column("received_at", BigInteger, nullable=False, index=True),
    Column("time", String(256), nullable=False),
    Column("level", String(8), nullable=False),
    Column("module", String(256), nullable=False),
    Column("code", String(256), nullable=False),
    Column("trace", String(256), nullable=False),
    Column("content", Text, nullable=False),
    Index(None, "device_id", "id"),
    sqlite_autoincrement=True,
)
"""The newest entries of each device."""

device_log_switches = Table(
    "device_log_switches",
    metadata,
    Column(
        "device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("enabled", Boolean, nullable=False),
    # Whether the device was told, or was offline when it was to be told: then it asks when it connects.
    Column("announced", Boolean, nullable=False, index=True),
)
"""Devices that were asked to post their logs, or to stop that."""

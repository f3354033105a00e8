"""Table of device shadows."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text, text

from thingplane.storage.database import metadata

device_shadows = Table(
    "device_shadows",
    metadata,
    Column(
        "device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("version", BigInteger, nullable=False),
    # Epoch milliseconds of the last change.
    Column("updated_at", BigInteger, nullable=False),
    # Whether an application wants something that the device has not shown to know of.
    Column("undelivered", Boolean, nullable=False),
    # JSON object: desired, reported, and the times of both.
    Column("document", Text, nullable=False),
)
"""One row per device whose shadow was ever written."""

Index(
    None,
    device_shadows.c.device_id,
    device_shadows.c.undelivered,
    sqlite_where=text("undelivered = 1"),
    postgresql_where=text("undelivered"),
)

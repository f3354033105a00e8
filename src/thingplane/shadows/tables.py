"""Table of device shadows."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text

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

undelivered = device_shadows.c.undelivered
Index(None, device_shadows.c.device_id, undelivered, sqlite_where=undelivered, postgresql_where=undelivered)

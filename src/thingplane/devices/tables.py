"""Tables of devices, their tags and client ids, and applications for many devices. Times are epoch milliseconds."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from thingplane.storage.database import BigId, metadata

UNACTIVE: Final = 0
ONLINE: Final = 1
OFFLINE: Final = 3
DISABLE: Final = 8

_STATUS: Final = (
    f"CASE WHEN NOT enabled THEN {DISABLE} WHEN activated_at IS NULL THEN {UNACTIVE} "
    f"WHEN online THEN {ONLINE} ELSE {OFFLINE} END"
)

devices = Table(
    "devices",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("iot_id", String(64), nullable=False, unique=True),
    Column("instance_id", BigInteger, nullable=False),
    Column("product_id", BigInteger, ForeignKey("products.id"), nullable=False),
    Column("product_key", String(20), nullable=False),
    Column("name", String(32), nullable=False),
    Column("secret", String(64), nullable=False),
    Column("nickname", String(64)),
    Column("node_type", SmallInteger, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("switched_at", BigInteger),
    Column("activated_at", BigInteger),
    Column("online_at", BigInteger),
    Column("offline_at", BigInteger),
    Column("ip", String(64)),
    # What it is in memory, half a second later at most.
    Column("online", Boolean, nullable=False, server_default=false()),
    # True once physical devices have registered themselves under its name (and got client ids).
    Column("self_registered", Boolean),
    # The application that made it together with others; not a foreign key, since applications are not kept for ever.
    Column("application_id", BigInteger),
    Column("status", SmallInteger, Computed(_STATUS, persisted=True)),
    UniqueConstraint("product_key", "name"),
    # Pages of a product's devices go from the newest to the oldest.
    Index(None, "product_id", "id"),
    # Devices by status: of an instance, of a product, and how many.
    Index(None, "instance_id", "status", "product_id", "id"),
    # Ids of deleted devices are not given again: the history of a device is kept under its id.
    sqlite_autoincrement=True,
)
"""One row per device. ``product_key`` repeats the product's, so that a connecting device is found by one index."""

made_together = devices.c.application_id.is_not(None)
Index(None, devices.c.application_id, devices.c.id, sqlite_where=made_together, postgresql_where=made_together)

device_tags = Table(
    "device_tags",
    metadata,
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("value", String(128), nullable=False),
    # Repeats the device's, so that devices are found by their tags in one index.
    Column("instance_id", BigInteger, nullable=False),
    Index(None, "instance_id", "key", "value", "device_id"),
    sqlite_with_rowid=False,
)

device_announcements = Table(
    "device_announcements",
    metadata,
    Column(
        "device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    sqlite_with_rowid=False,
)
"""Devices that an import has brought and that nobody has been told of yet."""

device_sdk_information = Table(
    "device_sdk_information",
    metadata,
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("value", String(128), nullable=False),
    sqlite_with_rowid=False,
)
"""What SDKs tell of themselves."""

device_client_ids = Table(
    "device_client_ids",
    metadata,
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("client_id", String(64), primary_key=True),
    Column("token", String(128), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""What physical devices that registered themselves under one DeviceName connect with."""

device_tokens = Table(
    "device_tokens",
    metadata,
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("purpose", String(8), primary_key=True),
    Column("issued_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""When the token of a device was issued that counts; earlier ones don't. The tokens themselves are not kept."""

device_authorities = Table(
    "device_authorities",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("instance_id", BigInteger, nullable=False),
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("certificate", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Ids of deleted authorities are not given again: nodes may still hold them in memory.
    sqlite_autoincrement=True,
)
"""Certificate authorities of devices: PEM, and the SHA-256 of what it encodes."""

device_certificates = Table(
    "device_certificates",
    metadata,
    Column("authority_id", BigInteger, ForeignKey("device_authorities.id", ondelete="CASCADE"), primary_key=True),
    # Hexadecimal, upper case, without leading zeros.
    Column("serial", String(64), primary_key=True),
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Which certificate is whose."""

device_applications = Table(
    "device_applications",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("instance_id", BigInteger, nullable=False),
    Column("product_id", BigInteger, ForeignKey("products.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("product_key", String(20), nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("total", Integer, nullable=False),
    # JSON list of [name, nickname]; null when the platform chooses the names, and once the devices are made.
    Column("entries", Text),
    # JSON list of [name, nickname, reason] of the devices that cannot be made.
    Column("failures", Text),
    Column("created_at", BigInteger, nullable=False),
    # An ApplyId that a caller remembers must not come to mean another application.
    sqlite_autoincrement=True,
)
"""Applications for many devices at once, and how far they are."""

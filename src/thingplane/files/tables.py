"""Tables of files. Times are epoch milliseconds, sizes bytes."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, LargeBinary, String, Table, UniqueConstraint

from thingplane.storage.database import BOOKKEEPING, BigId, metadata

device_files = Table(
    "device_files",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("file_id", String(32), nullable=False, unique=True),
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("blob", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("device_id", "name"),
    # Lists go from the newest to the oldest, so an id must not come back.
    Index(None, "device_id", "id"),
    sqlite_autoincrement=True,
)

file_usage = Table(
    "file_usage",
    metadata,
    Column("instance_id", BigInteger, primary_key=True, autoincrement=False),
    Column("bytes", BigInteger, nullable=False),
    info=BOOKKEEPING,
)
"""How much room the files of an instance take; locked by whoever adds or removes some."""

discarded_blobs = Table(
    "discarded_blobs",
    metadata,
    Column("blob", String(64), primary_key=True),
    Column("due_at", BigInteger, nullable=False, index=True),
)
"""Blobs that no file has, or none has yet: from ``due_at`` on they may be deleted."""

download_secrets = Table(
    "download_secrets",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
)
"""One row: the key with which all nodes sign download URLs."""

file_uploads = Table(
    "file_uploads",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("upload_id", String(32), nullable=False, unique=True),
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(100), nullable=False),
    # Bytes that were announced; null when the device does not know.
    Column("size", BigInteger),
    Column("overwrite", Boolean, nullable=False),
    # CRC-64 of the whole file as the device gave it.
    Column("checksum", String(16)),
    Column("init_uid", String(64)),
    Column("received", BigInteger, nullable=False),
    # A finished upload is remembered, so that what comes late can be told from what was never begun.
    Column("finished", Boolean, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    sqlite_autoincrement=True,
)
"""Files that come in blocks over MQTT, and how far they are."""

file_upload_blocks = Table(
    "file_upload_blocks",
    metadata,
    Column("upload", BigInteger, ForeignKey("file_uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""Blocks of unfinished uploads. In the database, so that block and progress are durable in one transaction, and so that
the next block may reach another node."""

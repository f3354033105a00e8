"""Tables of OTA. Times are epoch milliseconds, sizes bytes."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from thingplane.storage.database import BigId, metadata

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

ota_modules = Table(
    "ota_modules",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("product_id", BigInteger, ForeignKey("products.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(64), nullable=False),
    # In lower case: names are unique whatever their case.
    Column("name_key", String(64), nullable=False),
    Column("alias", String(64)),
    Column("description", String(100)),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    UniqueConstraint("product_id", "name_key"),
    sqlite_autoincrement=True,
)
"""Custom modules; the built-in module ``default`` has no row."""

ota_uploads = Table(
    "ota_uploads",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("instance_id", BigInteger, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    # Null until the content is there.
    Column("blob", String(64)),
    Column("size", BigInteger),
    Column("md5", String(32)),
    Column("sha256", String(64)),
    sqlite_with_rowid=False,
)
"""Files on their way into a package or a batch; forgotten an hour after their URL was made."""

ota_packages = Table(
    "ota_packages",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("firmware_id", String(32), nullable=False, unique=True),
    Column("instance_id", BigInteger, nullable=False),
    # Null: for every product of the instance.
    Column("product_id", BigInteger, ForeignKey("products.id")),
    Column("name", String(40), nullable=False),
    Column("version", String(64), nullable=False),
    Column("src_version", String(64)),
    Column("module", String(64), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("sign_method", String(8), nullable=False),
    Column("description", String(100)),
    Column("udi", Text),
    Column("status", SmallInteger, nullable=False),
    # Whether it is one of several files, even if there is only one.
    Column("multi", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    UniqueConstraint("instance_id", "name"),
    Index(None, "instance_id", "id"),
    Index(None, "product_id", "id"),
    sqlite_autoincrement=True,
)

ota_package_files = Table(
    "ota_package_files",
    metadata,
    Column("package_id", BigInteger, ForeignKey("ota_packages.id", ondelete="CASCADE"), primary_key=True),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", String(128), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("blob", String(64), nullable=False, index=True),
    Column("md5", String(32), nullable=False),
    Column("sha256", String(64), nullable=False),
    sqlite_with_rowid=False,
)

ota_jobs = Table(
    "ota_jobs",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("job_id", String(32), nullable=False, unique=True),
    Column("instance_id", BigInteger, nullable=False),
    Column("product_id", BigInteger, ForeignKey("products.id"), nullable=False, index=True),
    Column("package_id", BigInteger, ForeignKey("ota_packages.id"), nullable=False),
    # Repeats the package's.
    Column("module", String(64), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("selection", String(8), nullable=False),
    Column("status", String(12), nullable=False, index=True),
    # Everything its creator decided, as JSON.
    Column("strategy", Text, nullable=False),
    # Names of devices as JSON, or the key of the upload that lists them.
    Column("targets", Text),
    # Tasks are being made: up to this device, or this entry of the list.
    Column("building", Boolean, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    # How many more tasks are made; null: as many as there are devices.
    Column("remaining", BigInteger),
    Column("schedule_at", BigInteger),
    Column("finish_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Index(None, "package_id", "id"),
    sqlite_autoincrement=True,
)
"""Batches."""

ota_job_counts = Table(
    "ota_job_counts",
    metadata,
    Column("job_id", BigInteger, ForeignKey("ota_jobs.id", ondelete="CASCADE"), primary_key=True),
    *(
        Column(name, BigInteger, nullable=False)
        for name in ("confirm", "queued", "notified", "in_progress", "succeeded", "failed", "canceled")
    ),
    sqlite_with_rowid=False,
)
"""How many tasks of a batch are in which state; changed in the transactions that change the tasks."""

ota_tasks = Table(
    "ota_tasks",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("job_id", BigInteger, ForeignKey("ota_jobs.id", ondelete="CASCADE"), nullable=False),
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("package_id", BigInteger, nullable=False),
    Column("module", String(64), nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("source", String(64)),
    Column("progress", SmallInteger, nullable=False),
    Column("reason", String(512), nullable=False),
    Column("retries", Integer, nullable=False),
    Column("retry_at", BigInteger),
    Column("deadline", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    # Lists of a batch's tasks, and the search for those to push.
    Index(None, "job_id", "state", "id"),
    Index(None, "job_id", "id"),
    Index(None, "device_id", "package_id", "job_id"),
    # A job whose TaskIds a caller remembers must not come to mean other tasks.
    sqlite_autoincrement=True,
)

unfinished = text("state <= 3")
# One unfinished task of a device and module, whoever makes tasks at the same time.
Index(
    "ix_ota_tasks_unfinished",
    ota_tasks.c.device_id,
    ota_tasks.c.module,
    unique=True,
    sqlite_where=unfinished,
    postgresql_where=unfinished,
)
limited = text("deadline IS NOT NULL")
Index("ix_ota_tasks_deadline", ota_tasks.c.deadline, sqlite_where=limited, postgresql_where=limited)
retried = text("retry_at IS NOT NULL")
Index("ix_ota_tasks_retry_at", ota_tasks.c.retry_at, sqlite_where=retried, postgresql_where=retried)

ota_leases = Table(
    "ota_leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
"""Who does what only one node may do, and until when."""

ota_outbox = Table(
    "ota_outbox",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    # Whom it is from, as JSON.
    Column("source", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("generated", BigInteger, nullable=False),
)
"""Messages for subscribers that the log of forwarded messages may not have yet."""

ota_upload_secrets = Table(
    "ota_upload_secrets",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("secret", String(64), nullable=False),
)
"""One row: the key with which all nodes sign upload policies."""

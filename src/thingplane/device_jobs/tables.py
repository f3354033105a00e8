"""Tables of device jobs. Times are epoch milliseconds."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from thingplane.storage.database import BigId, metadata

device_jobs = Table(
    "device_jobs",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("job_id", String(32), nullable=False, unique=True),
    Column("product_id", BigInteger, ForeignKey("products.id", ondelete="CASCADE"), nullable=False, index=True),
    # JSON text of an object.
    Column("document", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

device_tasks = Table(
    "device_tasks",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("task_id", String(32), nullable=False, unique=True),
    Column("job", BigInteger, ForeignKey("device_jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("status", String(12), nullable=False),
    Column("progress", Integer),
    # JSON text of an object.
    Column("details", Text),
    Column("changed_at", BigInteger, nullable=False, index=True),
    # Whether the device has to be told of its status.
    Column("untold", Boolean, nullable=False, index=True),
    Index(None, "device_id", "id"),
    sqlite_autoincrement=True,
)

"""Tables of distribution tasks, and of the devices that were distributed. Times are epoch milliseconds.

Tasks name instances by their IotInstanceIds, so that a task that is done keeps no instance from being deleted.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, SmallInteger, String, Table, Text

from thingplane.storage.database import BigId, metadata

distribution_jobs = Table(
    "distribution_jobs",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("job_id", String(32), nullable=False, unique=True),
    # product, or device.
    Column("kind", String(8), nullable=False),
    Column("product_key", String(20), nullable=False),
    Column("source", String(64), nullable=False),
    Column("target", String(64), nullable=False),
    Column("strategy", SmallInteger, nullable=False),
    Column("status", SmallInteger, nullable=False, index=True),
    # Devices; 0 for a product.
    Column("total", Integer, nullable=False),
    # JSON list of the DeviceNames; null once the task has finished.
    Column("names", Text),
    # The result file, once the task has finished.
    Column("blob", String(64)),
    Column("created_at", BigInteger, nullable=False),
    # The place in a list, which a NextToken remembers, must not come to mean another task.
    sqlite_autoincrement=True,
)

distribution_results = Table(
    "distribution_results",
    metadata,
    Column("job", BigInteger, ForeignKey("distribution_jobs.id", ondelete="CASCADE"), primary_key=True),
    # In the task's list of names.
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("code", String(64), nullable=False),
    Column("message", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What became of devices, written with the step that did it; until it is in the result file."""

distributed_devices = Table(
    "distributed_devices",
    metadata,
    Column(
        "device_id", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    # Key of the instance that it came from last.
    Column("source_instance", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Index(None, "modified_at", "device_id"),
)
"""Devices that are not in the instance of the original of their product."""

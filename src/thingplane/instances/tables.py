"""Table of instances. Tables with rows of one instance name its key ``instance_id``."""

from sqlalchemy import BigInteger, Column, String, Table

from thingplane.storage import revisions
from thingplane.storage.database import BigId, metadata

__all__ = ["instances", "revisions"]

instances = Table(
    "instances",
    metadata,
    # Number of the instance less 1: number 1 is the default instance, which has no row.
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("description", String(100), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Numbers of deleted instances are not given again: other nodes may still hold them in memory.
    sqlite_autoincrement=True,
)

"""Tables that belong to no slice."""

from sqlalchemy import BigInteger, Column, String, Table

from thingplane.storage.database import metadata

revisions = Table(
    "revisions",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
"""Counters that tell a node that another process changed what it keeps in memory."""

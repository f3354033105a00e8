"""Tables of sub-users, access keys and attached policies. Times are epoch milliseconds.

Secrets are stored as they are: checking an HMAC signature needs them.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, String, Table, Text, UniqueConstraint

from thingplane.storage import revisions
from thingplane.storage.database import BigId, metadata

__all__ = ["access_keys", "access_policies", "access_users", "revisions"]

access_users = Table(
    "access_users",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("access_key_id", String(128), primary_key=True),
    Column("secret", String(256), nullable=False),
    Column("enabled", Boolean, nullable=False),
    # NULL: a key of the account itself.
    Column("user_id", BigInteger, ForeignKey("access_users.id"), index=True),
    Column("created_at", BigInteger, nullable=False),
)

access_policies = Table(
    "access_policies",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("user_id", BigInteger, ForeignKey("access_users.id"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("user_id", "name"),
)

"""Forwarding access and ota."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "forwarding_progress",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forwarding_progress")),
    )
    op.create_table(
        "forwarding_subscribers",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=191), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forwarding_subscribers")),
        sa.UniqueConstraint("kind", "reference", name=op.f("uq_forwarding_subscribers_kind_reference")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "forwarding_waiting",
        sa.Column("subscriber_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subscriber_id", "block", name=op.f("pk_forwarding_waiting")),
    )
    op.create_table(
        "device_sdk_information",
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_sdk_information_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", "key", name=op.f("pk_device_sdk_information")),
        sqlite_with_rowid=False,
    )

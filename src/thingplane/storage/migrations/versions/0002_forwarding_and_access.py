"""Forwarding, rules, and more ways for devices to reach the platform."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "consumer_groups",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=True),
        sa.Column("default_of", sa.BigInteger(), nullable=True),
        sa.Column("group_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=True),
        sa.Column("consumed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consumer_groups")),
        sa.UniqueConstraint("default_of", name=op.f("uq_consumer_groups_default_of")),
        sa.UniqueConstraint("instance_id", "group_id", name=op.f("uq_consumer_groups_instance_id_group_id")),
        sa.UniqueConstraint("instance_id", "name", name=op.f("uq_consumer_groups_instance_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "device_authorities",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_authorities")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_device_authorities_fingerprint")),
        sqlite_autoincrement=True,
    )

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
        "rule_data_source_items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("data_source_id", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.String(length=512), nullable=False),
        sa.Column("scope_type", sa.String(length=16), nullable=True),
        sa.Column("product_key", sa.String(length=64), nullable=True),
        sa.Column("device_name", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_data_source_items")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("rule_data_source_items", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_rule_data_source_items_instance_id_data_source_id_id"),
            ["instance_id", "data_source_id", "id"],
            unique=False,
        )

    op.create_table(
        "rules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("description", sa.String(length=100), nullable=True),
        sa.Column("data_type", sa.String(length=6), nullable=False),
        sa.Column("product_key", sa.String(length=64), nullable=True),
        sa.Column("product_id", sa.BigInteger(), nullable=True),
        sa.Column("short_topic", sa.String(length=512), nullable=True),
        sa.Column("topic_type", sa.SmallInteger(), nullable=True),
        sa.Column("select_clause", sa.Text(), nullable=True),
        sa.Column("where_clause", sa.Text(), nullable=False),
        sa.Column("running", sa.Boolean(), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("resource_group_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
        sa.UniqueConstraint("instance_id", "name", name=op.f("uq_rules_instance_id_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("rules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rules_instance_id_id"), ["instance_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_rules_product_id"), ["product_id"], unique=False)

    op.create_table(
        "product_subscriptions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=8), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("subscribe_flags", sa.Text(), nullable=True),
        sa.Column("mns_configuration", sa.Text(), nullable=True),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_product_subscriptions_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_subscriptions")),
        sa.UniqueConstraint("product_id", "type", name=op.f("uq_product_subscriptions_product_id_type")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rule_actions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("configuration", sa.Text(), nullable=False),
        sa.Column("for_errors", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"], name=op.f("fk_rule_actions_rule_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_actions")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("rule_actions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rule_actions_rule_id"), ["rule_id"], unique=False)

    op.create_table(
        "device_announcements",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_announcements_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_announcements")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "device_certificates",
        sa.Column("authority_id", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["authority_id"],
            ["device_authorities.id"],
            name=op.f("fk_device_certificates_authority_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_certificates_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("authority_id", "serial", name=op.f("pk_device_certificates")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("device_certificates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_certificates_device_id"), ["device_id"], unique=False)

    op.create_table(
        "device_log_switches",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_log_switches_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_log_switches")),
    )
    with op.batch_alter_table("device_log_switches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_log_switches_announced"), ["announced"], unique=False)

    op.create_table(
        "device_logs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.String(length=256), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("module", sa.String(length=256), nullable=False),
        sa.Column("code", sa.String(length=256), nullable=False),
        sa.Column("trace", sa.String(length=256), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_logs_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_logs")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("device_logs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_logs_device_id_id"), ["device_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_logs_received_at"), ["received_at"], unique=False)

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

    op.create_table(
        "device_tokens",
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(length=8), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_tokens_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", "purpose", name=op.f("pk_device_tokens")),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "file_uploads",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("upload_id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("overwrite", sa.Boolean(), nullable=False),
        sa.Column("checksum", sa.String(length=16), nullable=True),
        sa.Column("init_uid", sa.String(length=64), nullable=True),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_file_uploads_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_uploads")),
        sa.UniqueConstraint("upload_id", name=op.f("uq_file_uploads_upload_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("file_uploads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_file_uploads_device_id"), ["device_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_file_uploads_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "product_subscription_groups",
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["consumer_groups.id"], name=op.f("fk_product_subscription_groups_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["product_subscriptions.id"],
            name=op.f("fk_product_subscription_groups_subscription_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subscription_id", "group_id", name=op.f("pk_product_subscription_groups")),
    )
    with op.batch_alter_table("product_subscription_groups", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_product_subscription_groups_group_id"), ["group_id"], unique=False)

    op.create_table(
        "file_upload_blocks",
        sa.Column("upload", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload"], ["file_uploads.id"], name=op.f("fk_file_upload_blocks_upload"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload", "offset", name=op.f("pk_file_upload_blocks")),
    )

    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.add_column(sa.Column("self_registered", sa.Boolean(), nullable=True))

    with op.batch_alter_table("gateway_messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("retain", sa.Boolean(), server_default=sa.false(), nullable=False))

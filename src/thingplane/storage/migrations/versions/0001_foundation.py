"""Foundation."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "access_users",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_users")),
        sa.UniqueConstraint("name", name=op.f("uq_access_users_name")),
    )
    op.create_table(
        "device_group_locks",
        sa.Column("instance_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("pk_device_group_locks")),
    )
    op.create_table(
        "device_groups",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("group_id", sa.String(length=32), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("description", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["device_groups.id"], name=op.f("fk_device_groups_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_groups")),
        sa.UniqueConstraint("group_id", name=op.f("uq_device_groups_group_id")),
        sa.UniqueConstraint("instance_id", "name", name=op.f("uq_device_groups_instance_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_device_groups_instance_id_id"), "device_groups", ["instance_id", "id"], unique=False)
    op.create_index(op.f("ix_device_groups_parent_id_id"), "device_groups", ["parent_id", "id"], unique=False)
    op.create_table(
        "discarded_blobs",
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("blob", name=op.f("pk_discarded_blobs")),
    )
    op.create_index(op.f("ix_discarded_blobs_due_at"), "discarded_blobs", ["due_at"], unique=False)
    op.create_table(
        "download_secrets",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_download_secrets")),
    )
    op.create_table(
        "file_usage",
        sa.Column("instance_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("pk_file_usage")),
    )
    op.create_table(
        "gateway_messages",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("properties", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_messages")),
    )
    op.create_index(op.f("ix_gateway_messages_device_id"), "gateway_messages", ["device_id"], unique=False)
    op.create_index(op.f("ix_gateway_messages_expires_at"), "gateway_messages", ["expires_at"], unique=False)
    op.create_table(
        "gateway_sessions",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("expiry_interval", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_gateway_sessions")),
    )
    op.create_index(op.f("ix_gateway_sessions_expires_at"), "gateway_sessions", ["expires_at"], unique=False)
    op.create_table(
        "gateway_subscriptions",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("topic_filter", sa.Text(), nullable=False),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("qos", sa.Integer(), nullable=False),
        sa.Column("no_local", sa.Boolean(), nullable=False),
        sa.Column("retain_as_published", sa.Boolean(), nullable=False),
        sa.Column("retain_handling", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "topic_filter", name=op.f("pk_gateway_subscriptions")),
    )
    op.create_table(
        "instances",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instances")),
        sa.UniqueConstraint("name", name=op.f("uq_instances_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("product_key", sa.String(length=20), nullable=False),
        sa.Column("product_secret", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("description", sa.String(length=100), nullable=True),
        sa.Column("node_type", sa.Integer(), nullable=False),
        sa.Column("data_format", sa.Integer(), nullable=True),
        sa.Column("senior", sa.Boolean(), nullable=False),
        sa.Column("auth_type", sa.String(length=16), nullable=False),
        sa.Column("id2", sa.Boolean(), nullable=False),
        sa.Column("protocol_type", sa.String(length=16), nullable=True),
        sa.Column("net_type", sa.String(length=16), nullable=False),
        sa.Column("validate_type", sa.Integer(), nullable=False),
        sa.Column("publish_auto", sa.Boolean(), nullable=False),
        sa.Column("category_key", sa.String(length=64), nullable=True),
        sa.Column("category_name", sa.String(length=128), nullable=True),
        sa.Column("resource_group_id", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("dynamic_register", sa.Boolean(), nullable=False),
        sa.Column("filter_by_timestamp", sa.Boolean(), nullable=False),
        sa.Column("filter_by_value", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("instance_id", "name", name=op.f("uq_products_instance_id_name")),
        sa.UniqueConstraint("product_key", name=op.f("uq_products_product_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_products_newest", "products", ["instance_id", "created_at", "id"], unique=False)
    op.create_table(
        "revisions",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )
    op.create_table(
        "topology_locks",
        sa.Column("instance_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("pk_topology_locks")),
    )
    op.create_table(
        "access_keys",
        sa.Column("access_key_id", sa.String(length=128), nullable=False),
        sa.Column("secret", sa.String(length=256), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["access_users.id"], name=op.f("fk_access_keys_user_id")),
        sa.PrimaryKeyConstraint("access_key_id", name=op.f("pk_access_keys")),
    )
    op.create_index(op.f("ix_access_keys_user_id"), "access_keys", ["user_id"], unique=False)
    op.create_table(
        "access_policies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["access_users.id"], name=op.f("fk_access_policies_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_policies")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_access_policies_user_id_name")),
    )
    op.create_table(
        "device_applications",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("product_key", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Text(), nullable=True),
        sa.Column("failures", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_device_applications_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_applications")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_device_applications_product_id"), "device_applications", ["product_id"], unique=False)
    op.create_index(op.f("ix_device_applications_status"), "device_applications", ["status"], unique=False)
    op.create_table(
        "device_group_tags",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("tag_key", sa.String(length=30), nullable=False),
        sa.Column("tag_value", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["device_groups.id"], name=op.f("fk_device_group_tags_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "tag_key", name=op.f("pk_device_group_tags")),
    )
    op.create_index(
        op.f("ix_device_group_tags_tag_key_tag_value"), "device_group_tags", ["tag_key", "tag_value"], unique=False
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("iot_id", sa.String(length=64), nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("product_key", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("nickname", sa.String(length=64), nullable=True),
        sa.Column("node_type", sa.SmallInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("switched_at", sa.BigInteger(), nullable=True),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.Column("online_at", sa.BigInteger(), nullable=True),
        sa.Column("offline_at", sa.BigInteger(), nullable=True),
        sa.Column("ip", sa.String(length=64), nullable=True),
        sa.Column("online", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("application_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "status",
            sa.SmallInteger(),
            sa.Computed(
                "CASE WHEN NOT enabled THEN 8 WHEN activated_at IS NULL THEN 0 WHEN online THEN 1 ELSE 3 END",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_devices_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("iot_id", name=op.f("uq_devices_iot_id")),
        sa.UniqueConstraint("product_key", "name", name=op.f("uq_devices_product_key_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_devices_application_id_id"),
        "devices",
        ["application_id", "id"],
        unique=False,
        sqlite_where=sa.text("application_id IS NOT NULL"),
        postgresql_where=sa.text("application_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_devices_instance_id_created_at"), "devices", ["instance_id", "created_at"], unique=False)
    op.create_index(op.f("ix_devices_instance_id_modified_at"), "devices", ["instance_id", "modified_at"], unique=False)
    op.create_index(op.f("ix_devices_instance_id_name"), "devices", ["instance_id", "name"], unique=False)
    op.create_index(op.f("ix_devices_instance_id_nickname"), "devices", ["instance_id", "nickname"], unique=False)
    op.create_index(
        op.f("ix_devices_instance_id_status_product_id_id"),
        "devices",
        ["instance_id", "status", "product_id", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_devices_product_id_activated_at"), "devices", ["product_id", "activated_at"], unique=False)
    op.create_index(op.f("ix_devices_product_id_created_at"), "devices", ["product_id", "created_at"], unique=False)
    op.create_index(op.f("ix_devices_product_id_id"), "devices", ["product_id", "id"], unique=False)
    op.create_index(op.f("ix_devices_product_id_modified_at"), "devices", ["product_id", "modified_at"], unique=False)
    op.create_table(
        "product_tags",
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("tag_key", sa.String(length=30), nullable=False),
        sa.Column("tag_value", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_product_tags_product_id")),
        sa.PrimaryKeyConstraint("product_id", "tag_key", name=op.f("pk_product_tags")),
    )
    op.create_index("ix_product_tags_key_value", "product_tags", ["tag_key", "tag_value"], unique=False)
    op.create_table(
        "thing_model_versions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("description", sa.String(length=100), nullable=True),
        sa.Column("modules", sa.Text(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_thing_model_versions_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_thing_model_versions")),
        sa.UniqueConstraint("product_id", "version", name=op.f("uq_thing_model_versions_product_id_version")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_thing_model_versions_newest", "thing_model_versions", ["product_id", "id"], unique=False)
    op.create_table(
        "thing_models",
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("draft", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_thing_models_product_id")),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_thing_models")),
    )
    op.create_table(
        "thing_scripts",
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_thing_scripts_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_thing_scripts")),
    )
    op.create_table(
        "topic_categories",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("operation", sa.String(length=3), nullable=False),
        sa.Column("description", sa.String(length=100), nullable=True),
        sa.Column("codec", sa.String(length=128), nullable=True),
        sa.Column("enable_proxy_subscribe", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_topic_categories_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topic_categories")),
        sa.UniqueConstraint("product_id", "name", name=op.f("uq_topic_categories_product_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "desired_properties",
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("identifier", sa.String(length=128), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_desired_properties_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", "identifier", name=op.f("pk_desired_properties")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "device_client_ids",
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_client_ids_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", "client_id", name=op.f("pk_device_client_ids")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "device_files",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("file_id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_files_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_files")),
        sa.UniqueConstraint("device_id", "name", name=op.f("uq_device_files_device_id_name")),
        sa.UniqueConstraint("file_id", name=op.f("uq_device_files_file_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_device_files_device_id_id"), "device_files", ["device_id", "id"], unique=False)
    op.create_table(
        "device_group_members",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_group_members_device_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["device_groups.id"], name=op.f("fk_device_group_members_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_group_members")),
        sa.UniqueConstraint("device_id", "group_id", name=op.f("uq_device_group_members_device_id_group_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_device_group_members_group_id_id_device_id"),
        "device_group_members",
        ["group_id", "id", "device_id"],
        unique=False,
    )
    op.create_table(
        "device_shadows",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("undelivered", sa.Boolean(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_shadows_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_shadows")),
    )
    op.create_index(
        op.f("ix_device_shadows_device_id_undelivered"),
        "device_shadows",
        ["device_id", "undelivered"],
        unique=False,
        sqlite_where=sa.text("undelivered = 1"),
        postgresql_where=sa.text("undelivered"),
    )
    op.create_table(
        "device_tags",
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=128), nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_tags_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", "key", name=op.f("pk_device_tags")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_device_tags_instance_id_key_value_device_id"),
        "device_tags",
        ["instance_id", "key", "value", "device_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_device_tags_instance_id_value_device_id"),
        "device_tags",
        ["instance_id", "value", "device_id"],
        unique=False,
    )
    op.create_table(
        "ota_module_versions",
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("module", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_ota_module_versions_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", "module", name=op.f("pk_ota_module_versions")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_ota_module_versions_module_version_device_id"),
        "ota_module_versions",
        ["module", "version", "device_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ota_module_versions_version_device_id"), "ota_module_versions", ["version", "device_id"], unique=False
    )
    op.create_table(
        "topic_routes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("destination", sa.String(length=128), nullable=False),
        sa.Column("source_device_id", sa.BigInteger(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_topic_routes_device_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["source_device_id"], ["devices.id"], name=op.f("fk_topic_routes_source_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topic_routes")),
        sa.UniqueConstraint("source", "destination", name=op.f("uq_topic_routes_source_destination")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_topic_routes_destination"), "topic_routes", ["destination"], unique=False)
    op.create_index(op.f("ix_topic_routes_device_id"), "topic_routes", ["device_id"], unique=False)
    op.create_index(op.f("ix_topic_routes_source_device_id"), "topic_routes", ["source_device_id"], unique=False)
    op.create_table(
        "topology_relations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("gateway_id", sa.BigInteger(), nullable=False),
        sa.Column("sub_device_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gateway_id"], ["devices.id"], name=op.f("fk_topology_relations_gateway_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sub_device_id"], ["devices.id"], name=op.f("fk_topology_relations_sub_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topology_relations")),
        sa.UniqueConstraint("sub_device_id", name=op.f("uq_topology_relations_sub_device_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_topology_relations_gateway_id_id_sub_device_id"),
        "topology_relations",
        ["gateway_id", "id", "sub_device_id"],
        unique=False,
    )

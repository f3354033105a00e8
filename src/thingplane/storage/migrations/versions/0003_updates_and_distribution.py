"""Updates over the air, jobs, configurations, and distribution between instances."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "distribution_jobs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("product_key", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("strategy", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("names", sa.Text(), nullable=True),
        sa.Column("blob", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_distribution_jobs")),
        sa.UniqueConstraint("job_id", name=op.f("uq_distribution_jobs_job_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("distribution_jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_distribution_jobs_status"), ["status"], unique=False)
    op.create_table(
        "ota_leases",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ota_leases")),
    )
    op.create_table(
        "ota_outbox",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("generated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_ota_outbox")),
    )
    op.create_table(
        "ota_upload_secrets",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ota_upload_secrets")),
    )
    op.create_table(
        "ota_uploads",
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("md5", sa.String(length=32), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_ota_uploads")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("ota_uploads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ota_uploads_created_at"), ["created_at"], unique=False)

    op.create_table(
        "configuration_pushes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("sent", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_configuration_pushes_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_configuration_pushes")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("configuration_pushes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_configuration_pushes_product_id"), ["product_id"], unique=False)
    op.create_table(
        "configuration_switches",
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_configuration_switches_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_configuration_switches")),
    )

    op.create_table(
        "device_jobs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_device_jobs_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_jobs")),
        sa.UniqueConstraint("job_id", name=op.f("uq_device_jobs_job_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("device_jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_jobs_product_id"), ["product_id"], unique=False)

    op.create_table(
        "distribution_results",
        sa.Column("job", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job"], ["distribution_jobs.id"], name=op.f("fk_distribution_results_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job", "position", name=op.f("pk_distribution_results")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ota_modules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("name_key", sa.String(length=64), nullable=False),
        sa.Column("alias", sa.String(length=64), nullable=True),
        sa.Column("description", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_ota_modules_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ota_modules")),
        sa.UniqueConstraint("product_id", "name_key", name=op.f("uq_ota_modules_product_id_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ota_packages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("firmware_id", sa.String(length=32), nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("src_version", sa.String(length=64), nullable=True),
        sa.Column("module", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("sign_method", sa.String(length=8), nullable=False),
        sa.Column("description", sa.String(length=100), nullable=True),
        sa.Column("udi", sa.Text(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("multi", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_ota_packages_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ota_packages")),
        sa.UniqueConstraint("firmware_id", name=op.f("uq_ota_packages_firmware_id")),
        sa.UniqueConstraint("instance_id", "name", name=op.f("uq_ota_packages_instance_id_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("ota_packages", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ota_packages_instance_id_id"), ["instance_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ota_packages_product_id_id"), ["product_id", "id"], unique=False)

    op.create_table(
        "product_configurations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("config_id", sa.String(length=32), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_product_configurations_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_configurations")),
        sa.UniqueConstraint("config_id", name=op.f("uq_product_configurations_config_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("product_configurations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_product_configurations_product_id_id"), ["product_id", "id"], unique=False)
    op.create_table(
        "device_tasks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("task_id", sa.String(length=32), nullable=False),
        sa.Column("job", sa.BigInteger(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("untold", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_tasks_device_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job"], ["device_jobs.id"], name=op.f("fk_device_tasks_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_tasks")),
        sa.UniqueConstraint("task_id", name=op.f("uq_device_tasks_task_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("device_tasks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_tasks_changed_at"), ["changed_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_tasks_device_id_id"), ["device_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_tasks_job"), ["job"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_tasks_untold"), ["untold"], unique=False)
    op.create_table(
        "distributed_devices",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source_instance", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_distributed_devices_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_distributed_devices")),
    )
    with op.batch_alter_table("distributed_devices", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_distributed_devices_modified_at_device_id"), ["modified_at", "device_id"], unique=False
        )

    op.create_table(
        "ota_jobs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("package_id", sa.BigInteger(), nullable=False),
        sa.Column("module", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("selection", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("targets", sa.Text(), nullable=True),
        sa.Column("building", sa.Boolean(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=True),
        sa.Column("schedule_at", sa.BigInteger(), nullable=True),
        sa.Column("finish_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["package_id"], ["ota_packages.id"], name=op.f("fk_ota_jobs_package_id")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_ota_jobs_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ota_jobs")),
        sa.UniqueConstraint("job_id", name=op.f("uq_ota_jobs_job_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("ota_jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ota_jobs_package_id_id"), ["package_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ota_jobs_product_id"), ["product_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ota_jobs_status"), ["status"], unique=False)

    op.create_table(
        "ota_package_files",
        sa.Column("package_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("md5", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"], ["ota_packages.id"], name=op.f("fk_ota_package_files_package_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("package_id", "number", name=op.f("pk_ota_package_files")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("ota_package_files", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ota_package_files_blob"), ["blob"], unique=False)
    op.create_table(
        "ota_job_counts",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("confirm", sa.BigInteger(), nullable=False),
        sa.Column("queued", sa.BigInteger(), nullable=False),
        sa.Column("notified", sa.BigInteger(), nullable=False),
        sa.Column("in_progress", sa.BigInteger(), nullable=False),
        sa.Column("succeeded", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("canceled", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["ota_jobs.id"], name=op.f("fk_ota_job_counts_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_ota_job_counts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ota_tasks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("package_id", sa.BigInteger(), nullable=False),
        sa.Column("module", sa.String(length=64), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=True),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.BigInteger(), nullable=True),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_ota_tasks_device_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["job_id"], ["ota_jobs.id"], name=op.f("fk_ota_tasks_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ota_tasks")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("ota_tasks", schema=None) as batch_op:
        batch_op.create_index(
            "ix_ota_tasks_deadline",
            ["deadline"],
            unique=False,
            sqlite_where=sa.text("deadline IS NOT NULL"),
            postgresql_where=sa.text("deadline IS NOT NULL"),
        )
        batch_op.create_index(
            batch_op.f("ix_ota_tasks_device_id_package_id_job_id"), ["device_id", "package_id", "job_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_ota_tasks_job_id_id"), ["job_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ota_tasks_job_id_state_id"), ["job_id", "state", "id"], unique=False)
        batch_op.create_index(
            "ix_ota_tasks_retry_at",
            ["retry_at"],
            unique=False,
            sqlite_where=sa.text("retry_at IS NOT NULL"),
            postgresql_where=sa.text("retry_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_ota_tasks_unfinished",
            ["device_id", "module"],
            unique=True,
            sqlite_where=sa.text("state <= 3"),
            postgresql_where=sa.text("state <= 3"),
        )

    with op.batch_alter_table("products", schema=None) as batch_op:
        batch_op.add_column(sa.Column("source_id", sa.BigInteger(), nullable=True))
        batch_op.drop_constraint(batch_op.f("uq_products_product_key"), type_="unique")
        batch_op.create_index(
            "ix_products_original",
            ["product_key"],
            unique=True,
            sqlite_where=sa.text("source_id IS NULL"),
            postgresql_where=sa.text("source_id IS NULL"),
        )
        batch_op.create_index(batch_op.f("ix_products_source_id"), ["source_id"], unique=False)
        batch_op.create_unique_constraint(
            batch_op.f("uq_products_product_key_instance_id"), ["product_key", "instance_id"]
        )
        batch_op.create_foreign_key(batch_op.f("fk_products_source_id"), "products", ["source_id"], ["id"])

"""Alembic's entry point; ``thingplane.storage.migrate`` hands over the connection."""

from alembic import context

from thingplane.storage.database import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by making it anew
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()

"""Revisions of the metadata database, applied by Alembic."""

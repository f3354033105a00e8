"""Bringing the metadata database to the schema of this version.

Revisions are numbered files (``0001_foundation.py``); the number is the revision id. They only go up: whoever wants the
old version back restores the backup made before.
"""

import importlib
import pkgutil
from pathlib import Path

from sqlalchemy import Connection, inspect, text

import thingplane
from thingplane.storage.database import Database

SCRIPTS = Path(__file__).parent / "migrations"


class MigrationError(Exception):
    """The database can't be brought to the schema of this version; nothing was changed."""


def revisions() -> list[str]:
    """Return the revision ids of this version, oldest first."""
    return sorted(file.name.split("_")[0] for file in (SCRIPTS / "versions").glob("[0-9]*_*.py"))


def load_tables() -> None:
    """Import every slice's ``tables`` module, so that ``metadata`` is complete."""
    for room in pkgutil.iter_modules(thingplane.__path__, "thingplane."):
        if room.ispkg and any(
            module.name == "tables" for module in pkgutil.iter_modules(importlib.import_module(room.name).__path__)
        ):
            importlib.import_module(f"{room.name}.tables")


async def migrate(database: Database) -> None:
    """Apply the revisions that the database lacks, all in one transaction.

    Raises:
        MigrationError: the database was written by a newer version.
    """
    known = revisions()
    async with database.read() as connection:
        if await connection.run_sync(_current) == known[-1]:
            return
    async with database.change_schema() as connection:
        current = await connection.run_sync(_current)
        if current == known[-1]:
            return
        if current is not None and current not in known:
            message = (
                f"the metadata database was written by a newer version (schema {current}, this one knows {known[-1]})"
            )
            raise MigrationError(message)
        await connection.run_sync(_upgrade)


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    # Takes half a second to import, and only a new version of the schema needs it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

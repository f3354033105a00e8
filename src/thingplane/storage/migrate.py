"""Bringing the metadata database to the schema of this version."""

import importlib
import pkgutil

import thingplane
from thingplane.storage.database import Database, metadata


def load_tables() -> None:
    """Import every slice's ``tables`` module, so that ``metadata`` is complete."""
    for room in pkgutil.iter_modules(thingplane.__path__, "thingplane."):
        if room.ispkg and any(
            module.name == "tables" for module in pkgutil.iter_modules(importlib.import_module(room.name).__path__)
        ):
            importlib.import_module(f"{room.name}.tables")


async def migrate(database: Database) -> None:
    """Create what is missing."""
    load_tables()
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)

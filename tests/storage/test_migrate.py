"""Migrations lead to the declared tables, and touch nothing that they don't understand."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.exc import IntegrityError

from thingplane.storage.database import Database, metadata
from thingplane.storage.migrate import SCRIPTS, MigrationError, load_tables, migrate, revisions

FIRST_RELEASE = """
INSERT INTO products (id, instance_id, product_key, product_secret, name, node_type, senior, auth_type, id2, net_type,
    validate_type, publish_auto, status, dynamic_register, filter_by_timestamp, filter_by_value, created_at)
VALUES (7, 1, 'a1b2c3d4e5f', 's', 'Lamp', 0, true, 'secret', false, 'WIFI', 1, true, 'DEVELOPMENT_STATUS', false, false,
    false, 0);
INSERT INTO devices (id, iot_id, instance_id, product_id, product_key, name, secret, node_type, enabled, created_at,
    modified_at)
VALUES (3, 'iot', 1, 7, 'a1b2c3d4e5f', 'lamp-1', 's', 0, true, 0, 0);
INSERT INTO device_tags VALUES (3, 'room', '101', 1);
INSERT INTO device_applications (id, instance_id, product_id, product_key, status, total, created_at)
VALUES (1, 1, 7, 'a1b2c3d4e5f', 'CHECK', 1, 0)
"""
"""A product with a device, its tag, and an application, which goes when a product is deleted."""


def plain(value: object) -> object:
    """Return what can be compared: types and SQL as their text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else str(value)


def structure(connection: Connection) -> dict[str, dict[str, Any]]:
    """Everything that the database says about its tables, with nothing that depends on the order of statements."""
    inspector = inspect(connection)
    parts: dict[str, Any] = {
        "options": inspector.get_multi_table_options(),
        "primary key": inspector.get_multi_pk_constraint(),
        "columns": inspector.get_multi_columns(),
        "foreign keys": inspector.get_multi_foreign_keys(),
        "unique": inspector.get_multi_unique_constraints(),
        "checks": inspector.get_multi_check_constraints(),
        "indexes": inspector.get_multi_indexes(),
    }
    return {
        part: {
            str(table): {item["name"]: plain(item) for item in found} if isinstance(found, list) else plain(found)
            for (_, table), found in tables.items()
            if table != "alembic_version"
        }
        for part, tables in parts.items()
    }


async def read_structure(database: Database) -> dict[str, dict[str, Any]]:
    async with database.read() as connection:
        return await connection.run_sync(structure)


async def drop_everything(database: Database) -> None:
    def drop(connection: Connection) -> None:
        found = MetaData()
        found.reflect(connection)
        found.drop_all(connection)

    async with database.write() as connection:
        await connection.run_sync(drop)


async def set_revision(database: Database, revision: str) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


async def migrate_to(database: Database, revision: str) -> None:
    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with database.write() as connection:
        await connection.run_sync(upgrade)


@pytest.fixture
async def empty(database: Database) -> Database:
    await drop_everything(database)
    return database


async def test_revisions_lead_to_exactly_the_declared_tables(database: Database) -> None:
    declared = await read_structure(database)
    await drop_everything(database)
    await migrate(database)
    assert await read_structure(database) == declared


async def test_there_is_nothing_left_for_a_new_revision(empty: Database) -> None:
    def difference(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        found: list[Any] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        return found

    load_tables()
    await migrate(empty)
    async with empty.read() as connection:
        assert await connection.run_sync(difference) == []


async def test_migrating_again_changes_nothing(empty: Database) -> None:
    await migrate(empty)
    before = await read_structure(empty)
    await migrate(empty)
    assert await read_structure(empty) == before


async def test_newer_schema_is_refused_untouched(empty: Database) -> None:
    await migrate(empty)
    await set_revision(empty, "9999")
    before = await read_structure(empty)
    with pytest.raises(MigrationError, match=f"newer version.*9999.*{revisions()[-1]}"):
        await migrate(empty)
    assert await read_structure(empty) == before
    async with empty.read() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar() == "9999"


async def test_revision_that_fails_leaves_nothing_behind(empty: Database) -> None:
    async with empty.write() as connection:
        await connection.execute(text("CREATE TABLE things_models_of_somebody_else (id INTEGER)"))
        await connection.execute(text(f"CREATE TABLE {metadata.sorted_tables[-1].name} (id INTEGER)"))
    before = await read_structure(empty)
    with pytest.raises(Exception, match="already exists"):
        await migrate(empty)
    assert await read_structure(empty) == before


def test_revision_ids_are_the_numbers_of_their_files_without_a_gap() -> None:
    assert revisions() == [f"{number:04d}" for number in range(1, len(revisions()) + 1)]


async def test_schema_of_this_version_costs_no_import_of_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'thingplane.sqlite3'}"
    database = Database(url)
    await migrate(database)
    await database.close()
    program = (
        "import asyncio, sys\n"
        "from thingplane.storage.database import Database\n"
        "from thingplane.storage.migrate import migrate\n"
        "async def main():\n"
        "    database = Database(sys.argv[1])\n"
        "    await migrate(database)\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
        "sys.exit('alembic' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, url], timeout=60, check=False).returncode == 0  # noqa: ASYNC221 - nothing else runs


async def test_what_the_first_release_wrote_is_kept(empty: Database) -> None:
    await migrate_to(empty, "0001")
    async with empty.write() as connection:
        for statement in FIRST_RELEASE.split(";"):
            await connection.execute(text(statement))
    await migrate(empty)
    async with empty.read() as connection:
        for table in ("products", "devices", "device_tags", "device_applications"):
            assert (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar() == 1, table
    # What refers to products does so again.
    with pytest.raises(IntegrityError):
        async with empty.write() as connection:
            await connection.execute(text("UPDATE devices SET product_id = 8"))

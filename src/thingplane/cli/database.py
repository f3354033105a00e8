"""Commands that change users, keys and instances work on the metadata database; a running node notices in seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from thingplane.access.service import AccessError, AccessService
from thingplane.cli import CommandError
from thingplane.clock import SystemClock
from thingplane.cloud.policy import InvalidPolicyError
from thingplane.instances.service import InstanceDirectory, InstanceError
from thingplane.settings import SettingsError, load_settings
from thingplane.storage.database import Database, metadata_url
from thingplane.storage.migrate import MigrationError, migrate

T = TypeVar("T")


def with_access(data_dir: Path | None, action: Callable[[AccessService], Awaitable[T]]) -> T:
    """Run an action on users and keys and return its result.

    Raises:
        CommandError: there is no database, or the action refuses.
    """
    account_id = load_settings().account_id
    return with_database(
        data_dir, lambda database: action(AccessService(database, SystemClock(), account_id=account_id))
    )


def with_instances(data_dir: Path | None, action: Callable[[InstanceDirectory], Awaitable[T]]) -> T:
    """Run an action on instances and return its result.

    Raises:
        CommandError: there is no database, or the action refuses.
    """
    return with_database(data_dir, lambda database: action(InstanceDirectory(database, SystemClock())))


def with_database(data_dir: Path | None, action: Callable[[Database], Awaitable[T]]) -> T:
    """Run an action on the migrated metadata database and return its result.

    Raises:
        CommandError: there is no database.
    """
    try:
        settings = load_settings({"data_dir": data_dir})
    except SettingsError as error:
        raise CommandError(str(error)) from None
    if not settings.database_url and not settings.data_dir.is_dir():
        raise CommandError(f"there is no data directory {settings.data_dir}: start a node once, or name --data-dir")

    async def run() -> T:
        database = Database(metadata_url(settings.data_dir, settings.database_url))
        try:
            await migrate(database)
            return await action(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except (AccessError, InstanceError, InvalidPolicyError, MigrationError) as error:
        raise CommandError(str(error)) from None
    except (SQLAlchemyError, OSError) as error:
        raise CommandError(f"the database does not answer: {error.__class__.__name__}") from None

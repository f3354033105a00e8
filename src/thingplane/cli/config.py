"""``thingplane config``: remote configuration of products."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

from cyclopts import App, Parameter

from thingplane.bus import LocalBus
from thingplane.cli import CommandError
from thingplane.cli.database import with_database
from thingplane.cli.output import print_rows
from thingplane.cli.placed import InstanceId, ProductKey, find_product
from thingplane.cli.target import DataDir
from thingplane.clock import SystemClock
from thingplane.cloud.times import utc
from thingplane.configurations.store import Configuration, ConfigurationError, ConfigurationStore
from thingplane.products.service import Product, ProductService
from thingplane.settings import load_settings
from thingplane.storage.database import Database

app = App(
    name="config",
    help="Manage remote configuration: JSON files that devices of a product fetch, or that are pushed to them.",
)

COLUMNS: Final = ["ConfigId", "Size", "Sha256", "UtcCreate"]
PATIENCE_S: Final = 10
"""Seconds within which a running node takes up a push."""

T = TypeVar("T")


@app.command(name="set")
def save(
    product_key: ProductKey,
    file: Annotated[Path, Parameter(help="JSON, at most 64 KB")],
    *,
    instance: InstanceId = None,
    data_dir: DataDir = None,
) -> None:
    """Put a configuration in force. Devices get it when they ask for it; see also `push`."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    saved = _run(data_dir, product_key, instance, lambda store, product: store.save(product.id, content))
    print_rows([_row(saved)], COLUMNS)


@app.command(name="list")
def show(product_key: ProductKey, *, instance: InstanceId = None, data_dir: DataDir = None) -> None:
    """List the versions that are kept; the first one is in force."""
    versions = _run(data_dir, product_key, instance, lambda store, product: store.versions(product.id))
    print_rows([_row(version) for version in versions], COLUMNS)


@app.command(name="push")
def push(product_key: ProductKey, *, instance: InstanceId = None, data_dir: DataDir = None) -> None:
    """Push the configuration in force to the devices that are online, and print how many they are."""
    per_hour = load_settings({"data_dir": data_dir}).config_pushes_per_hour

    async def request(store: ConfigurationStore, product: Product) -> int:
        asked = await store.request_push(product.id, per_hour=per_hour)
        for _ in range(PATIENCE_S * 10):
            done = await store.push(asked.id)
            if done is not None and done.sent is not None:
                return done.sent
            await asyncio.sleep(0.1)
        await store.withdraw(asked)
        raise ConfigurationError("no node has taken it up: is one running?")

    print_rows([{"Devices": _run(data_dir, product_key, instance, request)}], ["Devices"])


@app.command(name="enable")
def enable(product_key: ProductKey, *, instance: InstanceId = None, data_dir: DataDir = None) -> None:
    """Let devices have the configuration of their product."""
    _run(data_dir, product_key, instance, lambda store, product: store.switch(product.id, enabled=True))


@app.command(name="disable")
def disable(product_key: ProductKey, *, instance: InstanceId = None, data_dir: DataDir = None) -> None:
    """Let devices have no configuration; what was set is kept."""
    _run(data_dir, product_key, instance, lambda store, product: store.switch(product.id, enabled=False))


def _row(version: Configuration) -> dict[str, object]:
    return {
        "ConfigId": version.config_id,
        "Size": version.size,
        "Sha256": version.sha256,
        "UtcCreate": utc(version.created_at),
    }


def _run(
    data_dir: Path | None,
    product_key: str,
    instance: str | None,
    action: Callable[[ConfigurationStore, Product], Awaitable[T]],
) -> T:
    async def run(database: Database) -> T:
        clock = SystemClock()
        product = await find_product(database, ProductService(database, clock, LocalBus()), product_key, instance)
        return await action(ConfigurationStore(database, clock), product)

    try:
        return with_database(data_dir, run)
    except ConfigurationError as error:
        raise CommandError(str(error)) from None

"""A node in a process of its own, on free ports and a fresh copy of a prepared data directory."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import uvloop
from sqlalchemy import select

from thingplane.bus import LocalBus
from thingplane.cli.fleet import THERMOSTAT, create_product
from thingplane.cli.target import Ready, ready, target
from thingplane.clock import SystemClock
from thingplane.cloud.client import CloudClient
from thingplane.devices.service import DeviceService, devices
from thingplane.products.service import ProductService
from thingplane.simulator.wire import Identity
from thingplane.storage.database import Database, metadata_url

_START_TIMEOUT_S = 30
_PORTS = ("api", "api_tls", "mqtt", "mqtt_ws", "amqp", "stomp", "coap", "coaps", "console")


class BenchmarkError(Exception):
    """Something that makes a measurement impossible or worthless; the text is one line."""


class Node(NamedTuple):
    """A node that runs."""

    folder: Path
    ready: Ready
    start_s: float
    """From the start of the process to the moment it was ready."""

    @property
    def pid(self) -> int:
        """Of its main process."""
        return self.ready.pid


class Fleet(NamedTuple):
    """A data directory with a product and its devices, which no node runs on."""

    folder: Path
    product_key: str
    identities: list[Identity]

    @contextmanager
    def node(self) -> Iterator[Node]:
        """Run a node on a copy."""
        with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as name:
            folder = Path(name) / "data"
            shutil.copytree(self.folder, folder)
            with run_node(folder) as node:
                yield node


@contextmanager
def run_node(
    folder: Path, database_url: str = "", *, log: BinaryIO | None = None, **settings: object
) -> Iterator[Node]:
    """Run a node on a data directory, with settings as they come, except for the quota.

    Args:
        folder: the data directory.
        database_url: of a PostgreSQL; empty: the embedded default.
        log: where to write warnings; None: where those of this process go.
        settings: further ones, by name.
    """
    environment = {
        **os.environ,
        "THINGPLANE_DATA_DIR": str(folder),
        "THINGPLANE_DATABASE_URL": database_url,
        "THINGPLANE_QUOTA": "unlimited",
        "THINGPLANE_LOG_LEVEL": "warning",
        **{f"THINGPLANE_{name.upper()}_PORT": "0" for name in _PORTS},
        **{f"THINGPLANE_{name.upper()}": str(value) for name, value in settings.items()},
    }
    file = folder / "ready.json"
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "thingplane.cli", "serve"], env=environment, stdout=log, stderr=log
    )
    try:
        while not file.exists():
            if process.poll() is not None or time.perf_counter() - start > _START_TIMEOUT_S:
                raise BenchmarkError("the node did not start; its log is above")
            time.sleep(0.002)
        yield Node(folder, ready(folder), time.perf_counter() - start)
    finally:
        process.terminate()
        process.wait(_START_TIMEOUT_S)


def prepare_fleet(folder: Path, count: int) -> Fleet:
    """Make a data directory with a thermostat product and ``count`` devices.

    The product comes through the cloud API of a node. The devices are made while no node runs, by the service that
    works off BatchRegisterDevice: one transaction instead of a call for each.
    """
    with run_node(folder):
        client = CloudClient(*target(folder, None, None, None))
        product_key = create_product(client, "bench_thermostat", THERMOSTAT)
    return Fleet(folder, product_key, uvloop.run(_register(folder, product_key, count)))


async def _register(folder: Path, product_key: str, count: int) -> list[Identity]:
    database = Database(metadata_url(folder, ""))
    clock, bus = SystemClock(), LocalBus()
    products = ProductService(database, clock, bus)
    service = DeviceService(database, clock, bus, products, max_batch=max(count, 10_000))
    try:
        await service.start()
        product = await products.find(product_key)
        if product is None:
            raise BenchmarkError("the product of the benchmark is not in the database")
        await service.applications.create_random(product, count)
        await asyncio.wait_for(service.applications.done(), 60)
        async with database.read() as connection:
            rows = await connection.execute(select(devices.c.product_key, devices.c.name, devices.c.secret))
            identities = [Identity(*row) for row in rows]
    finally:
        await service.close()
        await database.close()
    if len(identities) != count:
        raise BenchmarkError(f"{len(identities)} devices were made instead of {count}")
    return identities

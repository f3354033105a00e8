"""``thingplane import``: devices of another platform, with the keys and secrets that their firmware has."""

import csv
import re
from collections import defaultdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thingplane.bus import LocalBus
from thingplane.cli import CommandError
from thingplane.cli.database import with_database
from thingplane.cli.output import print_rows
from thingplane.cli.target import DataDir
from thingplane.clock import SystemClock
from thingplane.cloud import BusinessError
from thingplane.devices.importing import ImportRefusedError, KnownDevice, import_devices
from thingplane.instances.service import InstanceDirectory
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database
from thingplane.things.service import ThingModelService
from thingplane.topics.service import TopicService

COLUMNS = ("ProductKey", "DeviceName", "DeviceSecret")
_PRODUCT_KEY = re.compile("[A-Za-z0-9]{1,20}")


def import_(
    file: Annotated[Path, Parameter(help="CSV with ProductKey, DeviceName, DeviceSecret and, if you like, Nickname")],
    *,
    product_name: Annotated[
        str | None, Parameter(help="name of a product to make [default: imported_PRODUCTKEY]")
    ] = None,
    product_secret: Annotated[str | None, Parameter(help="its ProductSecret [default: a new one]")] = None,
    gateway: Annotated[bool, Parameter(help="the devices of a product to make are gateways")] = False,
    raw: Annotated[bool, Parameter(help="a product to make has a data format of its own, not Alink JSON")] = False,
    instance: Annotated[str | None, Parameter(help="IotInstanceId [default: the default instance]")] = None,
    data_dir: DataDir = None,
) -> None:
    """Register devices under the keys and secrets that they have, so that they can connect as they are.

    Products that don't exist are made with a thing model to fill (ImportThingModelTsl). Devices that are there with the
    same secret stay as they are, so that an import can be repeated. Each product's devices come all or not at all. A
    running node knows them at once, and tells subscribers of them within seconds.
    """
    known = _read(file)
    if len(known) > 1 and (product_name or product_secret):
        raise CommandError("--product-name and --product-secret go with a file of one product")

    async def run(database: Database) -> list[dict[str, object]]:
        clock, bus = SystemClock(), LocalBus()
        instances = InstanceDirectory(database, clock)
        await instances.load()
        products = ProductService(database, clock, bus)
        # They give a new product its thing model and its topics.
        TopicService(database, bus, products)
        ThingModelService(database, clock, products, bus)
        rows: list[dict[str, object]] = []
        for product_key, identities in known.items():
            new = NewProduct(
                name=product_name or f"imported_{product_key}",
                node_type=int(gateway),
                data_format=0 if raw else 1,
                senior=True,
            )
            place = instances.resolve(instance).id
            product = await _product(products, place, product_key, new, product_secret)
            imported = await import_devices(database, clock, product, identities)
            rows.append({"ProductKey": product_key, "Added": imported.added, "Present": imported.present})
        return rows

    try:
        rows = with_database(data_dir, run)
    except (ImportRefusedError, BusinessError) as error:
        raise CommandError(str(error)) from None
    print_rows(rows, ["ProductKey", "Added", "Present"])


async def _product(
    products: ProductService, instance_id: int, product_key: str, new: NewProduct, secret: str | None
) -> Product:
    product = await products.find(product_key)
    if product is None:
        return await products.create(instance_id, new, product_key=product_key, product_secret=secret)
    if product.instance_id != instance_id:
        raise CommandError(f"the product {product_key} belongs to another instance")
    return product


def _read(file: Path) -> dict[str, list[KnownDevice]]:
    """Read the file into devices by ProductKey."""
    known: dict[str, list[KnownDevice]] = defaultdict(list)
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            absent = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
            if absent:
                raise CommandError(f"{file} has no column {absent[0]}; its first line must name the columns")
            for row in rows:
                product_key, name, secret = ((row[column] or "").strip() for column in COLUMNS)
                if not _PRODUCT_KEY.fullmatch(product_key):
                    raise CommandError(f"{file}, line {rows.line_num}: {product_key!r} is no ProductKey")
                known[product_key].append(KnownDevice(name, secret, (row.get("Nickname") or "").strip() or None))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{file}: {error}") from None
    if not known:
        raise CommandError(f"{file} lists no devices")
    return known

"""``thingplane product``: what operators decide about products and the cloud API has no operation for."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from thingplane.bus import LocalBus
from thingplane.cli import CommandError
from thingplane.cli.database import with_database
from thingplane.cli.placed import InstanceId, ProductKey, find_product
from thingplane.cli.target import DataDir
from thingplane.clock import SystemClock
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database

_LEVELS: Final = ("full", "weak", "none")
"""By ValidateType."""

app = App(name="product", help="Decide about products what the cloud API has no operation for.")


@app.command(name="dynamic-register")
def dynamic_register(
    product_key: ProductKey,
    state: Annotated[Literal["on", "off"], Parameter(help="whether it is allowed")],
    *,
    instance: InstanceId = None,
    data_dir: DataDir = None,
) -> None:
    """Let devices of a product register themselves with the ProductSecret. Off unless turned on.

    Devices that are registered already are not affected. A running node notices within seconds.
    """

    async def switch(products: ProductService, product: Product) -> None:
        await products.set_dynamic_register(product, state == "on")

    _decide(product_key, instance, data_dir, switch)


@app.command
def check(
    product_key: ProductKey,
    level: Annotated[Literal["full", "weak", "none"], Parameter(help="how thoroughly")],
    *,
    instance: InstanceId = None,
    data_dir: DataDir = None,
) -> None:
    """Set how the data of a product's devices is checked against the thing model.

    full: everything that the model says, ranges and lengths too; what fails is not forwarded. weak: identifiers and
    data types; what fails is forwarded as failed. none: nothing; everything is forwarded, and found as original data
    only. CreateProduct offers the last two (ValidateType 1 and 2). A running node notices within seconds.
    """

    async def change(products: ProductService, product: Product) -> None:
        if not product.senior:
            raise CommandError(f"product {product_key} has no thing model")
        await products.set_check(product, _LEVELS.index(level))

    _decide(product_key, instance, data_dir, change)


def _decide(
    product_key: str,
    instance: str | None,
    data_dir: DataDir,
    change: Callable[[ProductService, Product], Awaitable[None]],
) -> None:
    async def decide(database: Database) -> None:
        products = ProductService(database, SystemClock(), LocalBus())
        await change(products, await find_product(database, products, product_key, instance))

    with_database(data_dir, decide)

"""``thingplane product``: what operators decide about products and the cloud API has no operation for."""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from thingplane.bus import LocalBus
from thingplane.cli import CommandError
from thingplane.cli.database import with_database
from thingplane.cli.target import DataDir
from thingplane.clock import SystemClock
from thingplane.products.service import ProductService
from thingplane.storage.database import Database

app = App(name="product", help="Decide about products what the cloud API has no operation for.")


@app.command(name="dynamic-register")
def dynamic_register(
    product_key: Annotated[str, Parameter(help="ProductKey")],
    state: Annotated[Literal["on", "off"], Parameter(help="whether it is allowed")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Let devices of a product register themselves with the ProductSecret. Off unless turned on.

    Devices that are registered already are not affected. A running node notices within seconds.
    """

    async def switch(database: Database) -> None:
        products = ProductService(database, SystemClock(), LocalBus())
        product = await products.find(product_key)
        if product is None:
            raise CommandError(f"there is no product {product_key}")
        await products.set_dynamic_register(product, state == "on")

    with_database(data_dir, switch)

"""Which product a command means: that with a ProductKey, or its copy in an instance that it was distributed to."""

from typing import Annotated

from cyclopts import Parameter

from thingplane.cli import CommandError
from thingplane.clock import SystemClock
from thingplane.cloud.errors import BusinessError
from thingplane.instances.service import InstanceDirectory
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database

ProductKey = Annotated[str, Parameter(help="ProductKey")]
InstanceId = Annotated[
    str | None,
    Parameter(help="IotInstanceId, where a product was distributed to another one [default: where it was created]"),
]


async def find_product(database: Database, products: ProductService, product_key: str, instance: str | None) -> Product:
    """Return the product that a command means.

    Raises:
        CommandError: there is no such instance, or no such product in it.
    """
    place: int | None = None
    if instance is not None:
        instances = InstanceDirectory(database, SystemClock())
        await instances.load()
        try:
            place = instances.resolve(instance).id
        except BusinessError as error:
            raise CommandError(error.message) from None
    product = await products.find(product_key, place)
    if product is None:
        raise CommandError(f"there is no product {product_key}" + (f" in {instance}" if instance else ""))
    return product

"""Takes devices to another instance, as distribution does."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.devices.service import Device, DeviceService
from thingplane.products.service import Product, ProductService


async def move(products: ProductService, devices: DeviceService, product: Product, *moving: Device) -> Product:
    """Take devices of a product to a second instance; returns the product there."""

    async def nothing_else(_connection: AsyncConnection, _moved: Sequence[Device]) -> None:
        pass

    there = await products.copy(product, 2)
    await devices.moves.move(moving, product, there, nothing_else)
    return there

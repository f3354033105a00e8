"""Fixtures of products and devices, for every slice that needs some to exist. A slice may replace any of them."""

from collections.abc import AsyncIterator

import pytest

from tests.common.clock import FakeClock
from thingplane.bus import LocalBus
from thingplane.devices.service import DeviceService
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database


@pytest.fixture
def bus() -> LocalBus:
    return LocalBus()


@pytest.fixture
def products(database: Database, clock: FakeClock, bus: LocalBus) -> ProductService:
    return ProductService(database, clock, bus)


@pytest.fixture
async def devices(
    database: Database, clock: FakeClock, bus: LocalBus, products: ProductService
) -> AsyncIterator[DeviceService]:
    devices = DeviceService(database, clock, bus, products)
    await devices.start()
    yield devices
    await devices.close()


@pytest.fixture
def other_node(database: Database, clock: FakeClock, bus: LocalBus, products: ProductService) -> DeviceService:
    """The service of another node: the same database and bus, nothing cached yet."""
    return DeviceService(database, clock, bus, products)


@pytest.fixture
async def product(products: ProductService) -> Product:
    return await products.create(1, NewProduct(name="Street_light", node_type=0))


@pytest.fixture
async def foreign_product(products: ProductService) -> Product:
    """A product of another instance."""
    return await products.create(2, NewProduct(name="Street_light", node_type=0))

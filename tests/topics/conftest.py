from collections.abc import AsyncIterator

import pytest

from tests.common.clock import FakeClock
from thingplane.bus import LocalBus
from thingplane.devices.service import DeviceService
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database
from thingplane.topics.service import TopicService


@pytest.fixture
def bus() -> LocalBus:
    return LocalBus()


@pytest.fixture
def products(database: Database, clock: FakeClock, bus: LocalBus) -> ProductService:
    return ProductService(database, clock, bus)


@pytest.fixture
def topics(database: Database, bus: LocalBus, products: ProductService) -> TopicService:
    return TopicService(database, bus, products, max_categories=5)


@pytest.fixture
async def product(products: ProductService, topics: TopicService) -> Product:
    """A product with the default categories of ``topics``."""
    assert topics.cached(0) is None
    return await products.create(1, NewProduct(name="talker", node_type=0))


@pytest.fixture
async def devices(
    database: Database, clock: FakeClock, bus: LocalBus, products: ProductService
) -> AsyncIterator[DeviceService]:
    devices = DeviceService(database, clock, bus, products)
    await devices.start()
    yield devices
    await devices.close()

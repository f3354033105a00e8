import pytest

from thingplane.bus import LocalBus
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database
from thingplane.topics.service import TopicService


@pytest.fixture
def topics(database: Database, bus: LocalBus, products: ProductService) -> TopicService:
    return TopicService(database, bus, products, max_categories=5)


@pytest.fixture
async def product(products: ProductService, topics: TopicService) -> Product:
    """A product with the default categories of ``topics``."""
    assert topics.cached(0) is None
    return await products.create(1, NewProduct(name="talker", node_type=0))

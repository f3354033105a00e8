import pytest

from tests.common.clock import FakeClock
from thingplane.bus import LocalBus
from thingplane.products.service import ProductService
from thingplane.storage.database import Database


@pytest.fixture
def bus() -> LocalBus:
    return LocalBus()


@pytest.fixture
def products(database: Database, clock: FakeClock, bus: LocalBus) -> ProductService:
    return ProductService(database, clock, bus)

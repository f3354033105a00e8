"""A device and the services that know what it runs."""

from collections.abc import AsyncIterator

import pytest

import thingplane.ota.operations.versions  # noqa: F401 - registers the operations
from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.sdk_api import sdk_api
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import Device, DeviceService
from thingplane.ota.service import OtaVersionService
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
def versions(database: Database, clock: FakeClock) -> OtaVersionService:
    return OtaVersionService(database, clock)


@pytest.fixture
async def product(products: ProductService) -> Product:
    return await products.create(1, NewProduct(name="Street_light", node_type=0))


@pytest.fixture
async def device(devices: DeviceService, product: Product) -> Device:
    return await devices.register(product, "lamp-1")


@pytest.fixture
async def api(
    products: ProductService, devices: DeviceService, versions: OtaVersionService, clock: FakeClock
) -> AsyncIterator[Api]:
    async with sdk_api(Services(products, devices, versions), clock) as api:
        yield api

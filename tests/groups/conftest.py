"""Groups, devices to put into them, and the services that know them."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import thingplane.devices.operations.registration
import thingplane.groups.operations.changes
import thingplane.groups.operations.members
import thingplane.groups.operations.queries
import thingplane.groups.operations.tags  # noqa: F401 - registers the operations
from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.sdk_api import sdk_api
from thingplane.cloud import Services
from thingplane.devices.service import Device, DeviceService
from thingplane.groups.service import GroupService
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database

Register = Callable[[int], Awaitable[list[Device]]]


@pytest.fixture
def groups(database: Database, clock: FakeClock, devices: DeviceService) -> GroupService:
    return GroupService(database, clock, devices)


@pytest.fixture
def register(devices: DeviceService, product: Product) -> Register:
    """Registers so many devices, named lamp-0 and on."""

    async def register(count: int) -> list[Device]:
        return [await devices.register(product, f"lamp-{number}") for number in range(count)]

    return register


@pytest.fixture
async def api(
    products: ProductService, devices: DeviceService, groups: GroupService, clock: FakeClock
) -> AsyncIterator[Api]:
    async with sdk_api(Services(products, devices, groups), clock) as api:
        yield api

"""A product with devices, and the services that know them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import thingplane.devices.operations.batch_registration
import thingplane.devices.operations.by_status
import thingplane.devices.operations.client_ids
import thingplane.devices.operations.details
import thingplane.devices.operations.listing
import thingplane.devices.operations.nicknames
import thingplane.devices.operations.registration
import thingplane.devices.operations.status
import thingplane.devices.operations.switching
import thingplane.devices.operations.tags  # noqa: F401
from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.sdk_api import sdk_api
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import DeviceService
from thingplane.groups.service import GroupService
from thingplane.ota.service import OtaVersionService
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database


@pytest.fixture
async def gateway_product(products: ProductService) -> Product:
    return await products.create(1, NewProduct(name="Hub_of_the_house", node_type=1))


@pytest.fixture
def groups(database: Database, clock: FakeClock, devices: DeviceService) -> GroupService:
    return GroupService(database, clock, devices)


@pytest.fixture
def versions(database: Database, clock: FakeClock, bus: LocalBus) -> OtaVersionService:
    return OtaVersionService(database, clock, bus)


@pytest.fixture
async def api(
    products: ProductService,
    devices: DeviceService,
    groups: GroupService,
    versions: OtaVersionService,
    clock: FakeClock,
) -> AsyncIterator[Api]:
    async with sdk_api(Services(products, devices, groups, versions), clock) as api:
        yield api


Xml = Callable[..., Awaitable[ET.Element]]


@pytest.fixture
def xml(
    products: ProductService,
    devices: DeviceService,
    groups: GroupService,
    versions: OtaVersionService,
    clock: FakeClock,
) -> Xml:
    """Calls an operation, and gives the root element of its answer."""
    api = Api(Services(products, devices, groups, versions), clock=clock, scheme="acs3")

    async def call(action: str, /, **parameters: Any) -> ET.Element:
        _, _, body = await api.send(api.signer.sign(action, {**parameters, "Format": "XML"}))
        root = ET.fromstring(body)
        assert root.tag == f"{action}Response"
        return root

    return call

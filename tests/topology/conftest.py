"""Two gateways and sub-devices, the services that know them, and what gateways are told."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest

import thingplane.topology.operations.changes
import thingplane.topology.operations.notifying
import thingplane.topology.operations.queries  # noqa: F401 - registers the operations
from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.downlink import RecordingDownlink
from tests.common.sdk_api import sdk_api
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import Device, DeviceService
from thingplane.ota.service import OtaVersionService
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database
from thingplane.topology.notices import TopologyNotices
from thingplane.topology.service import TopologyService

Register = Callable[[int], Awaitable[list[Device]]]


@pytest.fixture
def topology(database: Database, clock: FakeClock, bus: LocalBus, devices: DeviceService) -> TopologyService:
    return TopologyService(database, clock, bus, devices, max_sub_devices=12)


@pytest.fixture
def downlink() -> RecordingDownlink:
    return RecordingDownlink()


class RecordingLogins:
    """What the gateway's connections were told: gateway, sub-devices, deleted, by gateway."""

    def __init__(self) -> None:
        self.ended: list[tuple[int, list[int], bool, bool]] = []

    def detached(self, gateway_id: int, device_ids: Iterable[int], *, deleted: bool, by_gateway: bool) -> None:
        self.ended.append((gateway_id, list(device_ids), deleted, by_gateway))


@pytest.fixture
def logins() -> RecordingLogins:
    return RecordingLogins()


@pytest.fixture
async def notices(
    bus: LocalBus, downlink: RecordingDownlink, topology: TopologyService, logins: RecordingLogins
) -> AsyncIterator[TopologyNotices]:
    notices = TopologyNotices(bus, downlink, topology, logins)
    yield notices
    await notices.settled()


@pytest.fixture
def versions(database: Database, clock: FakeClock, bus: LocalBus) -> OtaVersionService:
    return OtaVersionService(database, clock, bus)


@pytest.fixture
async def product(products: ProductService) -> Product:
    return await products.create(1, NewProduct(name="Heat_meter", node_type=0))


@pytest.fixture
async def gateway_product(products: ProductService) -> Product:
    return await products.create(1, NewProduct(name="House_hub", node_type=1))


@pytest.fixture
async def gateway(devices: DeviceService, gateway_product: Product) -> Device:
    return await devices.register(gateway_product, "hub-1")


@pytest.fixture
async def other_gateway(devices: DeviceService, gateway_product: Product) -> Device:
    return await devices.register(gateway_product, "hub-2")


@pytest.fixture
async def stranger(devices: DeviceService, products: ProductService) -> Device:
    """A device of another instance."""
    return await devices.register(await products.create(2, NewProduct(name="Heat_meter", node_type=0)), "meter-0")


@pytest.fixture
def register(devices: DeviceService, product: Product) -> Register:
    """Registers so many sub-devices, named meter-0 and on."""

    async def register(count: int) -> list[Device]:
        return [await devices.register(product, f"meter-{number}") for number in range(count)]

    return register


@pytest.fixture
async def api(
    *,
    products: ProductService,
    devices: DeviceService,
    topology: TopologyService,
    notices: TopologyNotices,
    versions: OtaVersionService,
    clock: FakeClock,
) -> AsyncIterator[Api]:
    async with sdk_api(Services(products, devices, topology, notices, versions), clock) as api:
        yield api

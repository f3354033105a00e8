"""A device and the services that know what it runs; and OTA as a whole."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import thingplane.ota.operations.cancelling
import thingplane.ota.operations.creation
import thingplane.ota.operations.jobs
import thingplane.ota.operations.modules
import thingplane.ota.operations.package_lists
import thingplane.ota.operations.packages
import thingplane.ota.operations.tasks
import thingplane.ota.operations.uploads
import thingplane.ota.operations.versions  # noqa: F401 - registers the operations
from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.downlink import RecordingDownlink
from tests.common.forwarding import forwarding
from tests.common.sdk_api import sdk_api
from tests.common.uplinks import Messages
from tests.ota.world import World
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import Device, DeviceService
from thingplane.files.downloads import PREFIX as DOWNLOADS
from thingplane.files.service import Downloads
from thingplane.forwarding.service import Forwarder
from thingplane.groups.service import GroupService
from thingplane.ota.device import handlers
from thingplane.ota.form import ObjectEndpoint
from thingplane.ota.service import OtaService, OtaVersionService
from thingplane.products.service import Product, ProductService
from thingplane.storage.blobs import LocalBlobStore
from thingplane.storage.database import Database


@pytest.fixture
def versions(database: Database, clock: FakeClock, bus: LocalBus) -> OtaVersionService:
    return OtaVersionService(database, clock, bus)


@pytest.fixture
async def device(devices: DeviceService, product: Product) -> Device:
    return await devices.register(product, "lamp-1")


@pytest.fixture
async def api(
    products: ProductService, devices: DeviceService, versions: OtaVersionService, clock: FakeClock
) -> AsyncIterator[Api]:
    async with sdk_api(Services(products, devices, versions), clock) as api:
        yield api


@pytest.fixture
def downlink() -> RecordingDownlink:
    return RecordingDownlink()


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "blobs")


@pytest.fixture
async def forwarder(tmp_path: Path, clock: FakeClock, database: Database) -> AsyncIterator[Forwarder]:
    async with forwarding(tmp_path, clock, database) as forwarder:
        yield forwarder


@pytest.fixture
async def downloads(database: Database, clock: FakeClock, blobs: LocalBlobStore) -> Downloads:
    downloads = Downloads(database, clock, blobs, lambda: "http://files.test")
    await downloads.start()
    return downloads


@pytest.fixture
async def ota(  # noqa: PLR0917 - fixtures
    database: Database,
    clock: FakeClock,
    bus: LocalBus,
    downlink: RecordingDownlink,
    products: ProductService,
    devices: DeviceService,
    downloads: Downloads,
    blobs: LocalBlobStore,
    forwarder: Forwarder,
) -> AsyncIterator[OtaService]:
    ota = OtaService(
        database,
        clock,
        bus,
        downlink,
        products=products,
        devices=devices,
        downloads=downloads,
        blobs=blobs,
        forwarder=forwarder,
        base_url=lambda: "http://files.test",
        max_packages=8,
    )
    await ota.start(ticking=False)
    yield ota
    await ota.close()


@pytest.fixture
async def world(  # noqa: PLR0917 - fixtures
    database: Database,
    clock: FakeClock,
    bus: LocalBus,
    products: ProductService,
    devices: DeviceService,
    downloads: Downloads,
    ota: OtaService,
    downlink: RecordingDownlink,
    forwarder: Forwarder,
    product: Product,
) -> AsyncIterator[World]:
    groups = GroupService(database, clock, devices)
    services = Services(products, devices, ota, groups, OtaVersionService(database, clock, bus))
    routes = {"/objects": ObjectEndpoint(ota.uploads), DOWNLOADS: downloads}
    device = await devices.register(product, "nobody")
    messages = Messages(clock, device, handlers(services))
    async with sdk_api(services, clock, routes=routes) as api:
        yield World(clock, bus, products, devices, ota, downlink, forwarder, product, api, messages)
    await devices.delete(device)

"""A device that uploads files, and the services that keep them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import thingplane.files.operations  # noqa: F401 - registers the operations
from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.sdk_api import sdk_api
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import Device, DeviceService
from thingplane.files.service import DeviceFile, Downloads, FileLimits, FileService
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.blobs import LocalBlobStore
from thingplane.storage.database import Database

LIMITS = FileLimits(files=4, file_bytes=1000, instance_bytes=3000, upload_ms=60_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(folder: Path) -> LocalBlobStore:
    return LocalBlobStore(folder)


@pytest.fixture
async def files(
    *, database: Database, clock: FakeClock, bus: LocalBus, devices: DeviceService, blobs: LocalBlobStore
) -> AsyncIterator[FileService]:
    files = FileService(database, clock, bus, devices, blobs, limits=LIMITS)
    await files.start()
    yield files
    await files.close()


@pytest.fixture
async def downloads(database: Database, clock: FakeClock, blobs: LocalBlobStore) -> Downloads:
    downloads = Downloads(database, clock, blobs, lambda: "http://192.0.2.7:8080")
    await downloads.start()
    return downloads


@pytest.fixture
async def product(products: ProductService) -> Product:
    return await products.create(1, NewProduct(name="Camera", node_type=0))


@pytest.fixture
async def device(devices: DeviceService, product: Product) -> Device:
    return await devices.register(product, "camera-1")


@pytest.fixture
async def api(
    *, products: ProductService, devices: DeviceService, files: FileService, downloads: Downloads, clock: FakeClock
) -> AsyncIterator[Api]:
    async with sdk_api(Services(products, devices, files, downloads), clock) as api:
        yield api


async def upload(files: FileService, device: Device, name: str, content: bytes = b"content") -> DeviceFile:
    """Let a device upload a file."""
    upload = await files.begin(device, name)
    await upload.write(content)
    return await upload.finish()


def contents(folder: Path) -> set[bytes]:
    """Return what the files of the blob store contain."""
    return {file.read_bytes() for file in folder.rglob("*") if file.is_file()}

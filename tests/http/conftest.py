from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.real_world import RealWorld, real_world
from tests.http.client import HttpWorld
from thingplane.http.application import DeviceHttp
from thingplane.storage.database import Database, metadata
from thingplane.storage.migrate import load_tables
from thingplane.tls import Certificates, ensure_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return ensure_certificates(tmp_path_factory.mktemp("tls"), ["localhost"])


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'metadata.sqlite3'}")
    load_tables()
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()


@pytest.fixture
async def real(embedded: Database, certificates: Certificates) -> AsyncIterator[RealWorld]:
    async with real_world(embedded, certificates) as world:
        yield world


@pytest.fixture
def world(real: RealWorld) -> HttpWorld:
    """Devices over HTTP, without sockets."""
    http = DeviceHttp(real.devices, real.products, real.gateway.entrance, real.clock)
    http.mqtt_endpoint = ("iot.example.com", 1883)
    return HttpWorld(real, http)

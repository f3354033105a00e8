import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from tests.gateway.support import World, start_world
from thingplane.gateway.settings import GatewaySettings
from thingplane.storage.database import Database, metadata
from thingplane.storage.migrate import load_tables
from thingplane.tls import Certificates, ensure_certificates

StartWorld = Callable[..., Awaitable[World]]


@pytest.fixture
def logs() -> Iterator[LogCapture]:
    """What was logged, as dictionaries."""
    capture = LogCapture()
    structlog.configure(processors=[capture])
    yield capture
    structlog.reset_defaults()


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Database]:
    """An embedded metadata database, for tests that are not about storing."""
    database = Database(f"sqlite:///{tmp_path / 'metadata.sqlite3'}")
    load_tables()
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()


@pytest.fixture
async def start(embedded: Database) -> AsyncIterator[StartWorld]:
    """Starts gateways with given settings."""
    worlds: list[World] = []

    async def start_one(
        *, ssl_context: ssl.SSLContext | None = None, ports: tuple[int, int] = (0, 0), **settings: Any
    ) -> World:
        world = await start_world(
            embedded, GatewaySettings(**{"tick": 0.02, **settings}), ports=ports, ssl_context=ssl_context
        )
        worlds.append(world)
        return world

    yield start_one
    for world in worlds:
        await world.stop()


@pytest.fixture
async def world(start: StartWorld) -> World:
    """A running gateway with two devices, sensor-01 and sensor-02."""
    return await start()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return ensure_certificates(tmp_path_factory.mktemp("tls"), ["localhost"])


@pytest.fixture
def trusting(certificates: Certificates) -> ssl.SSLContext:
    """TLS context of a client that trusts the server."""
    return ssl.create_default_context(cafile=str(certificates.ca))

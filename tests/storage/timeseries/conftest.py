"""Stores to test: each test that asks for ``stores`` runs on SQLite files and on PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.common.clock import FakeClock
from tests.storage.timeseries.helpers import Stores

from thingplane.storage.timeseries import TimeSeries
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries
from thingplane.storage.timeseries.postgres import PostgresTimeSeries


@pytest.fixture(params=["embedded", "postgres"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Stores]:
    """Open stores over one and the same history."""
    if request.param == "embedded":
        stores = Stores(lambda: EmbeddedTimeSeries(tmp_path / "history", clock))
    else:
        url: str = request.getfixturevalue("postgres_url")
        stores = Stores(lambda: PostgresTimeSeries(url, clock))
    yield stores
    await stores.close()


@pytest.fixture
async def store(stores: Stores) -> TimeSeries:
    """An empty store."""
    return await stores.open()

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.common.clock import FakeClock
from tests.desired.world import Desired
from tests.telemetry.world import World, world
from thingplane.storage.database import Database


@pytest.fixture(name="world")
async def open_world(database: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database, clock, tmp_path / "history") as opened:
        yield opened


@pytest.fixture
def desired(world: World) -> Desired:
    return Desired(world)

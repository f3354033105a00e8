from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.common.clock import FakeClock
from tests.rules.world import World, open_world
from thingplane.storage.database import Database


@pytest.fixture
async def world(tmp_path: Path, database: Database, clock: FakeClock) -> AsyncIterator[World]:
    async with open_world(tmp_path, database, clock) as opened:
        yield opened

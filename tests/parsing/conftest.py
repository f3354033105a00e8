from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.common.clock import FakeClock
from tests.parsing.world import RawWorld
from tests.telemetry.world import world
from thingplane.storage.database import Database


@pytest.fixture
async def raw(database: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[RawWorld]:
    async with world(database, clock, tmp_path / "history") as opened:
        made = RawWorld(opened)
        await made.start()
        yield made

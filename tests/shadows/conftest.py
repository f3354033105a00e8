from collections.abc import AsyncIterator

import pytest

from tests.shadows.world import Shadows
from tests.telemetry.conftest import open_world  # noqa: F401 - the fixture "world"
from tests.telemetry.world import World


@pytest.fixture
async def shadows(world: World) -> AsyncIterator[Shadows]:
    opened = Shadows(world)
    await opened.service.start()
    yield opened
    await opened.service.close()

import pytest

from tests.desired.world import Desired
from tests.telemetry.conftest import open_world  # noqa: F401 - the fixture "world"
from tests.telemetry.world import World


@pytest.fixture
def desired(world: World) -> Desired:
    return Desired(world)

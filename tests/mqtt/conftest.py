from collections.abc import Callable

import pytest

from tests.mqtt.peer import RecordingPolicy
from thingplane.mqtt import Broker, Capabilities


@pytest.fixture(params=[3, 4, 5], ids=["3.1", "3.1.1", "5"])
def version(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture
def policy() -> RecordingPolicy:
    return RecordingPolicy()


@pytest.fixture
def broker(policy: RecordingPolicy) -> Broker:
    return Broker(policy, 1000.0)


@pytest.fixture
def limited() -> Callable[..., Broker]:
    """Makes a broker with given capabilities."""

    def make(**limits: object) -> Broker:
        return Broker(RecordingPolicy(Capabilities(**limits)), 1000.0)  # type: ignore[arg-type]

    return make

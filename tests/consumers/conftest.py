from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.node import node_clients  # noqa: F401 - a fixture
from tests.common.clock import FakeClock
from tests.consumers.groups import FakeGroups
from tests.consumers.support import Listening
from thingplane.consumers.service import Consumers
from thingplane.tls import Certificates, ensure_certificates, server_context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return ensure_certificates(tmp_path_factory.mktemp("tls"), ["localhost"])


@pytest.fixture
def groups() -> FakeGroups:
    return FakeGroups()


@pytest.fixture
async def listening(certificates: Certificates, groups: FakeGroups, clock: FakeClock) -> AsyncIterator[Listening]:
    """Listeners on free ports, with TLS and without."""
    consumers = Consumers(groups, clock)
    context = server_context(certificates.certificate, certificates.key)
    ports = await consumers.start(
        "127.0.0.1", context, amqp_port=0, stomp_port=0, amqp_plain_port=0, stomp_plain_port=0
    )
    listening = Listening(consumers, groups, clock, ports, Path(certificates.ca))
    yield listening
    for peer in listening.peers:
        peer.writer.transport.abort()
    await consumers.stop()

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.mqtt.interoperability.client import PATIENCE, Client, dial
from tests.mqtt.open_broker import OpenPolicy, open_broker
from thingplane.mqtt import Broker, Capabilities, Properties


class Server:
    """A broker behind a socket whose clock only moves when a test says so."""

    def __init__(self, broker: Broker, port: int, clients: contextlib.AsyncExitStack) -> None:
        self.broker = broker
        self.port = port
        self._clients = clients

    async def dial(self, version: int) -> Client:
        return await self._clients.enter_async_context(dial(self.port, version))

    # Any: the options of Client.connect.
    async def client(self, client_id: str, version: int, **options: Any) -> Client:
        """Return an accepted client."""
        client = await self.dial(version)
        connack = await client.connect(client_id, **options)
        assert connack.code == 0
        return client

    async def returning(self, client_id: str, version: int, **options: Any) -> tuple[Client, bool]:
        """Return a client that keeps its session, and whether it had one."""
        properties = options.pop("properties", None)
        if version == 5 and properties is None:
            properties = Properties(session_expiry_interval=1000)
        client = await self.dial(version)
        connack = await client.connect(client_id, clean_start=False, properties=properties, **options)
        assert connack.code == 0
        return client, connack.session_present

    async def lose(self, client: Client, client_id: str) -> None:
        """Cut the connection of a client and wait until the broker knows."""
        policy = self.broker.policy
        assert isinstance(policy, OpenPolicy)
        await client.lose()
        await asyncio.wait_for(policy.gone[client_id].wait(), PATIENCE)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, a second at a time."""
        end = self.broker.now + seconds
        while self.broker.now < end:
            self.broker.tick(min(self.broker.now + 1, end))


@pytest.fixture
def capabilities() -> Capabilities:
    """Overridden by tests that need other limits."""
    return Capabilities(max_keepalive=60)


@pytest.fixture
async def server(capabilities: Capabilities) -> AsyncIterator[Server]:
    async with open_broker(capabilities, tick=False) as (broker, port), contextlib.AsyncExitStack() as clients:
        yield Server(broker, port, clients)

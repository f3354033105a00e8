"""Requests to an MNS-compatible endpoint."""

from collections.abc import AsyncIterator

import pytest

from tests.common.clock import FakeClock
from tests.common.mns_server import MnsServer, mns_server
from thingplane.outbound import AddressRefusedError, Outbound
from thingplane.outbound.mns import MnsClient, MnsEndpoint, MnsError, authorization


@pytest.fixture
async def server() -> AsyncIterator[MnsServer]:
    async with mns_server() as server:
        yield server


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    client = Outbound(["127.0.0.1"])
    yield client
    await client.close()


def test_signature() -> None:
    headers = {"Content-Type": "text/xml", "Date": "Wed, 22 Nov 2026 00:00:00 GMT", "x-mns-version": "2015-06-06"}
    endpoint = MnsEndpoint("http://mns.test", "id", "secret")
    # Computed with OpenSSL over the text that the vendor's documentation prescribes.
    assert authorization(endpoint, "POST", headers, "/queues/q/messages") == "MNS id:sV5vdmopgV9gH6R3jfvVjYgVzQk="


@pytest.mark.parametrize("path", ["", "/", "/base/"])
async def test_send_and_publish(server: MnsServer, outbound: Outbound, clock: FakeClock, path: str) -> None:
    client = MnsClient(outbound, server.endpoint(path), clock)
    await client.send("orders", '{"a":"<&>"}')
    await client.publish("news", "text", "tag<1>")
    assert server.queues == {"orders": ['{"a":"<&>"}'], "news": ["text"]}
    assert server.tags == [None, "tag<1>"]


async def test_a_refusal_names_status_and_code(server: MnsServer, outbound: Outbound, clock: FakeClock) -> None:
    client = MnsClient(outbound, server.endpoint(), clock)
    server.failures = [(404, "QueueNotExist"), (500, "")]
    with pytest.raises(MnsError, match="404 QueueNotExist"):
        await client.send("orders", "{}")
    with pytest.raises(MnsError, match=r"500$"):
        await client.send("orders", "{}")
    wrong = MnsClient(outbound, MnsEndpoint(server.endpoint().url, "mnsid", "guess"), clock)
    with pytest.raises(MnsError, match="403 SignatureDoesNotMatch"):
        await wrong.send("orders", "{}")
    assert server.queues == {}


async def test_an_endpoint_in_the_own_network_has_to_be_allowed(server: MnsServer, clock: FakeClock) -> None:
    strict = Outbound()
    with pytest.raises(AddressRefusedError):
        await MnsClient(strict, server.endpoint(), clock).send("orders", "{}")
    await strict.close()
    assert server.requests == 0

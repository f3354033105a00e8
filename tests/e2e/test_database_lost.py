"""PostgreSQL goes away under load: no acknowledgement without it, and the node goes on when it is back."""

import asyncio
import contextlib
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.common.node import NodeProcess, running_node
from tests.common.postgres import PostgresServer, create_database, postgres_server
from tests.e2e.conftest import cloud_client
from tests.e2e.posting import MODEL, PostingDevice, check_history
from thingplane.cli.fleet import create_product, ensure_devices
from thingplane.cloud.client import CallError

PATIENCE_S = 40


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test's own, to be stopped at will."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def node(server: PostgresServer, tmp_path: Path) -> Iterator[NodeProcess]:
    with running_node(tmp_path / "data", database_url=create_database(server.url, "thingplane")) as node:
        yield node


async def keep_posting(device: PostingDevice, node: NodeProcess) -> None:
    """Post for ever, connecting again after each loss as firmware does."""
    while True:
        await device.run(node.address("mqtt"))
        await asyncio.sleep(0.05)


def count(devices: list[PostingDevice]) -> int:
    return sum(len(device.acknowledged) for device in devices)


async def wait_for(devices: list[PostingDevice], wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while count(devices) < wanted:
        assert time.monotonic() < deadline, "posts are not acknowledged"
        await asyncio.sleep(0.02)


def readiness(node: NodeProcess) -> int:
    host, port = node.address("api")
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=15) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def registers(node: NodeProcess, product_key: str, name: str) -> bool:
    """Tell whether RegisterDevice answers with success."""
    client = cloud_client(node)
    try:
        answer = await asyncio.to_thread(client.call, "RegisterDevice", {"ProductKey": product_key, "DeviceName": name})
    except CallError:
        return False
    return bool(answer["Success"])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["shutdown", "crash"])
async def test_nothing_is_acknowledged_without_the_database_and_all_goes_on_when_it_is_back(
    server: PostgresServer, node: NodeProcess, how: signal.Signals
) -> None:
    since = int(time.time() * 1000) - 1000
    product_key = create_product(cloud_client(node), "outage", MODEL)
    identities = ensure_devices(cloud_client(node), product_key, [f"post-{number}" for number in range(4)])
    devices = [PostingDevice(identity) for identity in identities]
    load = asyncio.gather(*(keep_posting(device, node) for device in devices))
    try:
        await lose_and_regain(server, node, how, devices)
    finally:
        load.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await load
    check_history(cloud_client(node), devices, since)
    assert node.stop() == 0


async def lose_and_regain(
    server: PostgresServer, node: NodeProcess, how: signal.Signals, devices: list[PostingDevice]
) -> None:
    product_key = devices[0].identity.product_key
    await wait_for(devices, 200)

    await asyncio.to_thread(server.stop, how)
    at_stop = count(devices)
    assert not await registers(node, product_key, "during")
    assert await asyncio.to_thread(readiness, node) == 503
    # Acknowledgements of what was committed before the stop may still have been under way.
    assert count(devices) <= at_stop + 4 * 8
    assert node.running()

    await asyncio.to_thread(server.start)
    await wait_for(devices, count(devices) + 200)
    assert await registers(node, product_key, "afterwards")
    assert await asyncio.to_thread(readiness, node) == 200

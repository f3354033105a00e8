"""What was acknowledged survives kill -9."""

import asyncio
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.gateway.client import Client
from tests.gateway.support import PRODUCT_KEY, start_world
from thingplane.mqtt.packets import Puback, Publish
from thingplane.storage.database import Database

GET = f"/{PRODUCT_KEY}/sensor-01/user/get"
SET = f"/sys/{PRODUCT_KEY}/sensor-01/thing/service/property/set"
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
async def test_subscriptions_and_kept_messages_survive_a_kill(database: Database) -> None:
    node = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.gateway.crashing", database.url, stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    assert node.stdin is not None
    assert node.stdout is not None
    try:
        port = int(await asyncio.wait_for(node.stdout.readline(), 30))
        client = await Client.dial(port)
        assert (await client.connect(clean_start=False)).code == 0
        assert await client.subscribe(GET) == [1]
        await client.disconnect()
        for _ in range(3):
            node.stdin.write(SET.encode() + b"\n")
            line = b""
            while line not in {b"True\n", b"False\n"}:  # log lines come the same way
                line = await asyncio.wait_for(node.stdout.readline(), 10)
            assert line == b"True\n"
    finally:
        node.kill()
        await node.wait()

    world = await start_world(database)
    try:
        again = await Client.open(world)
        assert (await again.connect(clean_start=False)).session_present
        for expected in (b"1", b"2", b"3"):
            packet = await again.expect(Publish)
            assert packet.payload == expected
            again.send(Puback(packet.packet_id))
        session = world.gateway.downlink._sessions.live(1)
        assert session is not None
        assert list(session.subscriptions) == [GET]
    finally:
        await world.stop()

"""A gateway in a process of its own, to be killed: ``python -m tests.gateway.crashing DATABASE_URL``."""

import asyncio
import sys

import uvloop

from tests.gateway.support import start_world
from thingplane.bus import DownlinkMessage
from thingplane.storage.database import Database


async def main(url: str) -> None:
    """Print the port, then send a message to the first device for each line of input and say how it went."""
    world = await start_world(Database(url))
    sys.stdout.write(f"{world.ports.mqtt}\n")
    sys.stdout.flush()
    number = 0
    while (line := await asyncio.to_thread(sys.stdin.readline)) != "":
        number += 1
        message = DownlinkMessage(device_id=1, topic=line.strip(), payload=b"%d" % number, qos=1)
        sys.stdout.write(f"{await world.gateway.downlink.send(message)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))

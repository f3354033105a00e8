"""A plain MQTT broker on asyncio around the open policy: `python -m tests.mqtt.open_broker --port 1883`."""

import argparse
import asyncio
import contextlib
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import cast

from thingplane.mqtt import AllowAllPolicy, Broker, Capabilities, Closed, Link, ReasonCode
from thingplane.mqtt.packets import Subscribe

TICK = 0.1  # s; coarser would do, but tests should not wait
LINGER = 2.0  # s a peer has for closing its side


class OpenPolicy(AllowAllPolicy):
    """Allows everything but subscriptions to one filter, so that a refusal can be seen."""

    def __init__(self, capabilities: Capabilities | None = None, refused_filter: str = "test/nosubscribe") -> None:
        super().__init__(capabilities)
        self.refused_filter = refused_filter
        self.gone: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def subscribe(self, link: Link, packet: Subscribe) -> None:
        refused = ReasonCode.UNSPECIFIED_ERROR
        link.grant(
            packet,
            [refused if item.topic_filter == self.refused_filter else item.qos for item in packet.subscriptions],
        )

    def closed(self, link: Link, closed: Closed) -> None:  # noqa: ARG002 - whatever the reason
        self.gone[link.client_id].set()


class Transport(asyncio.Protocol):
    """Moves bytes between a socket and a link."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.lingering: asyncio.TimerHandle | None = None
        self.link = self.broker.open(self._flush)

    def data_received(self, data: bytes) -> None:
        self.link.receive_data(data)
        self._flush(self.link)

    def _flush(self, link: Link) -> None:
        data = link.data_to_send()
        if data:
            self.transport.write(data)
        if link.closing and self.lingering is None:
            # Closing at once would reset the connection if the peer has sent more, and the reset could overtake the
            # DISCONNECT: say that nothing follows, and wait for the peer to close.
            with contextlib.suppress(OSError):  # the peer has already reset the connection
                self.transport.write_eof()
            self.lingering = asyncio.get_running_loop().call_later(LINGER, self.transport.abort)

    def pause_writing(self) -> None:
        self.link.pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()
        self.link.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        if self.lingering is not None:
            self.lingering.cancel()
        self.link.connection_lost()


async def _tick(broker: Broker) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(TICK)
        broker.tick(loop.time())


@contextlib.asynccontextmanager
async def open_broker(
    capabilities: Capabilities | None = None, port: int = 0, *, tick: bool = True
) -> AsyncIterator[tuple[Broker, int]]:
    """Serve on 127.0.0.1; yields the broker and the port. Without `tick`, time stands still."""
    loop = asyncio.get_running_loop()
    broker = Broker(OpenPolicy(capabilities), loop.time() if tick else 0.0)
    server = await loop.create_server(lambda: Transport(broker), "127.0.0.1", port)
    ticker = asyncio.create_task(_tick(broker)) if tick else None
    try:
        yield broker, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        broker.close()
        await server.wait_closed()
        if ticker is not None:
            ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticker


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=1883)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    async with open_broker(Capabilities(max_keepalive=60), parser.parse_args().port):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())

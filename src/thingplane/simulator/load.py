"""Load for measurements: devices that post as fast as they are answered, or at a rate on a fixed schedule."""

import asyncio
import ssl
import time
from array import array
from collections.abc import Sequence
from typing import cast

from thingplane.simulator import wire
from thingplane.simulator.client import RefusedError
from thingplane.simulator.wire import Identity

_BODY = (
    b'{"id":"%010d","version":"1.0","sys":{"ack":1},"params":{"Temperature":{"value":%d.%d,"time":%d},'
    b'"Humidity":{"value":%d,"time":%d},"Heating":{"value":%d,"time":%d}},"method":"thing.event.property.post"}'
)


class LoadDevice(asyncio.Protocol):
    """One connection. A post counts as answered when its PUBACK and the platform's reply are both there.

    Against a bare broker, which does not reply, the PUBACK is the answer.
    """

    def __init__(
        self, identity: Identity, *, secure: bool, latencies: "array[float]", expect_reply: bool = True
    ) -> None:
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered = 0
        self.failed = 0
        self.lost = False
        self.running = False
        self._identity = identity
        self._secure = secure
        self._expect_reply = expect_reply
        self._latencies = latencies
        self._reader = wire.Reader()
        self._topics = [_post_topic(identity)]
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self._acknowledged = 0
        self._replied = 0
        self._due: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(wire.connect(self._identity, secure=self._secure))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._transport = None
        if not self.connected.done():
            self.connected.set_exception(RefusedError(f"connection closed: {exc or 'by the platform'}"))

    def data_received(self, data: bytes) -> None:
        for packet in self._reader.feed(data):
            if packet.kind == wire.PUBACK:
                self._acknowledged += 1
            elif packet.kind == wire.PUBLISH:
                self._replied += 1
                self.failed += b'"code":200,"data":{},' not in packet.body
            elif packet.kind == wire.CONNACK:
                if packet.body[1]:
                    self.connected.set_exception(RefusedError(f"CONNACK {packet.body[1]}"))
                else:
                    self.connected.set_result(None)
        now = time.perf_counter()
        complete = min(self._acknowledged, self._replied) if self._expect_reply else self._acknowledged
        while self.answered < complete:
            self.answered += 1
            self._latencies.append(now - self._due.pop(0))
            if self.running:
                self.post(now)

    def post(self, due: float) -> None:
        """Post three properties; the latency counts from ``due`` (perf_counter seconds)."""
        if self._transport is None:
            return
        self._number += 1
        number, now = self._number, int(time.time() * 1000)
        body = _BODY % (number, 10 + number % 40, number % 10, now, number % 100, now, number % 2, now)
        self._due.append(due)
        topics = self._topics
        self._transport.write(wire.publish(topics[number % len(topics)], body, (number - 1) % 65535 + 1))

    def speak_for(self, subs: Sequence[Identity]) -> None:
        """Post for these sub-devices in turn from now on, as their gateway."""
        self._topics = [_post_topic(sub) for sub in subs]

    def write(self, data: bytes) -> None:
        """Send a packet as it is."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.write(wire.DISCONNECT)
            self._transport.close()


def _post_topic(identity: Identity) -> bytes:
    return f"/sys/{identity.product_key}/{identity.device_name}/thing/event/property/post".encode()


class Load:
    """Connections that load a node together."""

    def __init__(self) -> None:
        self.devices: list[LoadDevice] = []
        self.latencies: array[float] = array("d")
        """Seconds from due to answered, of every answered post."""

    async def connect(
        self,
        identities: Sequence[Identity],
        host: str,
        port: int,
        context: ssl.SSLContext | None = None,
        *,
        at_once: int = 100,
        expect_reply: bool = True,
    ) -> None:
        """Open all connections.

        Args:
            identities: the devices.
            host: where the platform listens.
            port: and at which port.
            context: for TLS; None for plain TCP.
            at_once: connections that are opened at the same time.
            expect_reply: False for a bare broker, whose PUBACK is the whole answer.

        Raises:
            RefusedError: the platform refused a device.
            OSError: nobody listens there.
        """
        loop = asyncio.get_running_loop()

        async def open_one(identity: Identity) -> LoadDevice:
            _, device = await loop.create_connection(
                lambda: LoadDevice(
                    identity, secure=context is not None, latencies=self.latencies, expect_reply=expect_reply
                ),
                host,
                port,
                ssl=context,
            )
            await device.connected
            return device

        for start in range(0, len(identities), at_once):
            batch = identities[start : start + at_once]
            self.devices += await asyncio.gather(*(open_one(identity) for identity in batch))

    def start_closed_loop(self, window: int) -> None:
        """Keep ``window`` posts in flight on every connection from now on."""
        now = time.perf_counter()
        for device in self.devices:
            device.running = True
            for _ in range(window):
                device.post(now)

    async def run_paced(self, rate: float, duration: float) -> int:
        """Post ``rate`` times a second on a fixed schedule, whether answers come or not; returns how often."""
        start = time.perf_counter()
        posted = 0
        while (elapsed := time.perf_counter() - start) < duration:
            while posted < elapsed * rate:
                self.devices[posted % len(self.devices)].post(start + posted / rate)
                posted += 1
            await asyncio.sleep(0.0005)
        return posted

    @property
    def answered(self) -> int:
        """Posts that have been answered completely."""
        return sum(device.answered for device in self.devices)

    @property
    def failed(self) -> int:
        """Replies with another code than 200, or with rejected properties."""
        return sum(device.failed for device in self.devices)

    @property
    def lost(self) -> int:
        """Connections that the platform closed."""
        return sum(device.lost for device in self.devices)

    def stop(self) -> None:
        """Post nothing more."""
        for device in self.devices:
            device.running = False

    def close(self) -> None:
        """Close all connections."""
        for device in self.devices:
            device.close()

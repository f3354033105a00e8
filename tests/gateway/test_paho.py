"""The most common client library, unmodified, on every transport and protocol version."""

import asyncio
import queue
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from paho.mqtt import client as paho

from tests.gateway.conftest import StartWorld
from tests.gateway.support import PRODUCT_KEY, World, password
from thingplane.bus import DownlinkMessage
from thingplane.tls import Certificates, server_context

SYS = f"/sys/{PRODUCT_KEY}/sensor-01/"


def number(code: Any) -> int:
    """Return a code's number: MQTT 5 ones are objects."""
    value: int = getattr(code, "value", code)
    return value


class Device:
    """A paho client on its own thread; results arrive in queues."""

    def __init__(self, transport: str, protocol: int, context: ssl.SSLContext | None) -> None:
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()
        options = {} if protocol == paho.MQTTv5 else {"clean_session": True}
        self.client = paho.Client(
            "sn0001|securemode=3,signmethod=hmacsha256|", transport=transport, protocol=protocol, **options
        )
        self.client.username_pw_set(f"sensor-01&{PRODUCT_KEY}", password())
        if context is not None:
            self.client.tls_set_context(context)
        if transport == "websockets":
            self.client.ws_set_options(path="/mqtt")
        self.client.on_connect = lambda _c, _u, _flags, code, *_: self.events.put(("connect", number(code)))
        self.client.on_message = lambda _c, _u, message: self.events.put(("message", (message.topic, message.payload)))
        self.client.on_publish = lambda _c, _u, mid, *_: self.events.put(("publish", mid))
        self.client.on_subscribe = lambda _c, _u, _mid, codes, *_: self.events.put(
            ("subscribe", [number(code) for code in codes])
        )

    async def next(self, kind: str) -> Any:
        found, value = await asyncio.to_thread(self.events.get, timeout=10)
        assert found == kind, (found, value)
        return value


@pytest.fixture(params=[paho.MQTTv31, paho.MQTTv311, paho.MQTTv5])
def protocol(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(params=[("tcp", False), ("tcp", True), ("websockets", False), ("websockets", True)])
def device(request: pytest.FixtureRequest, protocol: int, trusting: ssl.SSLContext) -> Iterator[Device]:
    transport, secure = request.param
    device = Device(transport, protocol, trusting if secure else None)
    yield device
    device.client.disconnect()
    device.client.loop_stop()


@pytest.fixture
async def secure_world(start: StartWorld, certificates: Certificates) -> World:
    return await start(ssl_context=server_context(certificates.certificate, certificates.key))


async def test_connecting_subscribing_publishing_and_receiving(secure_world: World, device: Device) -> None:
    world = secure_world
    device.client.connect_async("localhost", world.ports.mqtt, keepalive=60)
    device.client.loop_start()
    assert await device.next("connect") == 0
    device.client.subscribe([(f"/{PRODUCT_KEY}/sensor-01/user/get", 1), (f"/{PRODUCT_KEY}/other/user/get", 1)])
    assert (await device.next("subscribe"))[0] == 1
    device.client.publish(SYS + "thing/event/property/post", b'{"id":"1","params":{"t":1}}', qos=1)
    kinds = {}
    for _ in range(2):
        kind, value = await asyncio.to_thread(device.events.get, timeout=10)
        kinds[kind] = value
    assert kinds["message"][0] == SYS + "thing/event/property/post_reply"
    assert "publish" in kinds
    message = DownlinkMessage(
        device_id=1,
        topic=f"/{PRODUCT_KEY}/sensor-01/user/get",
        payload=b"x" * 100_000,
        qos=1,
        needs_subscription=True,
    )
    assert await world.gateway.downlink.send(message)
    topic, payload = await device.next("message")
    assert (topic, len(payload)) == (message.topic, 100_000)

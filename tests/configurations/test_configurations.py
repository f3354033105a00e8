"""Remote configuration: saved by an operator, fetched by devices, or pushed to them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.clock import FakeClock
from tests.common.forwarding import AllTo, forwarding
from tests.common.uplinks import Messages
from thingplane.bus import DownlinkMessage, LocalBus, Receiver
from thingplane.cloud import Services
from thingplane.cloud.http import Message
from thingplane.configurations.device import handlers
from thingplane.configurations.service import ConfigurationService
from thingplane.configurations.store import ConfigurationError, ConfigurationStore
from thingplane.devices.service import Device, DeviceService
from thingplane.files.service import Downloads
from thingplane.forwarding.service import Forwarder
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.blobs import BlobStore
from thingplane.storage.database import Database

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CONTENT = b'{"interval": 10}'
TOPIC = "thing/config/get"
WANTED = {"configScope": "product", "getType": "file"}


class Fleet:
    """Devices that are online, and what they were sent."""

    def __init__(self) -> None:
        self.devices: list[Device] = []
        self.sent: list[DownlinkMessage] = []

    def online(self, product_id: int | str) -> list[Receiver]:
        return [Receiver(d.id, d.product_key, d.name) for d in self.devices if d.product_id == product_id]

    async def send(self, message: DownlinkMessage) -> bool:
        self.sent.append(message)
        return True


class World:
    """A product with a device, and what hands configurations out."""

    def __init__(self, database: Database, clock: FakeClock, forwarder: Forwarder) -> None:
        self.forwarder = forwarder
        self.database = database
        self.clock = clock
        bus = LocalBus()
        self.products = ProductService(database, clock, bus)
        self.devices = DeviceService(database, clock, bus, self.products)
        self.store = ConfigurationStore(database, clock)
        no_blobs: BlobStore = None  # type: ignore[assignment]  # nothing else is downloaded
        self.downloads = Downloads(database, clock, no_blobs, lambda: "http://192.0.2.7:8080")
        self.downloads.add_source("config", self.store)
        self.fleet = Fleet()
        fleet: Any = self.fleet
        self.service = ConfigurationService(self.store, self.products, self.downloads, fleet, fleet)
        self.product: Product
        self.device: Device
        self.messages: Messages

    async def start(self) -> None:
        await self.downloads.start()
        self.product = await self.products.create(1, NewProduct(name="Lamp", node_type=0))
        self.device = await self.devices.register(self.product, "lamp1")
        self.messages = Messages(
            self.clock, self.device, handlers(Services(self.service, self.devices, self.forwarder))
        )

    async def get(self, params: Any = WANTED) -> dict[str, Any]:
        return await self.messages.request(TOPIC, params)

    async def fetch(self, url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Download as a device does."""
        path, _, query = url.removeprefix("http://192.0.2.7:8080").partition("?")
        assert path.startswith("/download/")
        scope = {
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        sent: list[Message] = []

        async def receive() -> Message:
            await asyncio.get_running_loop().create_future()  # nobody goes
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        await self.downloads(scope, receive, send)
        start, *rest = sent
        shown = {bytes(name).decode(): value.decode() for name, value in start["headers"]}
        return start["status"], shown, b"".join(message.get("body", b"") for message in rest)


@pytest.fixture(name="world")
async def open_world(database: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[World]:
    async with forwarding(tmp_path, clock, database) as forwarder:
        world = World(database, clock, forwarder)
        await world.start()
        yield world
        await world.service.close()


async def test_a_device_fetches_the_configuration_of_its_product(world: World) -> None:
    saved = await world.store.save(world.product.id, CONTENT)
    reply = await world.messages.ask(
        TOPIC,
        b'{"id":123,"version":"1.0","params":{"configScope":"product","getType":"file"},"method":"thing.config.get"}',
    )
    url = msgspec.json.decode(reply)["data"]["url"]
    assert reply == (
        b'{"code":200,"data":{"configId":"%b","configSize":16,"sign":"%b","signMethod":"Sha256","url":"%b",'
        b'"getType":"file"},"id":123,"message":"success","method":"thing.config.get","version":"1.0"}'
        % (saved.config_id.encode(), hashlib.sha256(CONTENT).hexdigest().encode(), url.encode())
    )
    assert len(url) < 512
    status, headers, body = await world.fetch(url)
    assert (status, headers["Content-Length"], body) == (200, "16", CONTENT)
    status, _, body = await world.fetch(url, range="bytes=2-9")
    assert (status, body) == (206, b"interval")


async def test_a_url_is_valid_for_half_an_hour(world: World) -> None:
    await world.store.save(world.product.id, CONTENT)
    url = (await world.get())["data"]["url"]
    world.clock.advance(1799)
    assert (await world.fetch(url))[0] == 200
    world.clock.advance(1)
    assert (await world.fetch(url))[0] == 403


async def test_five_versions_are_kept_and_the_newest_is_in_force(world: World) -> None:
    first = await world.store.save(world.product.id, b"0")
    url = (await world.get())["data"]["url"]
    for number in range(1, 6):
        newest = await world.store.save(world.product.id, b"%d" % number)
    versions = await world.store.versions(world.product.id)
    assert [await world.store.content(version.config_id) for version in versions] == [b"5", b"4", b"3", b"2", b"1"]
    assert versions[0] == newest
    assert (await world.get())["data"]["configId"] == newest.config_id
    assert await world.store.content(first.config_id) is None
    assert (await world.fetch(url))[0] == 404


async def test_without_a_configuration_and_with_it_turned_off(world: World) -> None:
    assert (await world.get())["code"] == 6710
    await world.store.save(world.product.id, CONTENT)
    await world.store.switch(world.product.id, enabled=False)
    assert (await world.get())["code"] == 6713
    await world.store.switch(world.product.id, enabled=True)
    assert (await world.get({}))["code"] == 200


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "params", [{"configScope": "device"}, {"getType": "content"}, {"configScope": 1}, [], b'{"getType":"\xff"}']
)
async def test_other_scopes_and_types_are_refused(world: World, params: Any) -> None:
    await world.store.save(world.product.id, CONTENT)
    assert (await world.get(params))["code"] == 460


@ON_ONE_DATABASE
@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'"%b"' % (b"x" * 64 * 1024)])
async def test_what_is_no_configuration(world: World, content: bytes) -> None:
    with pytest.raises(ConfigurationError):
        await world.store.save(world.product.id, content)
    assert await world.store.versions(world.product.id) == []


async def test_a_push_reaches_the_devices_that_are_online(world: World) -> None:
    saved = await world.store.save(world.product.id, CONTENT)
    heater = await world.products.create(1, NewProduct(name="Heater", node_type=0))
    await world.devices.register(world.product, "lamp2")
    world.fleet.devices = [world.device, await world.devices.register(heater, "heater1")]
    asked = await world.store.request_push(world.product.id)
    await world.service.start()
    [message] = world.fleet.sent
    assert message.topic == f"/sys/{world.product.product_key}/lamp1/thing/config/push"
    assert (message.qos, message.expiry) == (1, 1800)
    push = msgspec.json.decode(message.payload)
    assert int(push.pop("id")) < 2**31
    url = push["params"].pop("url")
    assert push == {
        "version": "1.0",
        "method": "thing.config.push",
        "params": {
            "configId": saved.config_id,
            "configSize": 16,
            "sign": saved.sha256,
            "signMethod": "Sha256",
            "getType": "file",
        },
    }
    assert (await world.fetch(url))[2] == CONTENT
    done = await world.store.push(asked.id)
    assert done is not None
    assert done.sent == 1
    await world.service.refresh()
    assert len(world.fleet.sent) == 1
    await world.store.request_push(world.product.id)
    await world.service.refresh()
    assert len(world.fleet.sent) == 2


async def test_what_a_device_says_to_a_push_is_forwarded(world: World) -> None:
    world.forwarder.add_router(everything := AllTo())
    reply = b'{"id":"17","code":200,"data":{"applied":1}}'
    assert await world.messages.publish("thing/config/push_reply", reply) == []
    member = await world.forwarder.enroll("group", "one")
    everything.members = [member]
    world.forwarder.routes_changed()
    for payload in (reply, b'{"id":18,"code":400,"message":"no"}', b"{", b'{"id":"x"}', b'{"id":1,"data":[]}'):
        assert await world.messages.publish("thing/config/push_reply", payload) == []
    await world.forwarder.durable()
    found = await world.forwarder.read(member, -1, 10)
    key = world.product.product_key
    assert {message.topic for message in found} == {f"/{key}/lamp1/thing/downlink/reply/message"}
    said = [msgspec.json.decode(message.body) for message in found]
    assert [(body["requestId"], body["code"], body["message"], body["data"]) for body in said] == [
        (17, 200, "", {"applied": 1}),
        (18, 400, "no", {}),
        (1, 0, "", {}),
    ]
    assert said[0]["topic"] == f"/sys/{key}/lamp1/thing/config/push"


async def test_pushes_that_cannot_be(world: World) -> None:
    product_id = world.product.id
    with pytest.raises(ConfigurationError, match="no configuration"):
        await world.store.request_push(product_id)
    await world.store.save(product_id, CONTENT)
    await world.store.switch(product_id, enabled=False)
    with pytest.raises(ConfigurationError, match="turned off"):
        await world.store.request_push(product_id)
    await world.store.switch(product_id, enabled=True)
    await world.store.request_push(product_id, per_hour=1)
    with pytest.raises(ConfigurationError, match="an hour"):
        await world.store.request_push(product_id, per_hour=1)
    world.clock.advance(3600)
    again = await world.store.request_push(product_id, per_hour=1)
    await world.store.withdraw(again)
    assert [push.product_id for push in await world.store.waiting()] == [product_id]


async def test_configurations_go_with_their_product(world: World) -> None:
    saved = await world.store.save(world.product.id, CONTENT)
    await world.store.request_push(world.product.id)
    await world.devices.delete(world.device)
    await world.products.delete(world.product)
    assert await world.store.content(saved.config_id) is None
    assert await world.store.waiting() == []

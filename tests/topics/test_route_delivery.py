"""Where messages go along routes: at once, after failures, after a restart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.common.clock import FakeClock
from tests.common.downlink import RecordingDownlink
from tests.common.forwarding import forwarding
from tests.devices.marks import one_database
from tests.rules.world import Naps
from thingplane.alink import Uplink
from thingplane.bus import DownlinkMessage, LocalBus
from thingplane.devices.service import Device, DeviceService
from thingplane.forwarding.service import Forwarder
from thingplane.products.service import NewProduct, Product, ProductChanged, ProductService
from thingplane.rules.runtime.route_tables import RouteTables
from thingplane.storage.database import Database
from thingplane.topics.outgoing import CustomOutgoing
from thingplane.topics.routes import TopicRouteService
from thingplane.topics.service import TopicService

PATIENCE_S = 20
EARS = ("ear-1", "ear-2", "ear-3")


class FailingDownlink(RecordingDownlink):
    """Fails for some devices, as one does whose database is away."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[int] = set()

    async def send(self, message: DownlinkMessage) -> bool:
        if message.device_id in self.failing:
            raise OSError("the disk is away")
        return await super().send(message)


class World:
    """A device that talks, devices that may listen, and the routes between them."""

    product: Product
    talker: Device

    def __init__(self, database: Database, clock: FakeClock, forwarder: Forwarder) -> None:
        self.clock = clock
        self.forwarder = forwarder
        bus = self.bus = LocalBus()
        self.products = ProductService(database, clock, bus)
        self.topics = TopicService(database, bus, self.products)
        self.devices = DeviceService(database, clock, bus, self.products)
        self.routes = TopicRouteService(database, bus, self.products, self.devices, self.topics)
        self.downlink = FailingDownlink()
        self.naps = Naps()
        self.tables = RouteTables(forwarder, self.routes, self.downlink, clock, self.naps.sleep)
        self._outgoing = CustomOutgoing(forwarder, self.products)
        self.ears: dict[str, Device] = {}

    async def prepare(self) -> None:
        known = await self.products.by_id(1)
        if known is None:
            known = await self.products.create(1, NewProduct(name="speaker", node_type=0))
            self.devices.connected(await self.devices.register(known, "talker"), "10.0.0.1")
            for name in EARS:
                await self.devices.register(known, name)
        self.product = known
        self.talker = await self.devices.resolve(1, product_key=known.product_key, name="talker")
        self.ears = {name: found for name in EARS if (found := await self.devices.find(known.product_key, name))}

    def topic(self, name: str) -> str:
        return f"/{self.product.product_key}/{name}/user/get"

    @property
    def source(self) -> str:
        return f"/{self.product.product_key}/talker/user/update"

    async def route(self, *names: str) -> None:
        assert await self.routes.create(1, self.source, [self.topic(name) for name in names]) == []

    async def unroute(self, *names: str) -> None:
        assert await self.routes.delete(1, self.source, [self.topic(name) for name in names]) == []

    async def say(self, *payloads: bytes, qos: int = 1, properties: dict[str, object] | None = None) -> None:
        """Publish messages; they are acknowledged when this returns."""
        for payload in payloads:
            uplink = Uplink(self.talker, self.source, "", payload, self.clock.now_ms(), qos=qos, properties=properties)
            pending = self._outgoing.on_custom_message(uplink)
            if pending is not None:
                await pending
        await self.forwarder.durable()

    async def subscriber(self) -> int:
        return await self.forwarder.enroll("route", self.product.product_key)

    async def idle(self) -> None:
        """Wait until the table has finished everything."""
        subscriber = await self.subscriber()
        await self.until(lambda: self.forwarder.waiting(subscriber) == 0)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - what is awaited has no event
                await asyncio.sleep(0.001)

    async def napping(self, tries: int) -> None:
        """Wait for the pause after so many tries, and end it."""
        await self.until(lambda: len(self.naps.seconds) == tries and self.naps.count > 0)
        self.naps.wake()

    def heard(self, name: str) -> list[bytes]:
        return [message.payload for message in self.downlink.sent if message.device_id == self.ears[name].id]


@asynccontextmanager
async def open_world(folder: Path, database: Database, clock: FakeClock) -> AsyncIterator[World]:
    """Give a started world; the same folder and database can be opened again."""
    async with forwarding(folder, clock, database) as forwarder:
        world = World(database, clock, forwarder)
        await world.devices.start()
        await world.prepare()
        await world.routes.start()
        await world.tables.start()
        try:
            yield world
        finally:
            await world.tables.close()
            await world.routes.close()
            await world.devices.close()


@pytest.fixture
async def world(tmp_path: Path, database: Database, clock: FakeClock) -> AsyncIterator[World]:
    async with open_world(tmp_path, database, clock) as opened:
        yield opened


@pytest.mark.parametrize("qos", [0, 1])
@one_database
async def test_messages_go_unchanged_to_all_destinations_and_are_written_once(world: World, qos: int) -> None:
    await world.route(*EARS)
    await world.say(b"\x00hello", qos=qos)
    await world.idle()
    assert world.downlink.sent == [
        DownlinkMessage(
            device_id=world.ears[name].id,
            topic=world.topic(name),
            payload=b"\x00hello",
            qos=qos,
            needs_subscription=True,
            needs_room=True,
        )
        for name in EARS
    ]
    assert world.forwarder.counters.forwarded == 1
    assert world.tables.reading() == {
        "routes_messages_waiting": 0,
        "routes_delivered_total": 3,
        "routes_retried_total": 0,
        "routes_dropped_total": 0,
    }


@one_database
async def test_a_message_leaves_in_the_turn_after_its_commit(world: World) -> None:
    await world.route("ear-1")
    await world.say(b"x", qos=0)
    await asyncio.sleep(0)
    assert world.heard("ear-1") == [b"x"]


@one_database
async def test_a_topic_without_routes_is_not_written(world: World) -> None:
    await world.say(b"before there is any")
    await world.route("ear-1")
    await world.unroute("ear-1")
    await world.say(b"after it")
    assert world.forwarder.counters.forwarded == 0
    assert world.downlink.sent == []


@one_database
async def test_messages_of_a_device_arrive_in_their_order(world: World) -> None:
    await world.route("ear-1", "ear-2")
    said = [b"%d" % number for number in range(300)]
    for start in range(0, 300, 30):
        await world.say(*said[start : start + 30])
    await world.idle()
    assert world.heard("ear-1") == world.heard("ear-2") == said


@one_database
async def test_what_a_publisher_says_with_mqtt_5_goes_along(world: World) -> None:
    await world.route("ear-1")
    said: dict[str, object] = {
        "expiry": 30,
        "response_topic": "answers",
        "correlation_data": b"\xff",
        "user": [("a", "1"), ("a", "2")],
    }
    await world.say(b"x", properties=said)
    await world.idle()
    [message] = world.downlink.sent
    assert message.expiry == 30
    assert message.properties == {name: value for name, value in said.items() if name != "expiry"}
    assert len(said) == 4


async def test_a_restart_delivers_what_was_acknowledged_and_not_delivered(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    said: dict[str, object] = {"expiry": 30, "correlation_data": b"\xff", "user": [("a", "1")]}
    async with open_world(tmp_path, database, clock) as before:
        await before.route("ear-1", "ear-2")
        before.downlink.failing = {device.id for device in before.ears.values()}
        await before.say(b"one", properties=said)
        await before.say(b"two")
        await before.until(lambda: before.naps.count == 4)
    clock.advance(12.5)
    async with open_world(tmp_path, database, clock) as after:
        await after.idle()
        assert after.heard("ear-1") == after.heard("ear-2") == [b"one", b"two"]
        first = after.downlink.sent[0]
        assert (first.qos, first.expiry, first.properties["correlation_data"]) == (1, 18, b"\xff")
        assert first.properties["user"] == [["a", "1"]]
        await after.say(b"three")
        await after.idle()
        assert after.heard("ear-1") == [b"one", b"two", b"three"]


@one_database
async def test_what_fails_is_tried_again_while_others_go_on_and_dropped_in_the_end(world: World) -> None:
    await world.route("ear-1", "ear-2")
    world.downlink.failing = {world.ears["ear-1"].id}
    await world.say(b"one")
    await world.until(lambda: world.naps.count == 1)
    await world.say(b"two")
    await world.until(lambda: world.naps.count == 2)
    assert world.heard("ear-2") == [b"one", b"two"]
    world.downlink.failing.clear()
    world.naps.wake()
    await world.idle()
    assert world.heard("ear-1") == [b"one", b"two"]

    world.downlink.failing = {world.ears["ear-1"].id}
    world.naps.seconds.clear()
    await world.say(b"three")
    for tries in (1, 2, 3):
        await world.napping(tries)
    await world.idle()
    assert world.naps.seconds == [1, 3, 10]
    assert world.heard("ear-1") == [b"one", b"two"]
    assert world.heard("ear-2") == [b"one", b"two", b"three"]
    assert world.tables.counters.dropped == 1


@one_database
async def test_a_device_that_does_not_keep_up_gets_another_try(world: World) -> None:
    await world.route("ear-1", "ear-2")
    world.downlink.busy = {world.ears["ear-1"].id}
    await world.say(b"x")
    await world.until(lambda: world.naps.count == 1)
    assert world.heard("ear-2") == [b"x"]
    world.downlink.busy.clear()
    world.naps.wake()
    await world.idle()
    assert world.heard("ear-1") == [b"x"]


async def test_what_waits_goes_where_routes_lead_when_it_is_delivered(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with open_world(tmp_path, database, clock) as before:
        await before.route("ear-1", "ear-2")
        before.downlink.failing = {device.id for device in before.ears.values()}
        await before.say(b"x")
        await before.until(lambda: before.naps.count == 2)
        await before.unroute("ear-1")
        await before.route("ear-3")
        await before.devices.delete(before.ears["ear-2"])
        await before.routes.close()
    async with open_world(tmp_path, database, clock) as after:
        await after.idle()
        assert [message.topic for message in after.downlink.sent] == [after.topic("ear-3")]


async def test_a_table_without_routes_is_a_subscriber_until_the_next_start(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with open_world(tmp_path, database, clock) as before:
        await before.route("ear-1")
        before.downlink.failing = {before.ears["ear-1"].id}
        await before.say(b"x")
        await before.until(lambda: before.naps.count == 1)
        await before.unroute("ear-1")
    async with open_world(tmp_path, database, clock) as after:
        assert after.forwarder.entries() == []
        await after.route("ear-1")
        await after.say(b"y")
        await after.idle()
        assert after.heard("ear-1") == [b"y"]


@one_database
async def test_calls_at_the_same_time_open_one_table(world: World) -> None:
    await asyncio.gather(*(world.route(name) for name in EARS))
    await world.say(b"x")
    await world.idle()
    assert [world.heard(name) for name in EARS] == [[b"x"]] * 3


@one_database
async def test_a_product_that_is_not_in_memory_is_read_first(world: World) -> None:
    await world.route("ear-1")
    world.bus.publish(ProductChanged(world.product.id, world.product.product_key))
    assert world.products.cached(world.product.product_key) is None
    await world.say(b"x")
    await world.idle()
    assert world.heard("ear-1") == [b"x"]

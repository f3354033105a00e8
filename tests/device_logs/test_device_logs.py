"""Logs of devices: posted by them, noted by the platform, bounded."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import OperationalError

from tests.common.clock import FakeClock
from tests.common.uplinks import Messages
from tests.telemetry.world import FakeDownlink
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.device_logs.device import handlers
from thingplane.device_logs.notices import DeviceLogNotices
from thingplane.device_logs.service import MAX_NOTES, DeviceLogs, Entry, Source
from thingplane.devices.service import Device, DeviceService
from thingplane.products.service import NewProduct, ProductService
from thingplane.storage.database import Database

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
POST = "thing/log/post"
DIAG = "_thing/diag/post"
GET = "thing/config/log/get"


class World:
    """A device and its log of at most ten entries and two days."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        bus = LocalBus()
        self.database = database
        self.clock = clock
        self.products = ProductService(database, clock, bus)
        self.devices = DeviceService(database, clock, bus, self.products)
        self.logs = DeviceLogs(database, clock, per_device=10, days=2)
        self.downlink = FakeDownlink()
        self.notices = DeviceLogNotices(self.logs, self.devices, self.downlink)
        self.device: Device
        self.messages: Messages

    async def start(self) -> None:
        product = await self.products.create(1, NewProduct(name="Lamp", node_type=0))
        self.device = await self.devices.register(product, "lamp1")
        self.messages = Messages(self.clock, self.device, handlers(Services(self.logs)))

    async def contents(self, **filters: Any) -> list[str]:
        return [entry.content for entry in await self.logs.page(self.device.id, 1000, **filters)]


@pytest.fixture(name="world")
async def open_world(database: Database, clock: FakeClock) -> AsyncIterator[World]:
    world = World(database, clock)
    await world.start()
    yield world
    await world.notices.close()
    await world.logs.close()


async def test_the_transcript_of_a_post(world: World) -> None:
    reply = await world.messages.ask(
        POST,
        b'{"id":123,"version":"1.0","params":[{"utcTime":"2020-03-06T15:15:27.464+0800","logLevel":"ERROR",'
        b'"module":"net","code":"4103","traceContext":"123","logContent":"no route"},{"logContent":"plain"}],'
        b'"method":"thing.log.post"}',
    )
    assert reply == (b'{"code":200,"data":{},"id":123,"message":"success","method":"thing.log.post","version":"1.0"}')
    now = world.clock.now_ms()
    assert await world.logs.page(world.device.id, 10) == [
        Entry(
            received_at=now,
            time="2020-03-06T15:15:27.464+0800",
            level="ERROR",
            module="net",
            code="4103",
            trace="123",
            content="no route",
        ),
        Entry(received_at=now, level="OTHER", content="plain"),
    ]


async def test_only_the_newest_entries_are_kept(world: World) -> None:
    for start in (0, 6, 12):
        params = [{"logContent": str(number), "logLevel": "INFO"} for number in range(start, start + 6)]
        assert await world.messages.code(POST, params) == 200
    assert await world.contents() == [str(number) for number in range(8, 18)]
    assert await world.messages.code(POST, [{"logContent": str(number)} for number in range(40)]) == 200
    assert await world.contents() == [str(number) for number in range(30, 40)]


async def test_entries_age(world: World) -> None:
    await world.messages.code(POST, [{"logContent": "old"}])
    world.clock.advance(86_400)
    await world.messages.code(POST, [{"logContent": "new"}])
    world.clock.advance(86_401)
    await world.logs.sweep()
    assert await world.contents() == ["new"]


async def test_what_a_device_tells_of_its_network(world: World) -> None:
    wifi = {"wifi": {"rssi": -60, "snr": 20, "per": 1, "err_stats": "10,02,01;10,05,01"}, "_time": 1600000000000}
    now = {"p": wifi, "model": "quantity=single|format=simple|time=now"}
    assert await world.messages.request(DIAG, now) == {"code": 200, "data": {}, "message": "success"}
    batch = {"p": [wifi, {"wifi": {}}], "model": "format=simple|quantity=batch|time=history"}
    assert await world.messages.code(DIAG, batch) == 200
    first, second, third = await world.logs.page(world.device.id, 10, source=Source.NETWORK)
    assert (first.level, first.time, first.module) == ("INFO", "1600000000000", now["model"])
    assert msgspec.json.decode(first.content) == msgspec.json.decode(second.content) == wifi
    assert third.content == '{"wifi":{}}'


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("topic", "params"),
    [
        (POST, {}),
        (POST, []),
        (POST, [1]),
        (POST, [{"logLevel": "INFO"}]),
        (POST, [{"logContent": 1}]),
        (POST, [{"logContent": "x", "code": [1]}]),
        (POST, [{"logContent": "x" * 4097}]),
        (POST, [{"logContent": "x", "module": "m" * 257}]),
        (POST, [{"logContent": "x"}] * 41),
        (POST, b'[{"logContent":"\xff"}]'),
        (DIAG, {}),
        (DIAG, {"p": 1}),
        (DIAG, {"p": []}),
        (DIAG, {"p": [1]}),
        (DIAG, {"p": {"x": "y" * 4097}}),
        (DIAG, {"p": [{}] * 101}),
        (GET, []),
    ],
)
async def test_malformed_posts_change_nothing(world: World, topic: str, params: Any) -> None:
    assert await world.messages.code(topic, params) == 460
    assert await world.contents() == []


async def test_what_a_database_cannot_store_is_replaced(world: World) -> None:
    assert await world.messages.code(POST, [{"logContent": "a\0b", "module": "\0"}]) == 200
    assert await world.messages.code(DIAG, {"p": {"x\0": "\0", "_time": "\0"}, "model": "\0"}) == 200
    assert await world.contents(level="OTHER") == ["a\N{REPLACEMENT CHARACTER}b"]


async def test_notes_of_the_platform(world: World) -> None:
    product = await world.products.create(1, NewProduct(name="Heater", node_type=0))
    other = await world.devices.register(product, "heater1")
    world.logs.note(world.device.id, "script", 26002, "the script threw\0")
    world.logs.note(other.id, "script", 26002, "for another")
    world.logs.note(999, "script", 26002, "for nobody")
    await world.logs.flush()
    [entry] = await world.logs.page(world.device.id, 10, source=Source.PLATFORM)
    assert (entry.level, entry.module, entry.code) == ("ERROR", "script", "26002")
    assert entry.content == "the script threw\N{REPLACEMENT CHARACTER}"
    assert len(await world.logs.page(other.id, 10)) == 1


async def test_notes_are_bounded_and_written_at_the_end(world: World) -> None:
    for number in range(MAX_NOTES + 5):
        world.logs.note(world.device.id, "script", 1, str(number))
    await world.logs.close()
    assert await world.contents() == [str(number) for number in range(MAX_NOTES - 5, MAX_NOTES + 5)]


@ON_ONE_DATABASE
async def test_notes_are_lost_without_a_database_and_nothing_else_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("insert", {}, Exception("away"))

    world.logs.note(world.device.id, "script", 1, "lost")
    with monkeypatch.context() as patch:
        patch.setattr(world.database, "write", away)
        await world.logs.flush()
    world.logs.note(world.device.id, "script", 1, "kept")
    await world.logs.flush()
    assert await world.contents() == ["kept"]


async def test_a_device_asks_whether_its_log_is_wanted(world: World) -> None:
    assert (await world.messages.request(GET, {"configScope": "device", "getType": "content"}))["data"] == {
        "getType": "content",
        "content": {"mode": 0},
    }
    assert await world.messages.code(GET, {"configScope": "device", "getType": "file"}) == 6717
    assert await world.messages.code(GET, {"configScope": "product", "getType": "content"}) == 6718
    await world.logs.switch(world.device.id, enabled=True)
    assert (await world.messages.request(GET, {}))["data"]["content"] == {"mode": 1}


async def test_a_device_that_is_online_is_told_of_a_switch(world: World) -> None:
    await world.notices.start()
    world.downlink.connected.add(world.device.id)
    await world.logs.switch(world.device.id, enabled=True)
    await world.notices.refresh()
    await world.notices.refresh()
    [message] = world.downlink.sent
    assert message.topic == f"/sys/{world.device.product_key}/lamp1/thing/config/log/push"
    push = msgspec.json.decode(message.payload)
    assert push["params"] == {"getType": "content", "content": {"mode": 1}}
    world.downlink.connected.clear()
    await world.logs.switch(world.device.id, enabled=False)
    await world.notices.refresh()
    assert await world.logs.unannounced() == []
    assert not await world.logs.wanted(world.device.id)


async def test_logs_go_with_their_device(world: World) -> None:
    await world.messages.code(POST, [{"logContent": "x"}])
    await world.logs.switch(world.device.id, enabled=True)
    await world.devices.delete(world.device)
    assert await world.contents() == []
    assert not await world.logs.wanted(world.device.id)
    assert await world.messages.code(POST, [{"logContent": "x"}]) == 6100
    world.logs.note(world.device.id, "script", 1, "late")
    await world.logs.flush()
    assert await world.contents() == []

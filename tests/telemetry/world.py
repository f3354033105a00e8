"""All services between the gateway and the disk, with a product, its thing model and a device."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.clock import FakeClock
from tests.common.forwarding import open_log
from tests.common.sdk_api import SdkApi
from thingplane.alink import HandlerTable, Uplink, read_request
from thingplane.bus import DeviceOfflineError, DownlinkMessage, LocalBus, RequestTimeoutError
from thingplane.cloud import Services
from thingplane.cloud.registry import discover
from thingplane.device_logs.service import DeviceLogs
from thingplane.devices.service import Device, DeviceService
from thingplane.forwarding.log import ForwardingLog
from thingplane.forwarding.service import Forwarder
from thingplane.messaging.service import MessagingService
from thingplane.parsing.service import ParsingService
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.scripts.pool import ScriptPool
from thingplane.storage.database import Database
from thingplane.storage.timeseries import GroupCommit, TimeSeries
from thingplane.telemetry.device import handlers
from thingplane.telemetry.service import Outgoing, SubDevices, TelemetryService
from thingplane.things import store
from thingplane.things.model.types import (
    AccessMode,
    BoolType,
    CallType,
    EnumItem,
    Event,
    EventType,
    FloatType,
    FunctionBlock,
    IntType,
    Member,
    Parameter,
    Property,
    Service,
    StructType,
    TextType,
    ThingModel,
)
from thingplane.things.service import ThingModelPublished, ThingModelService, Version
from thingplane.topics.service import TopicService
from thingplane.topology.service import TopologyService

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests of what happens before any database is asked."""

LEVEL = IntType(min="0", max="100", step="1")
NOTE = TextType(length=64)

MODEL = ThingModel(
    properties=(
        Property(
            identifier="Temp",
            name="Temperature",
            type=FloatType(min="-50", max="150", step="0.1", unit="°C"),
            access=AccessMode.READ,
        ),
        Property(identifier="Level", name="Light level", type=LEVEL, access=AccessMode.READ_WRITE),
        Property(identifier="Label", name="Label", type=NOTE, access=AccessMode.READ_WRITE),
        Property(
            identifier="On",
            name="Switched on",
            type=BoolType((EnumItem(0, "off"), EnumItem(1, "on"))),
            access=AccessMode.READ_WRITE,
        ),
        Property(
            identifier="Place",
            name="Place",
            type=StructType((Member("x", "x", LEVEL), Member("y", "y", LEVEL))),
            access=AccessMode.READ_WRITE,
        ),
    ),
    events=(
        Event(
            identifier="alarm",
            name="Alarm",
            type=EventType.ALERT,
            output=(Parameter("code", "code", LEVEL), Parameter("note", "note", NOTE)),
        ),
        Event(identifier="started", name="Started", type=EventType.INFO),
    ),
    services=(
        Service(
            identifier="blink",
            name="Blink",
            call_type=CallType.ASYNC,
            input=(Parameter("times", "times", LEVEL),),
            output=(Parameter("done", "done", LEVEL),),
        ),
        Service(
            identifier="measure",
            name="Measure",
            call_type=CallType.SYNC,
            input=(Parameter("times", "times", LEVEL),),
            output=(Parameter("value", "value", LEVEL),),
        ),
    ),
)
BATTERY = ThingModel(
    properties=(Property(identifier="Volt", name="Voltage", type=LEVEL, access=AccessMode.READ_WRITE),),
    events=(Event(identifier="empty", name="Empty", type=EventType.ERROR),),
    services=(Service(identifier="charge", name="Charge", call_type=CallType.ASYNC),),
    block=FunctionBlock("Battery", "Battery module"),
)


class FakeDownlink:
    """Remembers what was sent; ``answers`` plays the devices."""

    def __init__(self) -> None:
        self.connected: set[int] = set()
        self.with_custom_rrpc: set[int] = set()
        self.with_session: set[int] = set()
        self.sent: list[DownlinkMessage] = []
        self.answers: list[bytes | Exception] = []

    def online(self, device_id: int) -> bool:
        return device_id in self.connected

    def custom_rrpc(self, device_id: int) -> bool:
        return device_id in self.with_custom_rrpc

    async def send(self, message: DownlinkMessage) -> bool:
        await asyncio.sleep(0)
        if message.device_id in self.connected or (message.qos == 1 and message.device_id in self.with_session):
            self.sent.append(message)
            return True
        return False

    def offer(self, message: DownlinkMessage) -> bool | None:  # noqa: ARG002 - sending takes waiting here
        return None

    async def request(self, message: DownlinkMessage, message_id: int, timeout_ms: int) -> bytes:
        await asyncio.sleep(0)
        if message.device_id not in self.connected:
            raise DeviceOfflineError
        assert str(message_id) in message.topic
        assert 1000 <= timeout_ms <= 8000
        self.sent.append(message)
        if not self.answers:
            raise RequestTimeoutError
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def resolve(self, device_id: int, message_id: int, payload: bytes) -> bool:
        raise NotImplementedError


class World:
    """The services, and what a device and a back end do to them."""

    def __init__(self, database: Database, series: TimeSeries, log: ForwardingLog, clock: FakeClock) -> None:
        self.database = database
        self.series = series
        self.clock = clock
        self.bus = LocalBus()
        self.commits = GroupCommit(series)
        self.downlink = FakeDownlink()
        self.products = ProductService(database, clock, self.bus)
        self.topics = TopicService(database, self.bus, self.products)
        self.devices = DeviceService(database, clock, self.bus, self.products)
        self.models = ThingModelService(database, clock, self.products, self.bus)
        self.topology = TopologyService(database, clock, self.bus, self.devices)
        self.forwarder = Forwarder(log, self.commits, clock, database)
        self.telemetry = TelemetryService(
            series,
            self.commits,
            self.models,
            clock,
            self.bus,
            outgoing=Outgoing(self.forwarder, self.products, clock, self.bus),
            find_sub_device=SubDevices(self.devices, self.topology).find,
        )
        self.scripts = ScriptPool(2, shutil.which("php") or "")
        self.parsing = ParsingService(database, clock, self.bus, self.products, self.scripts)
        self.logs = DeviceLogs(database, clock)
        self.messaging = MessagingService(
            self.downlink,
            self.devices,
            self.products,
            self.models,
            self.topics,
            self.telemetry,
            self.parsing,
            self.logs.note,
        )
        self.services = Services(self.products, self.topics, self.devices, self.models, self.telemetry, self.messaging)
        discover("thingplane")
        self.api = SdkApi(self.services, clock=clock)
        self.table = HandlerTable()
        for pattern, handler in handlers(self.services).items():
            self.table.add(pattern, handler)
        self.product: Product
        self.device: Device

    async def start(self) -> None:
        await self.api.start()
        await self.forwarder.start()
        await self.devices.start()
        self.product = await self.add_product("Lamp")
        self.device = await self.devices.register(self.product, "lamp1")

    async def add_product(self, name: str, **options: Any) -> Product:
        new = NewProduct(name=name, **({"node_type": 0, "senior": True, "data_format": 1} | options))
        product = await self.products.create(1, new)
        if product.senior:
            await self.publish(product, MODEL, BATTERY)
        return product

    async def publish(self, product: Product, *modules: ThingModel) -> None:
        """Put a thing model in force."""
        versions = len(await self.models.versions(product))
        async with self.database.write() as connection:
            version = Version(f"v{versions}", None, self.clock.now_ms(), modules)
            await store.insert_version(connection, product.id, version, 10)
        self.bus.publish(ThingModelPublished(product.id, product.product_key))

    def connect(self, device: Device | None = None) -> None:
        device = device or self.device
        self.devices.connected(device, "127.0.0.1")
        self.downlink.connected.add(device.id)

    def disconnect(self, device: Device | None = None) -> None:
        device = device or self.device
        self.devices.disconnected(device)
        self.downlink.connected.discard(device.id)

    async def uplink(self, suffix: str, payload: bytes, device: Device | None = None, **said: Any) -> Uplink:
        """Publish as a device and let the gateway's loop turn end."""
        device = device or self.device
        route = self.table.find(suffix)
        assert route is not None
        topic = f"/sys/{device.product_key}/{device.name}/{suffix}"
        uplink = Uplink(device, topic, route.capture, payload, self.clock.now_ms(), reply_tail=route.reply_tail, **said)
        if not route.is_request or read_request(uplink, route.method):
            waits = route.handler(uplink)
            if waits is not None:
                await waits
        await self.commits.durable()
        return uplink

    async def post(self, params: Any, device: Device | None = None, event: str = "property") -> dict[str, Any]:
        """Post properties or an event and return the reply."""
        text = params if isinstance(params, bytes) else msgspec.json.encode(params)
        payload = b'{"id":"7","version":"1.0","params":%b}' % text
        uplink = await self.uplink(f"thing/event/{event}/post", payload, device)
        [(topic, reply)] = uplink.replies
        assert topic == uplink.topic + "_reply"
        answer: dict[str, Any] = msgspec.json.decode(reply)
        return answer

    async def call(self, action: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation about the device."""
        if not parameters.keys() & {"IotId", "ProductKey"}:
            parameters = {"ProductKey": self.product.product_key, "DeviceName": self.device.name} | parameters
        return await self.api.call(action, **parameters)

    async def refused(self, action: str, /, **parameters: Any) -> str:
        """Call an operation that must fail, and return the code."""
        answer = await self.call(action, **parameters)
        assert answer["Success"] is False
        code: str = answer["Code"]
        return code


@asynccontextmanager
async def world(database: Database, clock: FakeClock, folder: Path) -> AsyncIterator[World]:
    """Open a world over the database and the history that belongs to it."""
    series, log = open_log(folder, clock, database)
    await series.open()
    built = World(database, series, log, clock)
    try:
        await built.start()
        yield built
    finally:
        await built.api.stop()
        await built.scripts.close()
        await built.logs.close()
        await built.telemetry.close()
        await built.devices.close()
        await built.forwarder.close()
        await series.close()
        await log.close()

"""Stand-ins for the slices, and devices on real sockets."""

import asyncio
import hmac
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.common.clock import FakeClock
from thingplane.alink import HandlerTable, Uplink
from thingplane.bus import LocalBus
from thingplane.gateway.service import Gateway, Ports
from thingplane.gateway.settings import GatewaySettings
from thingplane.storage.database import Database
from thingplane.storage.timeseries import GroupCommit, Kind
from thingplane.storage.timeseries.interface import Done

PRODUCT_KEY = "a1ExampleK1"
SECRET = "0123456789abcdef0123456789abcdef"


@dataclass
class FakeDevice:
    id: int
    name: str = "sensor-01"
    product_id: int = 1
    product_key: str = PRODUCT_KEY
    secret: str = SECRET
    enabled: bool = True
    node_type: int = 0


@dataclass
class FakeDevices:
    """Devices by name; those in ``uncached`` have to be awaited."""

    devices: dict[tuple[str, str], FakeDevice] = field(default_factory=dict)
    uncached: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def add(self, *devices: FakeDevice) -> None:
        self.devices.update({(device.product_key, device.name): device for device in devices})

    def cached(self, product_key: str, name: str) -> FakeDevice | None:
        return None if name in self.uncached else self.devices.get((product_key, name))

    async def find(self, product_key: str, name: str) -> FakeDevice | None:
        return self.devices.get((product_key, name))

    def connected(self, device: FakeDevice, ip: str) -> None:
        self.log.append(f"{device.name} connected from {ip}")

    def disconnected(self, device: FakeDevice, _reason: int = 400, _quiet_ms: int = 0) -> None:
        self.log.append(f"{device.name} disconnected")


class FakePermissions:
    def may_publish(self, rest: str) -> bool:
        return rest in {"user/update", "user/update/error"}

    def may_subscribe(self, rest: str) -> bool:
        return rest in {"user/get", "user/all/#", "user/all/x", "user/+/both"}


@dataclass
class FakeTopics:
    is_cached: bool = True
    reads: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Reading waits for it; open at first."""

    def __post_init__(self) -> None:
        self.gate.set()

    def cached(self, _product_id: int) -> FakePermissions | None:
        return FakePermissions() if self.is_cached else None

    async def permissions(self, _product_id: int) -> FakePermissions:
        self.reads += 1
        await self.gate.wait()
        return FakePermissions()


@dataclass
class FakeProduct:
    auth_type: str = "secret"


@dataclass
class FakeProducts:
    """Products by key; all are there, and their devices have secrets unless told otherwise."""

    products: dict[str, FakeProduct] = field(default_factory=dict)

    def cached(self, product_key: str) -> FakeProduct:
        return self.products.setdefault(product_key, FakeProduct())

    async def find(self, product_key: str) -> FakeProduct:
        return self.cached(product_key)


@dataclass
class FakeTopology:
    """Sub-devices by gateway."""

    subs: dict[int, set[int]] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Reading waits for it; open at first."""
    reading: bool = False

    def __post_init__(self) -> None:
        self.gate.set()

    async def attached(self, gateway_id: int, device_ids: Iterable[int]) -> set[int]:
        attached = self.subs.get(gateway_id, set()) & set(device_ids)
        self.reading = True
        await self.gate.wait()
        return attached


class FakeSeries:
    """A history in memory; commits are counted, and fail on demand or wait to be released."""

    def __init__(self) -> None:
        self.appended: list[tuple[int, Kind, int, bytes]] = []
        self.commits = 0
        self.error: Exception | None = None
        self.is_held = False
        self.held: list[Done] = []

    def append(self, device_id: int, kind: Kind, received: int, points: bytes, **_given: object) -> None:
        self.appended.append((device_id, kind, received, points))

    def commit(self, done: Done) -> None:
        self.commits += 1
        if self.is_held:
            self.held.append(done)
        else:
            done(self.error)

    def release(self) -> None:
        held, self.held = self.held, []
        self.is_held = False
        for done in held:
            done(self.error)


@dataclass
class World:
    """A running gateway and what stands around it."""

    gateway: Gateway
    ports: Ports
    devices: FakeDevices
    topics: FakeTopics
    topology: FakeTopology
    series: FakeSeries
    table: HandlerTable
    bus: LocalBus
    clock: FakeClock
    database: Database
    seen: list[Uplink] = field(default_factory=list)
    closings: list[Callable[[], None]] = field(default_factory=list)
    """Close the test's own sockets."""

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.gateway._hub.tick()

    async def stop(self) -> None:
        for close in self.closings:
            close()
        await self.gateway.stop()

    def post(self, uplink: Uplink) -> None:
        """Handle a property post."""
        self.seen.append(uplink)
        self.series.append(uplink.device.id, Kind.PROPERTY, uplink.received, uplink.params)
        uplink.reply()


async def start_world(
    database: Database,
    settings: GatewaySettings | None = None,
    *,
    advance: float = 0,
    ports: tuple[int, int] = (0, 0),
    ssl_context: ssl.SSLContext | None = None,
) -> World:
    devices, topics, series, bus, clock = FakeDevices(), FakeTopics(), FakeSeries(), LocalBus(), FakeClock()
    clock.advance(advance)
    devices.add(FakeDevice(1), FakeDevice(2, "sensor-02"))
    table = HandlerTable()
    topology = FakeTopology()
    gateway = Gateway(
        devices=devices,  # type: ignore[arg-type]  # by_id is not used
        topics=topics,
        topology=topology,
        products=FakeProducts(),
        table=table,
        commit=GroupCommit(series),  # type: ignore[arg-type]  # only what a group commit calls
        database=database,
        bus=bus,
        clock=clock,
        settings=settings or GatewaySettings(tick=0.02),
    )
    bound = await gateway.start("127.0.0.1", *ports, ssl_context)
    world = World(gateway, bound, devices, topics, topology, series, table, bus, clock, database)
    table.add("thing/event/property/post", world.post)
    return world


async def until(condition: Callable[[], bool]) -> None:
    """Wait at most five seconds for something that the loop does on its own."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)


def password(device: str = "sensor-01", cid: str = "sn0001", secret: str = SECRET) -> str:
    content = f"clientId{cid}deviceName{device}productKey{PRODUCT_KEY}"
    return hmac.digest(secret.encode(), content.encode(), "sha256").hex()

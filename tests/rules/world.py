"""Rules over a log on disk: a product with a device, consumer groups, and a way to devices that remembers."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.downlink import RecordingDownlink
from tests.common.forwarding import forwarding
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.cloud.registry import discover
from thingplane.devices.service import Device, DeviceService
from thingplane.forwarding.message import Forwarded, Kind, Source
from thingplane.forwarding.service import Forwarder
from thingplane.outbound import Outbound
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.rules.destinations.external import ExternalDestinations
from thingplane.rules.destinations.opening import Destinations
from thingplane.rules.destinations.settings import DestinationSettings
from thingplane.rules.runtime.runner import RuleRunner
from thingplane.rules.service import DataSourceService, RuleLimits, RuleService
from thingplane.storage.database import Database
from thingplane.subscriptions.errors import CONSUMER_GROUP_NOT_EXIST

ROLE = {"roleArn": "acs:ram::1:role/x", "roleName": "X"}
PATIENCE_S = 20


class Naps:
    """Waits until they are told that the time is over."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._waiting: list[asyncio.Future[None]] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        finally:
            self._waiting.remove(future)

    def wake(self) -> None:
        """Let all waits end that have begun."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    @property
    def count(self) -> int:
        return len(self._waiting)


class Group:
    def __init__(self, subscriber: int) -> None:
        self.subscriber = subscriber


class FixedGroups:
    """Consumer groups of the first instance: ``group-1`` and ``group-2``."""

    def __init__(self) -> None:
        self.by_id: dict[str, Group] = {}

    async def group(self, instance_id: int, group_id: str) -> Group:
        if instance_id != 1 or group_id not in self.by_id:
            raise CONSUMER_GROUP_NOT_EXIST()
        return self.by_id[group_id]


class World:
    """Everything that rules need."""

    product: Product
    device: Device

    def __init__(
        self,
        database: Database,
        clock: FakeClock,
        forwarder: Forwarder,
        settings: DestinationSettings,
        limits: RuleLimits,
    ) -> None:
        self.clock = clock
        self.forwarder = forwarder
        self.bus = LocalBus()
        self.products = ProductService(database, clock, self.bus)
        self.devices = DeviceService(database, clock, self.bus, self.products)
        self.downlink = RecordingDownlink()
        self.groups = FixedGroups()
        self.naps = Naps()
        self._numbers: Iterator[int] = itertools.count(1)
        self.outbound = Outbound(["127.0.0.1"])
        external = ExternalDestinations(self.outbound, clock, settings)
        self.runner = RuleRunner(
            forwarder,
            clock,
            self.bus,
            products=self.products,
            devices=self.devices,
            destinations=Destinations(forwarder, self.groups, self.devices, self.downlink, external),
            sleep=self.naps.sleep,
        )
        self.rules = RuleService(database, clock, self.products, self.groups, self.runner, limits)
        self.services = Services(self.products, self.devices, self.rules, DataSourceService(database, self.products))
        discover("thingplane")
        self.api = Api(self.services, clock=clock)

    # What back ends do.

    async def call(self, action: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation that has to succeed."""
        answer = await self.api.call(action, **parameters)
        assert answer["Success"] is True, answer
        return answer

    async def refusal(self, action: str, /, **parameters: Any) -> str:
        """Call an operation that has to fail, and return its code."""
        answer = await self.api.call(action, **parameters)
        assert answer["Success"] is False, answer
        code: str = answer["Code"]
        return code

    async def rule(self, **parameters: Any) -> int:
        """Create a rule on custom topics, and return its id."""
        given: dict[str, Any] = {
            "Name": f"rule_{next(self._numbers)}",
            "ProductKey": self.product.product_key,
            "ShortTopic": "+/user/#",
            "Select": "*",
        }
        rule_id: int = (await self.call("CreateRule", **given | parameters))["RuleId"]
        return rule_id

    async def action(self, rule_id: int, type_: str, *, for_errors: bool = False, **configuration: Any) -> int:
        """Create an action, and return its id."""
        answer = await self.call(
            "CreateRuleAction",
            RuleId=rule_id,
            Type=type_,
            Configuration=msgspec.json.encode(configuration).decode(),
            ErrorActionFlag=for_errors,
        )
        action_id: int = answer["ActionId"]
        return action_id

    async def running(self, type_: str = "AMQP", configuration: dict[str, Any] | None = None, **parameters: Any) -> int:
        """Create a rule with one action, start it, and return its id."""
        rule_id = await self.rule(**parameters)
        await self.action(rule_id, type_, **(configuration or {"groupId": "group-1"}))
        await self.call("StartRule", RuleId=rule_id)
        return rule_id

    # What devices do.

    def say(self, body: Any, topic: str = "user/update", kind: Kind = Kind.CUSTOM, **options: Any) -> int | None:
        """Forward a message of the device; not durable yet."""
        device = self.device
        full = topic if topic.startswith("/") else f"/{device.product_key}/{device.name}/{topic}"
        payload = body if isinstance(body, bytes) else msgspec.json.encode(body)
        source = Source(
            device.instance_id, device.product_id, device.product_key, device.id, device.name, device.iot_id, ""
        )
        return self.forwarder.forward(kind, source, full, payload, **options)

    # What comes out.

    async def received(self, count: int, group: str = "group-1") -> list[Forwarded]:
        """Wait until so many messages are due to a consumer group, and return them."""
        subscriber = self.groups.by_id[group].subscriber
        await self.until(lambda: self.forwarder.waiting(subscriber) >= count)
        found = await self.forwarder.read(subscriber, -1, 10_000)
        assert len(found) == count, [message.body for message in found]
        return found

    async def idle(self, rule_id: int) -> None:
        """Wait until a rule has finished everything."""
        subscriber = await self.forwarder.enroll("rule", str(rule_id))
        await self.forwarder.durable()
        await self.until(lambda: self.forwarder.waiting(subscriber) == 0)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - what is awaited has no event
                await asyncio.sleep(0.001)


@asynccontextmanager
async def open_world(
    folder: Path,
    database: Database,
    clock: FakeClock,
    settings: DestinationSettings | None = None,
    limits: RuleLimits | None = None,
) -> AsyncIterator[World]:
    """Give a started world; the same folder and database can be opened again."""
    async with forwarding(folder, clock, database) as forwarder:
        world = World(database, clock, forwarder, settings or DestinationSettings(), limits or RuleLimits())
        await world.devices.start()
        for group_id in ("group-1", "group-2"):
            world.groups.by_id[group_id] = Group(await forwarder.enroll("group", group_id))
        known = await world.products.by_id(1)
        if known is None:
            known = await world.products.create(1, NewProduct(name="speaker", node_type=0))
            await world.devices.register(known, "dev1")
        world.product = known
        world.device = await world.devices.resolve(1, product_key=known.product_key, name="dev1")
        await world.rules.start()
        try:
            yield world
        finally:
            await world.rules.close()
            await world.devices.close()
            await world.outbound.close()

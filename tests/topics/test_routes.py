"""Routes between custom topics: the four operations, and where messages go."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

import thingplane.topics.operations.routes  # noqa: F401 - registers the operations
from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.sdk_api import sdk_api
from tests.common.xml import call_xml
from tests.devices.marks import one_database
from thingplane.bus import LocalBus
from thingplane.cloud import OPERATIONS, Services
from thingplane.cloud.client import CallError
from thingplane.cloud.conformance import violations
from thingplane.devices.service import Device, DeviceService
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database
from thingplane.topics import route_cache
from thingplane.topics.routes import Route, TopicRouteService
from thingplane.topics.service import TopicService

NAMES = ["CreateTopicRouteTable", "DeleteTopicRouteTable", "QueryTopicRouteTable", "QueryTopicReverseRouteTable"]


class World:
    """A device that talks and some that listen."""

    def __init__(self, api: Api, devices: DeviceService, routes: TopicRouteService, product: Product) -> None:
        self.api = api
        self.devices = devices
        self.routes = routes
        self.product = product

    async def add(self, name: str, product: Product | None = None, *, active: bool = True) -> Device:
        device = await self.devices.register(product or self.product, name)
        if active:
            self.devices.connected(device, "10.0.0.1")
            self.devices.disconnected(device)
        return device

    def topic(self, name: str, rest: str = "user/get") -> str:
        return f"/{self.product.product_key}/{name}/{rest}"

    async def create(self, *destinations: str, source: str | None = None) -> list[str]:
        """Create routes and return the destinations that failed."""
        return await self._change("CreateTopicRouteTable", destinations, source)

    async def delete(self, *destinations: str, source: str | None = None) -> list[str]:
        return await self._change("DeleteTopicRouteTable", destinations, source)

    async def _change(self, action: str, destinations: tuple[str, ...], source: str | None) -> list[str]:
        answer = await self.api.call(action, SrcTopic=source or self.source, DstTopic=list(destinations))
        assert answer["Success"] is True, answer
        failed: list[str] = answer["FailureTopics"]["Topic"]
        assert answer["IsAllSucceed"] is (not failed)
        return failed

    async def refused(self, action: str = "CreateTopicRouteTable", **parameters: Any) -> str:
        defaults: dict[str, Any] = {"SrcTopic": self.source, "DstTopic": [self.topic("listener")]}
        answer = await self.api.call(action, **{**(defaults if "Create" in action else {}), **parameters})
        assert answer["Success"] is False
        return str(answer["Code"])

    @property
    def source(self) -> str:
        return self.topic("talker", "user/update")

    async def destinations(self, source: str | None = None) -> list[str]:
        answer = await self.api.call("QueryTopicRouteTable", Topic=source or self.source)
        found: list[str] = answer["DstTopics"]["Topic"]
        # What is routed is what is told.
        assert [route.topic for route in self.routes.routes(source or self.source)] == found
        return found

    async def sources(self, destination: str) -> list[str]:
        answer = await self.api.call("QueryTopicReverseRouteTable", Topic=destination, RegionId="cn-shanghai")
        found: list[str] = answer["SrcTopics"]["Topic"]
        return found


@pytest.fixture
async def routes(
    database: Database, bus: LocalBus, products: ProductService, devices: DeviceService, topics: TopicService
) -> AsyncIterator[TopicRouteService]:
    routes = TopicRouteService(database, bus, products, devices, topics, max_destinations=4)
    await routes.start()
    yield routes
    await routes.close()


@pytest.fixture
async def world(
    *,
    products: ProductService,
    devices: DeviceService,
    routes: TopicRouteService,
    topics: TopicService,
    product: Product,
    clock: FakeClock,
) -> AsyncIterator[World]:
    async with sdk_api(Services(products, devices, topics, routes), clock) as api:
        world = World(api, devices, routes, product)
        await world.add("talker")
        await world.add("listener", active=False)
        yield world


@pytest.mark.parametrize("name", NAMES)
def test_declared_as_documented(name: str) -> None:
    assert violations(OPERATIONS[name]) == []


async def test_routes_are_created_listed_from_both_ends_and_deleted(world: World) -> None:
    await world.add("other")
    listener, other = world.topic("listener"), world.topic("other")
    assert await world.create(listener, other) == []
    assert await world.destinations() == [listener, other]
    assert await world.sources(other) == [world.source]
    assert await world.sources(world.source) == []
    assert await world.delete(listener) == []
    assert await world.destinations() == [other]
    assert await world.sources(listener) == []
    assert await world.delete(listener, other) == [listener]
    assert await world.destinations() == []


async def test_destinations_that_no_route_can_lead_to_are_told_and_the_others_are_created(
    world: World, products: ProductService
) -> None:
    foreign = await products.create(2, NewProduct(name="foreign", node_type=0))
    await world.add("foreigner", foreign)
    bad = [
        "nonsense",
        "//user/get",
        world.topic("listener", "user//get"),
        world.topic("listener", "user/+"),
        world.topic("listener", "user/update"),
        world.topic("listener", "user/nothing"),
        world.topic("listener", "get"),
        world.topic("listener", "user/" + "x" * 100),
        world.topic("nobody"),
        "/a1nobody/listener/user/get",
        f"/{foreign.product_key}/foreigner/user/get",
        f"/sys/{world.product.product_key}/listener/thing/event/property/post",
        world.source,
    ]
    good = world.topic("listener")
    assert await world.create(*bad[:6], good, *bad[6:]) == bad
    assert await world.destinations() == [good]


async def test_creating_again_is_no_failure_and_changes_nothing(world: World) -> None:
    for _ in range(2):
        assert await world.create(world.topic("listener"), world.topic("listener")) == []
    assert await world.destinations() == [world.topic("listener")]


async def test_routes_may_lead_to_devices_of_other_products_and_to_the_same_name(
    world: World, products: ProductService, topics: TopicService
) -> None:
    other = await products.create(1, NewProduct(name="other", node_type=0))
    assert len(await topics.list(other.id)) == 3
    await world.add("talker", other)
    given = f"/{other.product_key}/${{deviceName}}/user/get"
    assert await world.create(given) == []
    assert await world.destinations() == [f"/{other.product_key}/talker/user/get"]
    assert await world.delete(given) == []
    assert await world.destinations() == []


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", "iot.messagebroker.NullSrcTopicName"),
        ("nonsense", "iot.messagebroker.InvalidFormattedSrcTopicName"),
        ("/{pk}/talker/update", "iot.messagebroker.InvalidFormattedSrcTopicName"),
        ("/{pk}/talker/user/#", "iot.messagebroker.InvalidFormattedSrcTopicName"),
        ("/{pk}/${{deviceName}}/user/update", "iot.messagebroker.InvalidFormattedSrcTopicName"),
        ("/sys/{pk}/talker/user/update", "iot.messagebroker.InvalidFormattedSrcTopicName"),
        ("/a1nobody/talker/user/update", "iot.messagebroker.NotMatchedProductKeyWithSrcTopicOwner"),
        ("/{pk}/nobody/user/update", "iot.device.NotExistedDevice"),
        ("/{pk}/listener/user/update", "iot.device.InactiveDevice"),
        ("/{pk}/talker/user/nothing", "iot.messagebroker.TopicTemplateIsNotFound"),
        ("/{pk}/talker/user/get", "iot.messagebroker.CreateTopicRouteFailed"),
    ],
)
@one_database
async def test_refused_sources(world: World, source: str, code: str) -> None:
    text = source.format(pk=world.product.product_key)
    assert await world.refused(SrcTopic=text) == code
    if "broker.N" in code or "Formatted" in code:
        assert await world.refused("DeleteTopicRouteTable", SrcTopic=text, DstTopic=["x"]) == code


@one_database
async def test_refused_destinations_and_queries(world: World) -> None:
    many = [world.topic("listener")] * 101
    assert await world.refused(DstTopic=many) == "iot.messagebroker.DestTopicNameArraySizeIsLarge"
    assert await world.refused(DstTopic=[""]) == "iot.messagebroker.NoneElementDestTopicNameInArray"
    assert await world.refused(IotInstanceId="iot-other") == ("iot.messagebroker.NotMatchedProductKeyWithSrcTopicOwner")
    for action in ("CreateTopicRouteTable", "DeleteTopicRouteTable"):
        for name in ("SrcTopic", "DstTopic"):
            given = {"SrcTopic": world.source, "DstTopic": ["x"]}
            del given[name]
            with pytest.raises(CallError, match=f"Missing{name}"):
                await world.api.call(action, **given)
    for action in ("QueryTopicRouteTable", "QueryTopicReverseRouteTable"):
        assert await world.refused(action, Topic="") == "iot.messagebroker.NullTopicName"
        assert await world.refused(action, Topic="x") == "iot.messagebroker.InvalidFormattedTopicName"
        assert await world.refused(action, Topic="/a1/x/user/get") == "iot.prod.NotExistedProduct"
        foreign = {"Topic": world.source, "IotInstanceId": "iot-other"}
        assert await world.refused(action, **foreign) == "iot.prod.NotExistedProduct"
        with pytest.raises(CallError, match="MissingTopic"):
            await world.api.call(action)


async def test_the_number_of_destinations_is_limited_also_for_calls_at_the_same_time(world: World) -> None:
    names = [f"ear-{number}" for number in range(6)]
    for name in names:
        await world.add(name)
    calls = [
        world.api.call("CreateTopicRouteTable", SrcTopic=world.source, DstTopic=[world.topic(name)]) for name in names
    ]
    answers = await asyncio.gather(*calls)
    codes = [answer.get("Code") for answer in answers if not answer["Success"]]
    assert codes == ["iot.messagebroker.DestTopicNameArraySizeIsLarge"] * 2
    assert len(await world.destinations()) == 4


async def test_routes_go_with_the_device_at_either_end(world: World) -> None:
    other = await world.add("other")
    talker = await world.devices.resolve(1, product_key=world.product.product_key, name="talker")
    await world.create(world.topic("listener"), world.topic("other"))
    await world.devices.delete(other)
    await world.routes.close()
    assert await world.destinations() == [world.topic("listener")]
    await world.devices.delete(talker)
    await world.routes.close()
    assert await world.sources(world.topic("listener")) == []
    assert world.routes.routes(world.source) == ()


@one_database
async def test_an_instance_that_the_product_was_distributed_to_has_no_part_in_its_routes(
    world: World, products: ProductService
) -> None:
    await products.copy(world.product, 2)
    listener = world.topic("listener")
    await world.create(listener)
    assert await world.routes.destinations(2, world.source) == []
    assert await world.routes.sources(2, listener) == []
    assert await world.routes.delete(2, world.source, [listener]) == [listener]
    assert await world.destinations() == [listener]


async def test_routes_survive_a_restart_and_reach_other_nodes(
    *,
    world: World,
    database: Database,
    bus: LocalBus,
    products: ProductService,
    devices: DeviceService,
    topics: TopicService,
) -> None:
    await world.create(world.topic("listener"))
    other_node = TopicRouteService(database, bus, products, devices, topics)
    assert other_node.routes(world.source) == ()
    await other_node.start()
    listener = await devices.resolve(1, product_key=world.product.product_key, name="listener")
    assert other_node.routes(world.source) == (Route(world.topic("listener"), listener.id),)
    await world.delete(world.topic("listener"))
    await other_node.close()
    assert other_node.routes(world.source) == ()


@one_database
async def test_routes_that_cannot_be_read_are_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_cache, "RETRY_AFTER", 0.0)
    cache = world.routes._cache
    read, failures = cache._rows_of, [OperationalError("SELECT", {}, OSError("gone"))]

    async def flaky(source: str) -> Any:
        if failures:
            raise failures.pop()
        retried.set()
        return await read(source)

    retried = asyncio.Event()
    monkeypatch.setattr(cache, "_rows_of", flaky)
    assert await world.create(world.topic("listener")) == []
    await retried.wait()
    await cache.settled()
    assert await world.destinations() == [world.topic("listener")]


@one_database
async def test_the_shapes_in_xml(world: World) -> None:
    created = await call_xml(
        world.api, "CreateTopicRouteTable", SrcTopic=world.source, DstTopic=[world.topic("listener"), "x"]
    )
    assert created.findtext("IsAllSucceed") == "false"
    assert created.findtext("FailureTopics/Topic") == "x"
    found = await call_xml(world.api, "QueryTopicRouteTable", Topic=world.source)
    assert found.findtext("DstTopics/Topic") == world.topic("listener")

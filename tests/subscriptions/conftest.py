"""The subscription service on a log on disk, called with the official SDK."""

from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import thingplane.subscriptions.operations.groups
import thingplane.subscriptions.operations.relations
import thingplane.subscriptions.operations.status  # noqa: F401 - registers the operations
from tests.common.api import Api, FixedInstances, Keys
from tests.common.clock import FakeClock
from tests.common.forwarding import forwarding
from tests.common.sdk_api import sdk_api
from thingplane.bus import LocalBus
from thingplane.cloud import Caller, Services
from thingplane.cloud.credentials import AccessKey
from thingplane.forwarding.service import Forwarder, Kind, Source
from thingplane.outbound import Outbound
from thingplane.outbound.mns import MnsEndpoint
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database
from thingplane.subscriptions.group import SubscriptionLimits
from thingplane.subscriptions.service import MnsQueues, SubscriptionService

ENDPOINTS = {"cn-shanghai": MnsEndpoint("http://127.0.0.1:9", "mnsid", "mnssecret")}
LIMITS = SubscriptionLimits(groups=5, groups_per_product=2, products_per_group=2, clients_per_group=2)
KEY = AccessKey(Caller("1000000000000001", "LTAItest"), "secret")

Start = Callable[[], Coroutine[Any, Any, SubscriptionService]]


@pytest.fixture
async def forwarder(tmp_path: Path, clock: FakeClock, database: Database) -> AsyncIterator[Forwarder]:
    async with forwarding(tmp_path, clock, database) as forwarder:
        yield forwarder


@pytest.fixture
def keys() -> Keys:
    return Keys(KEY)


@pytest.fixture
async def start(  # noqa: PLR0917 - fixtures by name
    database: Database, clock: FakeClock, bus: LocalBus, products: ProductService, forwarder: Forwarder, keys: Keys
) -> AsyncIterator[Start]:
    """Makes services on the same database, as a restarted node does."""
    made: list[SubscriptionService] = []
    outbound = Outbound()

    async def start() -> SubscriptionService:
        service = SubscriptionService(
            database,
            clock,
            bus,
            products=products,
            forwarder=forwarder,
            keys=keys,
            instances=FixedInstances(),
            queues=MnsQueues(forwarder, outbound, ENDPOINTS, clock),
            limits=LIMITS,
        )
        await service.start()
        made.append(service)
        return service

    yield start
    for service in made:
        await service.close()
    await outbound.close()


@pytest.fixture
async def subscriptions(start: Start) -> SubscriptionService:
    return await start()


@pytest.fixture
async def api(products: ProductService, subscriptions: SubscriptionService, clock: FakeClock) -> AsyncIterator[Api]:
    async with sdk_api(Services(products, subscriptions), clock) as api:
        yield api


@pytest.fixture
async def gateways(products: ProductService) -> Product:
    """A product whose devices are gateways."""
    return await products.create(1, NewProduct(name="Gateways", node_type=1))


def source(product: Product) -> Source:
    """A device of a product, as forwarding knows it."""
    return Source(product.instance_id, product.id, product.product_key, 1, "lamp", "iot1", "CustomCategory")


def topic(product: Product) -> str:
    return f"/{product.product_key}/lamp/user/update"


async def publish(forwarder: Forwarder, product: Product, *bodies: bytes, kind: Kind = Kind.CUSTOM) -> list[int | None]:
    """Forward messages of a device, as a custom topic's unless told otherwise; returns when they are durable."""
    name = topic(product) if kind is Kind.CUSTOM else f"/{product.product_key}/lamp/{kind.name}"
    sent = [forwarder.forward(kind, source(product), name, body) for body in bodies]
    await forwarder.durable()
    return sent

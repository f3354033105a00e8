"""Fixtures: thing models over products, and the cloud API in front of both."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import msgspec
import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.sdk_api import sdk_api
from thingplane.bus import LocalBus
from thingplane.cloud import OPERATIONS, Services
from thingplane.products.operations import changes, creation, queries
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database
from thingplane.things.download import TslDownloads
from thingplane.things.operations import editing, reading, templates
from thingplane.things.service import ThingModelService

MakeProduct: TypeAlias = Callable[..., Awaitable[Product]]

_MODULES = {module.__name__ for module in (changes, creation, queries, editing, reading, templates)}
THING_OPERATIONS = {name: found for name, found in OPERATIONS.items() if found.module in _MODULES}


@pytest.fixture
def models(database: Database, clock: FakeClock, products: ProductService, bus: LocalBus) -> ThingModelService:
    return ThingModelService(database, clock, products, bus)


@pytest.fixture
def make_product(products: ProductService, models: ThingModelService) -> MakeProduct:  # noqa: ARG001 - hooks into products
    """Creates a product with a thing model; keyword arguments change what its creator decides."""

    async def make(**changes: Any) -> Product:
        new = NewProduct(name="Weather_station", node_type=0, data_format=1, senior=True)
        return await products.create(1, msgspec.structs.replace(new, **changes))

    return make


@pytest.fixture
async def product(make_product: MakeProduct) -> Product:
    return await make_product()


@pytest.fixture
def downloads(products: ProductService, models: ThingModelService, clock: FakeClock) -> TslDownloads:
    return TslDownloads(models, products, clock, lambda: "http://127.0.0.1:8080")


@pytest.fixture
async def api(
    products: ProductService, models: ThingModelService, downloads: TslDownloads, clock: FakeClock
) -> AsyncIterator[Api]:
    async with sdk_api(Services(products, models, downloads), clock, operations=THING_OPERATIONS) as api:
        yield api


def int_property(identifier: str, **changes: Any) -> dict[str, Any]:
    specs = {"custom": True, "dataType": "INT", "min": "0", "max": "100", "step": "1", "unit": "%"}
    return {
        "identifier": identifier,
        "name": identifier,
        "dataType": "INT",
        "dataSpecs": specs,
        "rwFlag": "READ_WRITE",
        "required": False,
        "custom": True,
    } | changes


def features(**lists: list[dict[str, Any]]) -> str:
    """ThingModelJson with these lists."""
    return json.dumps(lists)

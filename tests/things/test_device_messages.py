"""Devices that read their thing model."""

import msgspec
import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.uplinks import Messages
from tests.things.conftest import MakeProduct, features, int_property
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import DeviceService
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database
from thingplane.things import device as slice_messages
from thingplane.things.device import handlers
from thingplane.things.service import ThingModelService

TOPICS = pytest.mark.parametrize("topic", ["thing/dsltemplate/get", "thing/dynamicTsl/get"])


@pytest.fixture
def devices(database: Database, clock: FakeClock, bus: LocalBus, products: ProductService) -> DeviceService:
    return DeviceService(database, clock, bus, products)


async def messages_of(
    product: Product, devices: DeviceService, models: ThingModelService, products: ProductService, clock: FakeClock
) -> Messages:
    return Messages(clock, await devices.register(product, "station1"), handlers(Services(models, products)))


@TOPICS
async def test_a_device_reads_what_was_published_last(  # noqa: PLR0917 - fixtures
    api: Api,
    make_product: MakeProduct,
    devices: DeviceService,
    models: ThingModelService,
    products: ProductService,
    clock: FakeClock,
    topic: str,
) -> None:
    product = await make_product(publish_auto=False)
    messages = await messages_of(product, devices, models, products, clock)
    key = product.product_key
    assert await messages.code(topic, {}) == 5159
    model = features(properties=[int_property("Level")])
    assert (await api.call("CreateThingModel", ProductKey=key, ThingModelJson=model))["Success"] is True
    assert (await api.call("PublishThingModel", ProductKey=key, ModelVersion="1.2"))["Success"] is True
    published = await api.call("GetThingModelTslPublished", ProductKey=key)
    expected = msgspec.json.decode(published["Data"]["TslStr"])
    expected["profile"]["deviceName"] = "station1"
    expected["link"] = f"/sys/{key}/station1/thing/"
    reply = await messages.request(topic, {})
    assert (reply["code"], reply["data"]) == (200, expected)
    assert reply["data"]["profile"] == {"productKey": key, "version": "1.2", "deviceName": "station1"}


async def test_a_product_without_a_thing_model_has_nothing_to_read(
    make_product: MakeProduct,
    devices: DeviceService,
    models: ThingModelService,
    products: ProductService,
    clock: FakeClock,
) -> None:
    messages = await messages_of(await make_product(senior=False), devices, models, products, clock)
    assert await messages.code("thing/dsltemplate/get", {}) == 6321


async def test_a_model_that_fits_no_message_is_not_sent(  # noqa: PLR0917 - fixtures
    product: Product,
    devices: DeviceService,
    models: ThingModelService,
    products: ProductService,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messages = await messages_of(product, devices, models, products, clock)
    await models.publish(product, None, None)
    monkeypatch.setattr(slice_messages, "MAX_BYTES", 100)
    assert await messages.code("thing/dsltemplate/get", {}) == 500

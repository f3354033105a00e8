"""Addresses of TSL texts."""

from tests.common.api import Api
from tests.common.asgi import download
from tests.common.clock import FakeClock
from tests.things.conftest import features, int_property
from thingplane.products.service import Product, ProductService
from thingplane.things.download import TslDownloads


async def tsl(api: Api, product: Product, action: str = "GetThingModelTsl", **parameters: object) -> tuple[str, bytes]:
    """Return the address of a module's TSL, and its text."""
    data = (await api.call(action, ProductKey=product.product_key, **parameters))["Data"]
    return data["TslUri"], data["TslStr"].encode()


async def test_what_is_at_the_address_is_what_the_answer_has(
    api: Api, product: Product, downloads: TslDownloads
) -> None:
    module = {"FunctionBlockId": "Battery", "FunctionBlockName": "Battery_module"}
    for block, name in (({}, "a"), (module, "b")):
        model = features(properties=[int_property(name)])
        await api.call("CreateThingModel", ProductKey=product.product_key, ThingModelJson=model, **block)
    await api.call("PublishThingModel", ProductKey=product.product_key, ModelVersion="1.0")
    addresses = set()
    for action, parameters in (
        ("GetThingModelTsl", {}),
        ("GetThingModelTsl", {"Simple": True}),
        ("GetThingModelTsl", {"FunctionBlockId": "Battery"}),
        ("GetThingModelTsl", {"ModelVersion": "1.0", "FunctionBlockId": "Battery", "Simple": True}),
        ("GetThingModelTslPublished", {}),
    ):
        address, text = await tsl(api, product, action, **parameters)
        assert address.startswith("http://127.0.0.1:8080/thing-models/")
        assert await download(downloads, address) == (200, text)
        addresses.add(address.split("?")[0])
    assert len(addresses) == 5


async def test_an_address_is_for_one_text_and_one_hour(
    api: Api, product: Product, downloads: TslDownloads, clock: FakeClock
) -> None:
    address, _ = await tsl(api, product)
    forged = address.replace("/model.json", "/simple.json")
    assert (await download(downloads, forged))[0] == 403
    clock.advance(3599)
    assert (await download(downloads, address))[0] == 200
    clock.advance(2)
    assert (await download(downloads, address))[0] == 403


async def test_what_was_deleted_is_not_at_its_address_any_more(
    api: Api, product: Product, products: ProductService, downloads: TslDownloads
) -> None:
    await api.call("PublishThingModel", ProductKey=product.product_key, ModelVersion="1.0")
    address, _ = await tsl(api, product, ModelVersion="1.0")
    for number in range(10):
        await api.call("PublishThingModel", ProductKey=product.product_key, ModelVersion=f"2.{number}")
    assert (await download(downloads, address))[0] == 404
    address, _ = await tsl(api, product)
    await products.delete(product)
    assert (await download(downloads, address))[0] == 404

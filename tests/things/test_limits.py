"""Limits given to the service, and a thing model of several modules that goes from product to product as TSL."""

import json
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.things.conftest import MakeProduct, features, int_property
from tests.things.test_editing import create, draft, identifiers
from thingplane.bus import LocalBus
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database
from thingplane.things.model.limits import ModelLimits
from thingplane.things.service import ThingModelService

BATTERY: dict[str, Any] = {"FunctionBlockId": "Battery", "FunctionBlockName": "Battery_Module"}
PUMP: dict[str, Any] = {"FunctionBlockId": "Pump", "FunctionBlockName": "Pump_Module"}


@pytest.fixture
def models(database: Database, clock: FakeClock, products: ProductService, bus: LocalBus) -> ThingModelService:
    limits = ModelLimits(features=3, modules=1, description_characters=5, document_bytes=4000, extend_config_bytes=60)
    return ThingModelService(database, clock, products, bus, limits=limits, versions_kept=2, features_per_call=2)


async def tsl(api: Api, product: Product, **parameters: str) -> str:
    block = {name: value for name, value in parameters.items() if name == "FunctionBlockId"}
    answer = await api.call("GetThingModelTsl", ProductKey=product.product_key, **block)
    text: str = answer["Data"]["TslStr"]
    return text


async def test_features_of_a_call_and_of_a_module_are_limited(api: Api, product: Product) -> None:
    three = features(properties=[int_property(name) for name in "abc"])
    assert (await create(api, product, three))["Code"] == "iot.common.InvalidFormattedParameter"
    assert (await create(api, product, features(properties=[int_property(name) for name in "ab"])))["Success"]
    answer = await create(api, product, features(properties=[int_property(name) for name in "cd"]))
    assert answer["Code"] == "iot.prod.BatchCreateThingModelFailed"
    assert identifiers(await draft(api, product)) == ["a", "b"]


async def test_modules_are_limited_for_additions_and_imports(api: Api, product: Product) -> None:
    assert (await create(api, product, features(properties=[int_property("a")]), **BATTERY))["Success"]
    answer = await create(api, product, features(properties=[int_property("a")]), **PUMP)
    assert answer["Code"] == "iot.prod.BatchCreateThingModelFailed"
    answer = await api.call("ImportThingModelTsl", ProductKey=product.product_key, TslStr="{}", **PUMP)
    assert answer["Code"] == "iot.prod.BatchCreateThingModelFailed"


async def test_text_is_limited_with_its_extended_configuration(api: Api, product: Product) -> None:
    assert (await create(api, product, features(properties=[int_property("a")])))["Success"]
    long = int_property("b", extendConfig=json.dumps({"customize": {"text": "x" * 60}}))
    answer = await create(api, product, features(properties=[long]))
    assert answer["Code"] == "iot.common.InvalidFormattedParameter"
    answer = await api.call("ImportThingModelTsl", ProductKey=product.product_key, TslStr=json.dumps({"x": "x" * 4000}))
    assert answer["Code"] == "iot.common.UpdateThingModelOverLimit"


async def test_versions_and_their_descriptions_are_limited(api: Api, product: Product) -> None:
    key = {"ProductKey": product.product_key}
    answer = await api.call("PublishThingModel", **key, Description="longer")
    assert (answer["Code"], "at most 5" in answer["ErrorMessage"]) == ("iot.common.InvalidFormattedParameter", True)
    for version in ("1", "2", "3"):
        await api.call("PublishThingModel", **key, ModelVersion=version)
    listed = (await api.call("ListThingModelVersion", **key))["Data"]["ModelVersions"]
    assert [version["ModelVersion"] for version in listed] == ["3", "2"]


async def test_modules_travel_one_by_one_as_tsl(api: Api, product: Product, make_product: MakeProduct) -> None:
    await create(api, product, features(properties=[int_property("a")]))
    await create(api, product, features(properties=[int_property("a")]), **BATTERY)
    target = await make_product(name="Target")
    for parameters in ({}, BATTERY):
        text = await tsl(api, product, **parameters)
        answer = await api.call("ImportThingModelTsl", ProductKey=target.product_key, TslStr=text, **parameters)
        assert answer["Success"]
    for parameters in ({}, BATTERY):
        expected = (await tsl(api, product, **parameters)).replace(product.product_key, target.product_key)
        assert await tsl(api, target, **parameters) == expected

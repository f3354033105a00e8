"""QueryThingModelExtendConfig, QueryThingModelExtendConfigPublished, and editing extended configurations."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from alibabacloud_iot20180120.models import QueryThingModelExtendConfigResponseBody

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.things.conftest import THING_OPERATIONS, MakeProduct, features, int_property
from tests.things.test_editing import create, draft
from thingplane.cloud import Services
from thingplane.cloud.client import CallError
from thingplane.products.service import Product, ProductService
from thingplane.things.service import ThingModelService

BOTH = ("QueryThingModelExtendConfig", "QueryThingModelExtendConfigPublished")
BATTERY: dict[str, Any] = {"FunctionBlockId": "Battery", "FunctionBlockName": "Battery_Module"}


def level(address: str) -> dict[str, Any]:
    config = {
        "identifier": "Level",
        "registerAddress": address,
        "operateType": "holdingRegister",
        "writeFunctionCode": 6,
        "scaling": 1,
        "pollingTime": 1000,
        "trigger": 1,
        "originalDataType": {"type": "int16", "specs": {"swap16": 0, "reverseRegister": 0}},
    }
    return int_property("Level", extendConfig=json.dumps(config))


@pytest.fixture
async def product(make_product: MakeProduct) -> Product:
    return await make_product(protocol_type="modbus")


async def configuration(api: Api, action: str, product: Product, **parameters: Any) -> dict[str, Any]:
    answer = await api.call(action, ProductKey=product.product_key, **parameters)
    assert answer["Success"], answer
    text = QueryThingModelExtendConfigResponseBody().from_map(answer).data.configuration
    document: dict[str, Any] = json.loads(text)
    return document


async def publish(api: Api, product: Product, version: str) -> None:
    await api.call("PublishThingModel", ProductKey=product.product_key, ModelVersion=version)


async def test_published_configurations_are_read_by_version_and_module(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[level("0x01"), int_property("Plain")]))
    await create(api, product, features(properties=[level("0x02")]), **BATTERY)
    await publish(api, product, "1.0")
    changed = features(properties=[level("0x03")])
    answer = await api.call("UpdateThingModel", ProductKey=product.product_key, ThingModelJson=changed)
    assert answer["Success"]
    for action in BOTH:
        document = await configuration(api, action, product)
        assert document["profile"] == {"productKey": product.product_key}
        assert [(each["identifier"], each["registerAddress"]) for each in document["properties"]] == [("Level", "0x01")]
        assert set(document) == {"profile", "properties"}
        module = await configuration(api, action, product, FunctionBlockId="Battery")
        assert (module["functionBlockId"], module["properties"][0]["registerAddress"]) == ("Battery", "0x02")
    await publish(api, product, "2.0")
    for action in BOTH:
        assert (await configuration(api, action, product))["properties"][0]["registerAddress"] == "0x03"
        older = await configuration(api, action, product, ModelVersion="1.0")
        assert older["properties"][0]["registerAddress"] == "0x01"


async def test_the_answer_is_the_same_in_xml(
    product: Product, products: ProductService, models: ThingModelService, clock: FakeClock
) -> None:
    api = Api(Services(products, models), clock=clock, operations=THING_OPERATIONS, scheme="acs3")
    await publish(api, product, "1.0")
    for action in BOTH:
        parameters = {"ProductKey": product.product_key, "Format": "XML"}
        _, _, body = await api.send(api.signer.sign(action, parameters))
        assert json.loads(ET.fromstring(body).findtext("Data/Configuration") or "")["properties"] == []


@pytest.mark.parametrize("action", BOTH)
async def test_what_is_not_there_has_its_code(api: Api, make_product: MakeProduct, action: str) -> None:
    unpublished = await make_product(publish_auto=False)
    calls: list[tuple[dict[str, Any], str]] = [
        ({}, "iot.prod.QueryProductAbilitiesFailed"),
        ({"ModelVersion": "9"}, "iot.prod.QueryProductAbilitiesFailed"),
        ({"ModelVersion": "v-1"}, "iot.common.InvalidFormattedParameter"),
        ({"FunctionBlockId": "no-block"}, "iot.common.InvalidFormattedParameter"),
        ({"ProductKey": "a1Nowhere01"}, "iot.prod.NotExistedProduct"),
        ({"ProductKey": ""}, "iot.prod.NullProductKey"),
        ({"IotInstanceId": "iot-other"}, "iot.prod.NotExistedProduct"),
    ]
    for parameters, code in calls:
        answer = await api.call(action, **{"ProductKey": unpublished.product_key, **parameters})
        assert answer["Code"] == code, parameters
    published = await make_product(name="Published")
    answer = await api.call(action, ProductKey=published.product_key, FunctionBlockId="Nothing")
    assert answer["Code"] == "iot.prod.QueryProductAbilitiesFailed"
    basic = await make_product(name="Basic", senior=False, data_format=None)
    assert (await api.call(action, ProductKey=basic.product_key))["Code"] == "iot.prod.NotSeniorProduct"
    with pytest.raises(CallError, match="MissingProductKey"):
        await api.call(action)


async def test_a_configuration_that_does_not_fit_changes_nothing(api: Api, product: Product) -> None:
    answer = await create(api, product, features(properties=[level("4")]))
    assert answer["Code"] == "iot.common.InvalidFormattedParameter"
    assert "properties[0].extendConfig.registerAddress" in answer["ErrorMessage"]
    assert (await draft(api, product))["properties"] == []
    await create(api, product, features(properties=[level("0x01")]))
    before = await draft(api, product)
    answer = await api.call(
        "UpdateThingModel", ProductKey=product.product_key, ThingModelJson=features(properties=[level("0x12345")])
    )
    assert answer["Code"] == "iot.common.InvalidFormattedParameter"
    assert await draft(api, product) == before


async def test_import_of_one_module_leaves_the_configurations_of_the_others(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[level("0x01")]))
    await create(api, product, features(properties=[level("0x02")]), **BATTERY)
    tsl = await api.call("GetThingModelTsl", ProductKey=product.product_key)
    answer = await api.call("ImportThingModelTsl", ProductKey=product.product_key, TslStr=tsl["Data"]["TslStr"])
    assert answer["Success"]
    assert "extendConfig" not in (await draft(api, product))["properties"][0]
    assert "extendConfig" in (await draft(api, product, FunctionBlockId="Battery"))["properties"][0]

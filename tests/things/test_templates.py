"""ListThingTemplates, GetThingTemplate, and products that start from a category."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from alibabacloud_iot20180120.models import GetThingTemplateResponseBody, ListThingTemplatesResponseBody

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.things.conftest import THING_OPERATIONS
from tests.things.test_editing import identifiers
from thingplane.cloud import Services
from thingplane.cloud.client import CallError
from thingplane.products.service import ProductService
from thingplane.things.service import ThingModelService

LAMP: dict[str, Any] = {
    "ProductName": "Street_light",
    "NodeType": 0,
    "DataFormat": 1,
    "AliyunCommodityCode": "iothub_senior",
    "CategoryKey": "Lighting",
}


async def test_categories_are_listed_with_key_and_name(api: Api) -> None:
    answer = await api.call("ListThingTemplates")
    assert {"CategoryKey": "Lighting", "CategoryName": "Street Lamp"} in answer["Data"]
    body = ListThingTemplatesResponseBody().from_map(answer)
    assert [entry.category_key for entry in body.data] == [entry["CategoryKey"] for entry in answer["Data"]]


async def test_the_list_is_bare_in_xml(products: ProductService, models: ThingModelService, clock: FakeClock) -> None:
    api = Api(Services(products, models), clock=clock, operations=THING_OPERATIONS, scheme="acs3")
    _, _, body = await api.send(api.signer.sign("ListThingTemplates", {"Format": "XML"}))
    root = ET.fromstring(body)
    assert root.tag == "ListThingTemplatesResponse"
    assert len(root.findall("Data")) == len(models.categories.names())
    assert root.findtext("Data/CategoryKey")
    _, _, body = await api.send(api.signer.sign("GetThingTemplate", {"Format": "XML", "CategoryKey": "Lighting"}))
    assert json.loads(ET.fromstring(body).findtext("ThingModelJSON") or "")["properties"]


async def test_a_template_has_standard_features_and_no_product(api: Api) -> None:
    answer = await api.call("GetThingTemplate", CategoryKey="Lighting")
    document = json.loads(GetThingTemplateResponseBody().from_map(answer).thing_model_json)
    assert set(document) == {"properties", "events", "services"}
    switch = next(prop for prop in document["properties"] if prop["identifier"] == "LightSwitch")
    assert switch == {
        "custom": False,
        "customFlag": False,
        "dataSpecsList": [
            {"custom": False, "dataType": "BOOL", "name": "Off", "value": 0},
            {"custom": False, "dataType": "BOOL", "name": "On", "value": 1},
        ],
        "dataType": "BOOL",
        "identifier": "LightSwitch",
        "name": "Lamp switch",
        "required": True,
        "rwFlag": "READ_WRITE",
        "std": True,
    }


@pytest.mark.parametrize("key", ["Nothing", "lighting", ""])
async def test_unknown_categories_have_their_code(api: Api, key: str) -> None:
    assert (await api.call("GetThingTemplate", CategoryKey=key))["Code"] == "iot.prod.InvalidFormattedCatId"
    answer = await api.call("CreateProduct", **{**LAMP, "CategoryKey": key})
    assert answer["Code"] == "iot.prod.InvalidFormattedCatId"
    assert (await api.call("QueryProductList", CurrentPage=1))["Data"]["Total"] == 0


async def test_the_category_is_mandatory(api: Api) -> None:
    with pytest.raises(CallError, match="MissingCategoryKey"):
        await api.call("GetThingTemplate")


async def test_a_product_of_a_category_starts_with_its_model(
    api: Api, models: ThingModelService, products: ProductService, clock: FakeClock
) -> None:
    key = (await api.call("CreateProduct", **LAMP))["ProductKey"]
    data = (await api.call("QueryProduct", ProductKey=key))["Data"]
    assert (data["CategoryKey"], data["CategoryName"]) == ("Lighting", "Street Lamp")
    template = json.loads((await api.call("GetThingTemplate", CategoryKey="Lighting"))["ThingModelJSON"])
    for action in ("QueryThingModel", "QueryThingModelPublished"):
        answer = await api.call(action, ProductKey=key)
        document = json.loads(answer["Data"]["ThingModelJson"])
        assert identifiers(document) == identifiers(template)
        assert document["properties"][0]["createTs"] == clock.now_ms()
    compiled = await models.published((await products.get(1, key)).id)
    assert compiled.properties.check_post({"LightSwitch": 1, "Brightness": 50}, clock.now_ms()) is None


async def test_a_category_is_published_only_when_asked(api: Api) -> None:
    key = (await api.call("CreateProduct", **LAMP, PublishAuto=False))["ProductKey"]
    assert (await api.call("QueryThingModel", ProductKey=key))["Success"]
    answer = await api.call("QueryThingModelPublished", ProductKey=key)
    assert answer["Code"] == "iot.prod.QueryProductAbilitiesFailed"


async def test_a_basic_product_has_no_category(api: Api) -> None:
    key = (await api.call("CreateProduct", **{**LAMP, "AliyunCommodityCode": "iothub"}))["ProductKey"]
    data = (await api.call("QueryProduct", ProductKey=key))["Data"]
    assert not {"CategoryKey", "CategoryName"} & data.keys()

"""Custom modules (FunctionBlockId, FunctionBlockName)."""

from typing import Any

from tests.common.api import Api
from tests.things.conftest import features, int_property
from tests.things.test_editing import create, draft, identifiers
from thingplane.products.service import Product
from thingplane.things.service import ThingModelService

BATTERY: dict[str, Any] = {"FunctionBlockId": "Battery", "FunctionBlockName": "Battery_Module"}


async def test_module_has_its_own_features_and_is_listed_by_the_default_module(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[int_property("Level")]))
    assert (await create(api, product, features(properties=[int_property("Level")]), **BATTERY))["Success"]
    default = await draft(api, product)
    assert default["functionBlocks"] == [
        {
            "functionBlockId": "Battery",
            "functionBlockName": "Battery_Module",
            "productKey": product.product_key,
        }
    ]
    module = await draft(api, product, FunctionBlockId="Battery")
    assert (module["identifier"], module["name"], identifiers(module)) == ("Battery", "Battery_Module", ["Level"])


async def test_features_of_a_published_module_carry_its_identifier(
    api: Api, product: Product, models: ThingModelService
) -> None:
    await create(api, product, features(properties=[int_property("Level")]), **BATTERY)
    await api.call("PublishThingModel", ProductKey=product.product_key)
    compiled = await models.published(product.id)
    assert compiled.properties.check_post({"Battery:Level": 5}, 0) is None
    assert "Level" not in compiled.properties


async def test_identifier_and_name_go_together(api: Api, product: Product) -> None:
    text = features(properties=[int_property("Level")])
    for only, value in BATTERY.items():
        answer = await create(api, product, text, **{only: value})
        assert answer["Code"] == "iot.common.InvalidFormattedParameter"
    answer = await create(api, product, text, FunctionBlockId="no-block", FunctionBlockName="Battery")
    assert answer["Code"] == "iot.common.InvalidFormattedParameter"
    await create(api, product, text, **BATTERY)
    other = features(properties=[int_property("Volt")])
    answer = await create(api, product, other, FunctionBlockId="Battery", FunctionBlockName="Another")
    assert answer["Code"] == "iot.prod.BatchCreateThingModelFailed"


async def test_update_renames_a_module(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[int_property("Level")]), **BATTERY)
    answer = await api.call(
        "UpdateThingModel", ProductKey=product.product_key, FunctionBlockId="Battery", FunctionBlockName="Cells"
    )
    assert answer["Success"]
    module = await draft(api, product, FunctionBlockId="Battery")
    assert (module["name"], identifiers(module)) == ("Cells", ["Level"])
    answer = await api.call("UpdateThingModel", ProductKey=product.product_key, FunctionBlockName="Cells")
    assert answer["Code"] == "iot.common.InvalidFormattedParameter"


async def test_delete_with_only_the_module_empties_it(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[int_property("Level")]))
    await create(api, product, features(properties=[int_property("Level")]), **BATTERY)
    answer = await api.call("DeleteThingModel", ProductKey=product.product_key, FunctionBlockId="Battery")
    assert answer["Success"]
    assert identifiers(await draft(api, product, FunctionBlockId="Battery")) == []
    assert identifiers(await draft(api, product)) == ["Level"]


async def test_unknown_module_is_a_documented_failure(api: Api, product: Product) -> None:
    answer = await api.call("QueryThingModel", ProductKey=product.product_key, FunctionBlockId="Nothing")
    assert answer["Code"] == "iot.prod.QueryProductAbilitiesFailed"
    answer = await api.call("DeleteThingModel", ProductKey=product.product_key, FunctionBlockId="Nothing")
    assert answer["Code"] == "iot.common.InvalidFormattedParameter"


async def test_tsl_can_be_imported_into_a_module(api: Api, product: Product) -> None:
    answer = await api.call("ImportThingModelTsl", ProductKey=product.product_key, TslStr="{}", **BATTERY)
    assert answer["Success"]
    answer = await api.call("GetThingModelTsl", ProductKey=product.product_key, FunctionBlockId="Battery")
    assert '"functionBlockId":"Battery"' in answer["Data"]["TslStr"]

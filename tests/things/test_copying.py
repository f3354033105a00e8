"""CopyThingModel."""

import asyncio
import json
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.things.conftest import MakeProduct, features, int_property
from tests.things.test_editing import EVENT, SERVICE, create, draft, identifiers
from thingplane.cloud.client import CallError
from thingplane.products.service import Product, ProductService

BATTERY: dict[str, Any] = {"FunctionBlockId": "Battery", "FunctionBlockName": "Battery_Module"}
MODBUS = {"registerAddress": "0x04", "operateType": "inputRegister", "originalDataType": {"type": "int16"}}


@pytest.fixture
async def target(make_product: MakeProduct) -> Product:
    return await make_product(name="Copied_station")


async def copy(api: Api, source: Product, target: Product, **parameters: Any) -> dict[str, Any]:
    keys = {"SourceProductKey": source.product_key, "TargetProductKey": target.product_key}
    return await api.call("CopyThingModel", **{**keys, **parameters})


async def publish(api: Api, product: Product, version: str) -> None:
    answer = await api.call("PublishThingModel", ProductKey=product.product_key, ModelVersion=version)
    assert answer["Success"]


async def test_all_modules_of_the_newest_version_replace_the_draft(
    api: Api, product: Product, target: Product, clock: FakeClock
) -> None:
    await create(api, product, features(properties=[int_property("a")], events=[EVENT], services=[SERVICE]))
    await create(api, product, features(properties=[int_property("Level")]), **BATTERY)
    await publish(api, product, "1.0")
    await create(api, product, features(properties=[int_property("unpublished")]))
    await create(api, target, features(properties=[int_property("old")]))
    before = await draft(api, product)
    clock.advance(10)
    assert (await copy(api, product, target))["Success"]
    copied = await draft(api, target)
    assert identifiers(copied) == ["a", "alarm", "reset"]
    assert copied["functionBlocks"] == [
        {"functionBlockId": "Battery", "functionBlockName": "Battery_Module", "productKey": target.product_key}
    ]
    assert {feature["productKey"] for feature in copied["properties"]} == {target.product_key}
    assert copied["properties"][0]["createTs"] == before["properties"][0]["createTs"]
    assert identifiers(await draft(api, target, FunctionBlockId="Battery")) == ["Level"]
    published = await api.call("QueryThingModelPublished", ProductKey=target.product_key)
    assert identifiers(json.loads(published["Data"]["ThingModelJson"])) == []


async def test_a_named_version_is_copied_also_onto_the_product_itself(
    api: Api, product: Product, target: Product
) -> None:
    for name in ("a", "b"):
        await create(api, product, features(properties=[int_property(name)]))
        await publish(api, product, f"v{name}")
    for onto in (target, product):
        assert (await copy(api, product, onto, SourceModelVersion="va"))["Success"]
        assert identifiers(await draft(api, onto)) == ["a"]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"SourceModelVersion": "nothing"}, "iot.prod.QueryProductAbilitiesFailed"),
        ({"SourceModelVersion": "v-1"}, "iot.common.InvalidFormattedParameter"),
        ({"SourceProductKey": "a1Nowhere01"}, "iot.prod.NotExistedProduct"),
        ({"TargetProductKey": "a1Nowhere01"}, "iot.prod.NotExistedProduct"),
        ({"SourceProductKey": ""}, "iot.prod.NullProductKey"),
        ({"TargetProductKey": ""}, "iot.prod.NullProductKey"),
    ],
)
async def test_what_cannot_be_copied_changes_nothing(
    api: Api, product: Product, target: Product, parameters: dict[str, str], code: str
) -> None:
    await create(api, target, features(properties=[int_property("old")]))
    assert (await copy(api, product, target, **parameters))["Code"] == code
    assert identifiers(await draft(api, target)) == ["old"]


async def test_both_products_are_mandatory_and_have_thing_models(
    api: Api, product: Product, make_product: MakeProduct
) -> None:
    for name, other in (("SourceProductKey", "TargetProductKey"), ("TargetProductKey", "SourceProductKey")):
        with pytest.raises(CallError, match=f"Missing{name}"):
            await api.call("CopyThingModel", **{other: product.product_key})
    basic = await make_product(name="Basic_station", senior=False, data_format=None)
    for source, onto in ((basic, product), (product, basic)):
        assert (await copy(api, source, onto))["Code"] == "iot.prod.NotSeniorProduct"


async def test_products_of_different_categories_are_not_copied(
    api: Api, product: Product, make_product: MakeProduct
) -> None:
    lamp = await make_product(name="Street_lamp", category_key="Lighting", category_name="Street Lamp")
    other = await make_product(name="Other_lamp", category_key="Lighting", category_name="Street Lamp")
    assert (await copy(api, lamp, product))["Code"] == "iot.prod.BatchCreateThingModelFailed"
    assert (await copy(api, lamp, other))["Success"]


async def test_extended_configuration_is_copied_between_products_with_the_same_protocol(
    api: Api, make_product: MakeProduct
) -> None:
    source = await make_product(name="Source", protocol_type="modbus")
    extended = int_property("Level", extendConfig=json.dumps(MODBUS))
    assert (await create(api, source, features(properties=[extended])))["Success"]
    await publish(api, source, "1.0")
    code = (await draft(api, source))["properties"][0]["configCode"]
    for name, protocol in (("Same", "modbus"), ("Other", "opc-ua")):
        target = await make_product(name=name, protocol_type=protocol)
        assert (await copy(api, source, target))["Success"]
        [copied] = (await draft(api, target))["properties"]
        if protocol == "modbus":
            assert json.loads(copied["extendConfig"]) == MODBUS
            assert len(copied["configCode"]) == 45
            assert copied["configCode"] != code
        else:
            assert not {"extendConfig", "configCode"} & copied.keys()


async def test_release_and_edits_at_once_leave_a_released_product_unedited(
    api: Api, product: Product, products: ProductService
) -> None:
    async def release() -> dict[str, Any]:
        await products.set_status(product, "RELEASE_STATUS")
        return await draft(api, product)

    names = [f"p{number}" for number in range(5)]
    edits = [create(api, product, features(properties=[int_property(name)])) for name in names]
    at_release, *answers = await asyncio.gather(release(), *edits)
    for answer in answers:
        assert answer["Success"] or answer["Code"] == "iot.prod.UpdateProductFailed"
    after = await draft(api, product)
    assert identifiers(after) == identifiers(at_release)
    assert len(identifiers(after)) == sum(answer["Success"] for answer in answers)


async def test_products_of_other_instances_are_not_copied(api: Api, product: Product, target: Product) -> None:
    answer = await copy(api, product, target, IotInstanceId="iot-other")
    assert answer["Code"] == "iot.prod.NotExistedProduct"

"""CreateThingModel, UpdateThingModel, DeleteThingModel, ImportThingModelTsl."""

import asyncio
import json
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.things.conftest import MakeProduct, features, int_property
from thingplane.cloud.client import CallError
from thingplane.products.service import Product

EVENT = {"identifier": "alarm", "eventName": "Alarm", "eventType": "ALERT_EVENT_TYPE", "outputData": []}
SERVICE = {"identifier": "reset", "serviceName": "Reset", "callType": "SYNC", "inputParams": [], "outputParams": []}


async def draft(api: Api, product: Product, **parameters: Any) -> dict[str, Any]:
    answer = await api.call("QueryThingModel", ProductKey=product.product_key, **parameters)
    assert answer["Success"], answer
    document: dict[str, Any] = json.loads(answer["Data"]["ThingModelJson"])
    return document


async def create(api: Api, product: Product, text: str, **parameters: Any) -> dict[str, Any]:
    return await api.call("CreateThingModel", ProductKey=product.product_key, ThingModelJson=text, **parameters)


def identifiers(document: dict[str, Any]) -> list[str]:
    return [feature["identifier"] for kind in ("properties", "events", "services") for feature in document[kind]]


async def test_created_features_are_in_the_draft(api: Api, product: Product, clock: FakeClock) -> None:
    text = features(properties=[int_property("Humidity")], events=[EVENT], services=[SERVICE])
    assert (await create(api, product, text))["Success"]
    document = await draft(api, product)
    assert document["productKey"] == product.product_key
    assert "_ppk" not in document
    assert identifiers(document) == ["Humidity", "alarm", "reset"]
    assert document["properties"][0]["createTs"] == clock.now_ms()
    assert document["properties"][0]["dataSpecs"]["max"] == "100"


async def test_features_are_listed_in_the_order_of_their_creation(api: Api, product: Product, clock: FakeClock) -> None:
    await create(api, product, features(properties=[int_property("b"), int_property("a")]))
    clock.advance(1)
    await create(api, product, features(properties=[int_property("c"), int_property("old", createTs=1)]))
    assert identifiers(await draft(api, product)) == ["old", "b", "a", "c"]


async def test_extended_configuration_gets_a_code_that_stays(api: Api, product: Product) -> None:
    extended = int_property("Humidity", extendConfig='{"identifier":"Humidity","customize":{"pin":4}}')
    await create(api, product, features(properties=[extended]))
    code = (await draft(api, product))["properties"][0]["configCode"]
    await create(api, product, features(properties=[int_property("other")]))
    assert (await draft(api, product))["properties"][0]["configCode"] == code
    assert len(code) == 45


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "iot.common.InvalidFormattedParameter"),
        ("{}", "iot.common.InvalidFormattedParameter"),
        (features(properties=[int_property("set")]), "iot.common.InvalidFormattedParameter"),
        (features(properties=[int_property(f"p{n}") for n in range(11)]), "iot.common.InvalidFormattedParameter"),
        (features(properties=[int_property("Humidity")]), "iot.prod.BatchCreateThingModelFailed"),
        (features(events=[EVENT | {"identifier": "Humidity"}]), "iot.prod.BatchCreateThingModelFailed"),
        (features(events=[EVENT | {"eventName": "Humidity"}]), "iot.prod.ThingModelNameDuplicated"),
    ],
)
async def test_features_that_break_a_rule_change_nothing(api: Api, product: Product, text: str, code: str) -> None:
    await create(api, product, features(properties=[int_property("Humidity")]))
    answer = await create(api, product, text)
    assert (answer["Success"], answer["Code"]) == (False, code)
    assert answer["ErrorMessage"]
    assert identifiers(await draft(api, product)) == ["Humidity"]


async def test_missing_json_is_a_documented_failure(api: Api, product: Product) -> None:
    for action in ("CreateThingModel", "UpdateThingModel", "ImportThingModelTsl", "DeleteThingModel"):
        answer = await api.call(action, ProductKey=product.product_key)
        assert answer["Code"] == "iot.common.InvalidFormattedParameter", action


async def test_concurrent_additions_are_all_kept(api: Api, product: Product) -> None:
    names = [f"p{number}" for number in range(6)]
    answers = await asyncio.gather(
        *(create(api, product, features(properties=[int_property(name)])) for name in [*names, "p0"])
    )
    assert sorted(answer["Success"] for answer in answers) == [False, *[True] * 6]
    assert sorted(identifiers(await draft(api, product))) == names


async def test_model_that_grows_too_large_is_refused(api: Api, product: Product) -> None:
    items = [{"dataType": "ENUM", "name": "n" * 20, "value": value} for value in range(100)]
    outputs = [{"identifier": f"o{n}", "name": f"o{n}", "dataType": "ENUM", "dataSpecsList": items} for n in range(30)]
    answers = [
        await create(
            api,
            product,
            features(events=[EVENT | {"identifier": f"e{n}", "eventName": f"e{n}", "outputData": outputs}]),
        )
        for n in range(4)
    ]
    assert [answer.get("Code") for answer in answers] == [None, None, None, "iot.common.UpdateThingModelOverLimit"]
    assert identifiers(await draft(api, product)) == ["e0", "e1", "e2"]


async def test_update_replaces_the_feature_and_keeps_its_place(api: Api, product: Product, clock: FakeClock) -> None:
    await create(api, product, features(properties=[int_property("a"), int_property("b")]))
    clock.advance(1)
    renamed = int_property("c", rwFlag="READ_ONLY")
    answer = await api.call(
        "UpdateThingModel",
        ProductKey=product.product_key,
        Identifier="a",
        ThingModelJson=features(properties=[renamed]),
    )
    assert answer["Success"]
    document = await draft(api, product)
    assert identifiers(document) == ["c", "b"]
    assert document["properties"][0]["rwFlag"] == "READ_ONLY"
    assert document["properties"][0]["createTs"] == document["properties"][1]["createTs"]


async def test_update_without_identifier_takes_it_from_the_definition(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[int_property("a")]))
    changed = features(properties=[int_property("a", description="new")])
    assert (await api.call("UpdateThingModel", ProductKey=product.product_key, ThingModelJson=changed))["Success"]
    assert (await draft(api, product))["properties"][0]["description"] == "new"


@pytest.mark.parametrize(
    ("identifier", "text", "code"),
    [
        ("nothing", features(properties=[int_property("a")]), "iot.common.InvalidFormattedParameter"),
        ("a", features(events=[EVENT]), "iot.common.InvalidFormattedParameter"),
        ("a", features(properties=[int_property("x"), int_property("y")]), "iot.common.InvalidFormattedParameter"),
        ("a", features(properties=[int_property("b", name="x")]), "iot.prod.BatchCreateThingModelFailed"),
        ("a", features(properties=[int_property("x", name="b")]), "iot.prod.ThingModelNameDuplicated"),
    ],
)
async def test_update_that_does_not_fit_changes_nothing(
    api: Api, product: Product, identifier: str, text: str, code: str
) -> None:
    await create(api, product, features(properties=[int_property("a"), int_property("b")]))
    before = await draft(api, product)
    answer = await api.call(
        "UpdateThingModel", ProductKey=product.product_key, Identifier=identifier, ThingModelJson=text
    )
    assert answer["Code"] == code
    assert await draft(api, product) == before


async def test_delete_removes_named_features_of_every_kind(api: Api, product: Product) -> None:
    lists = {"properties": [int_property("a"), int_property("b")], "events": [EVENT], "services": [SERVICE]}
    await create(api, product, features(**lists))
    answer = await api.call(
        "DeleteThingModel",
        ProductKey=product.product_key,
        PropertyIdentifier=["a"],
        EventIdentifier=["alarm"],
        ServiceIdentifier=["reset"],
    )
    assert answer["Success"]
    assert identifiers(await draft(api, product)) == ["b"]


async def test_delete_of_an_unknown_feature_or_too_many_deletes_nothing(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[int_property("a")]))
    for names in (["a", "nothing"], [f"p{number}" for number in range(11)]):
        answer = await api.call("DeleteThingModel", ProductKey=product.product_key, PropertyIdentifier=names)
        assert answer["Code"] == "iot.common.InvalidFormattedParameter"
    assert identifiers(await draft(api, product)) == ["a"]


async def test_import_replaces_the_draft(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[int_property("a")]))
    tsl = {
        "profile": {"productKey": "a1Elsewhere"},
        "properties": [{"identifier": "b", "name": "b", "accessMode": "r", "dataType": {"type": "date"}}],
    }
    answer = await api.call("ImportThingModelTsl", ProductKey=product.product_key, TslStr=json.dumps(tsl))
    assert answer["Success"]
    document = await draft(api, product)
    assert identifiers(document) == ["b"]
    assert document["properties"][0]["createTs"]


async def test_import_of_a_bad_or_large_text_changes_nothing(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[int_property("a")]))
    broken = '{"properties":[{"identifier":"b"}]}'
    answer = await api.call("ImportThingModelTsl", ProductKey=product.product_key, TslStr=broken)
    assert answer["Code"] == "iot.common.InvalidFormattedParameter"
    large = json.dumps({"properties": [], "padding": "x" * 256 * 1024})
    answer = await api.call("ImportThingModelTsl", ProductKey=product.product_key, TslStr=large)
    assert answer["Code"] == "iot.common.UpdateThingModelOverLimit"
    assert identifiers(await draft(api, product)) == ["a"]


async def test_released_product_cannot_be_edited(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[int_property("a")]))
    assert (await api.call("ReleaseProduct", ProductKey=product.product_key))["Success"]
    calls: dict[str, dict[str, Any]] = {
        "CreateThingModel": {"ThingModelJson": features(properties=[int_property("b")])},
        "UpdateThingModel": {"ThingModelJson": features(properties=[int_property("a")])},
        "DeleteThingModel": {"PropertyIdentifier": ["a"]},
        "ImportThingModelTsl": {"TslStr": "{}"},
        "PublishThingModel": {},
        "CopyThingModel": {"SourceProductKey": product.product_key, "TargetProductKey": product.product_key},
    }
    for action, parameters in calls.items():
        answer = await api.call(action, ProductKey=product.product_key, **parameters)
        assert answer["Code"] == "iot.prod.UpdateProductFailed", action
    assert identifiers(await draft(api, product)) == ["a"]
    for action in ("QueryThingModel", "QueryThingModelPublished", "GetThingModelTsl", "ListThingModelVersion"):
        assert (await api.call(action, ProductKey=product.product_key))["Success"], action
    assert (await api.call("CancelReleaseProduct", ProductKey=product.product_key))["Success"]
    assert (await create(api, product, features(properties=[int_property("b")])))["Success"]


async def test_products_without_thing_model_and_unknown_products_are_told_apart(
    api: Api, make_product: MakeProduct
) -> None:
    basic = await make_product(senior=False, data_format=None)
    for action in ("QueryThingModel", "GetThingModelTslPublished", "ListThingModelVersion", "PublishThingModel"):
        assert (await api.call(action, ProductKey=basic.product_key))["Code"] == "iot.prod.NotSeniorProduct"
        assert (await api.call(action, ProductKey="a1Nowhere01"))["Code"] == "iot.prod.NotExistedProduct"
        assert (await api.call(action, ProductKey=""))["Code"] == "iot.prod.NullProductKey"
    assert (await api.call("QueryThingModel"))["Code"] == "iot.prod.NullProductKey"
    with pytest.raises(CallError, match="MissingProductKey"):
        await api.call("PublishThingModel")


async def test_other_instance_does_not_see_the_model(api: Api, product: Product) -> None:
    answer = await api.call("QueryThingModel", ProductKey=product.product_key, IotInstanceId="iot-other")
    assert answer["Code"] == "iot.prod.NotExistedProduct"

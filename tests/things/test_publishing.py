"""PublishThingModel, ListThingModelVersion, and reading published versions."""

import json
from typing import Any

import pytest
from alibabacloud_iot20180120.models import GetThingModelTslResponseBody, ListThingModelVersionResponseBody

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.things.conftest import MakeProduct, features, int_property
from tests.things.test_editing import create, identifiers
from thingplane.bus import LocalBus
from thingplane.cloud import BusinessError
from thingplane.products.service import Product, ProductChanged, ProductService
from thingplane.storage.database import Database
from thingplane.things import store
from thingplane.things.model.checks import CheckLevel
from thingplane.things.service import ThingModelPublished, ThingModelService


async def publish(api: Api, product: Product, **parameters: Any) -> dict[str, Any]:
    return await api.call("PublishThingModel", ProductKey=product.product_key, **parameters)


async def versions(api: Api, product: Product) -> list[dict[str, Any]]:
    answer = await api.call("ListThingModelVersion", ProductKey=product.product_key)
    found: list[dict[str, Any]] = answer["Data"]["ModelVersions"]
    return found


async def test_new_product_publishes_its_empty_model_unless_told_not_to(
    api: Api, make_product: MakeProduct, clock: FakeClock
) -> None:
    automatic = await make_product()
    assert await versions(api, automatic) == [{"ModelVersion": str(clock.now_ms()), "GmtCreate": clock.now_ms()}]
    manual = await make_product(name="Other_station", publish_auto=False)
    assert await versions(api, manual) == []
    for action in ("QueryThingModelPublished", "GetThingModelTslPublished"):
        answer = await api.call(action, ProductKey=manual.product_key)
        assert answer["Code"] == "iot.prod.QueryProductAbilitiesFailed"


async def test_versions_are_listed_newest_first_and_read_by_name(api: Api, product: Product, clock: FakeClock) -> None:
    for name in ("a", "b"):
        clock.advance(60)
        await create(api, product, features(properties=[int_property(name)]))
        assert (await publish(api, product, ModelVersion=f"v{name}", Description=f"adds {name}"))["Success"]
    listed = await versions(api, product)
    assert [version["ModelVersion"] for version in listed[:2]] == ["vb", "va"]
    assert listed[0] == {"ModelVersion": "vb", "GmtCreate": clock.now_ms(), "Description": "adds b"}
    ListThingModelVersionResponseBody().from_map({"Data": {"ModelVersions": listed}})

    for action in ("QueryThingModel", "QueryThingModelPublished"):
        answer = await api.call(action, ProductKey=product.product_key, ModelVersion="va")
        document = json.loads(answer["Data"]["ThingModelJson"])
        assert document["_ppk"] == {"version": "va", "description": "adds a"}
        assert identifiers(document) == ["a"]
    answer = await api.call("QueryThingModelPublished", ProductKey=product.product_key)
    assert identifiers(json.loads(answer["Data"]["ThingModelJson"])) == ["a", "b"]
    answer = await api.call("GetThingModelTslPublished", ProductKey=product.product_key)
    assert json.loads(answer["Data"]["TslStr"])["profile"] == {"productKey": product.product_key, "version": "vb"}


async def test_unpublished_changes_are_only_in_the_draft(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[int_property("a")]))
    draft = await api.call("GetThingModelTsl", ProductKey=product.product_key)
    published = await api.call("GetThingModelTslPublished", ProductKey=product.product_key)
    assert [prop["identifier"] for prop in json.loads(draft["Data"]["TslStr"])["properties"]] == ["a"]
    assert json.loads(published["Data"]["TslStr"])["properties"] == []
    body = GetThingModelTslResponseBody().from_map(draft)
    assert body.data.tsl_str == draft["Data"]["TslStr"]


async def test_simple_tsl_is_smaller(api: Api, product: Product) -> None:
    await create(api, product, features(properties=[int_property("a")]))
    answer = await api.call("GetThingModelTsl", ProductKey=product.product_key, Simple=True)
    assert set(json.loads(answer["Data"]["TslStr"])["properties"][0]) == {"identifier", "dataType"}


async def test_last_ten_versions_are_kept(api: Api, product: Product) -> None:
    for number in range(12):
        assert (await publish(api, product, ModelVersion=f"1.{number}"))["Success"]
    assert [version["ModelVersion"] for version in await versions(api, product)] == [
        f"1.{number}" for number in range(11, 1, -1)
    ]
    answer = await api.call("QueryThingModel", ProductKey=product.product_key, ModelVersion="1.0")
    assert answer["Code"] == "iot.prod.QueryProductAbilitiesFailed"


@pytest.mark.parametrize(
    "parameters",
    [{"ModelVersion": "v" * 17}, {"ModelVersion": "v-1"}, {"ModelVersion": ""}, {"Description": "d" * 101}],
)
async def test_malformed_version_is_refused(api: Api, product: Product, parameters: dict[str, str]) -> None:
    before = await versions(api, product)
    assert (await publish(api, product, **parameters))["Code"] == "iot.common.InvalidFormattedParameter"
    assert await versions(api, product) == before


async def test_version_names_are_not_used_twice(api: Api, product: Product) -> None:
    assert (await publish(api, product, ModelVersion="1.0"))["Success"]
    assert (await publish(api, product, ModelVersion="1.0"))["Code"] == "iot.common.InvalidFormattedParameter"


async def test_names_made_from_the_time_differ_within_a_millisecond(api: Api, product: Product) -> None:
    assert (await publish(api, product))["Success"]
    assert (await publish(api, product))["Success"]
    assert len({version["ModelVersion"] for version in await versions(api, product)}) == 3


async def test_publishing_replaces_the_cached_model_and_tells_everyone(
    api: Api, product: Product, models: ThingModelService, bus: LocalBus
) -> None:
    told: list[ThingModelPublished] = []
    bus.subscribe(ThingModelPublished, told.append)
    assert models.cached(product.id) is None
    first = await models.published(product.id)
    assert models.cached(product.id) is first
    assert list(first.definitions) == []
    await create(api, product, features(properties=[int_property("a")]))
    assert models.cached(product.id) is first
    await publish(api, product, ModelVersion="1.0")
    assert told == [ThingModelPublished(product.id, product.product_key)]
    second = await models.published(product.id)
    assert (list(second.definitions), second.version, second.level) == (["a"], "1.0", CheckLevel.WEAK)
    assert await models.published(product.id) is second


async def test_check_level_is_the_products(make_product: MakeProduct, models: ThingModelService) -> None:
    product = await make_product(validate_type=2)
    compiled = await models.published(product.id)
    assert compiled.level is CheckLevel.NONE
    assert compiled.properties.check_post({"anything": 1}, 0) is None


async def test_change_of_the_product_drops_the_cached_model(
    product: Product, models: ThingModelService, bus: LocalBus
) -> None:
    await models.published(product.id)
    bus.publish(ProductChanged(product.id, product.product_key))
    assert models.cached(product.id) is None


async def test_a_check_level_that_another_process_has_set_is_noticed(
    product: Product, products: ProductService, models: ThingModelService, database: Database, clock: FakeClock
) -> None:
    await products.refresh()
    assert (await models.published(product.id)).level is CheckLevel.WEAK
    await ProductService(database, clock, LocalBus()).set_check(product, 0)
    assert (await models.published(product.id)).level is CheckLevel.WEAK
    await products.refresh()
    assert (await models.published(product.id)).level is CheckLevel.STRONG


async def test_a_product_without_thing_model_has_no_check_level(
    make_product: MakeProduct, products: ProductService
) -> None:
    product = await make_product(senior=False, data_format=None)
    with pytest.raises(BusinessError, match=r"iot.prod.NotSeniorProduct"):
        await products.set_check(product, 0)


async def test_product_without_published_model_compiles_to_nothing(
    make_product: MakeProduct, models: ThingModelService
) -> None:
    product = await make_product(publish_auto=False)
    compiled = await models.published(product.id)
    assert (compiled.version, compiled.model.feature_count) == (None, 0)


async def test_deleted_product_takes_its_model_along(
    product: Product, products: ProductService, models: ThingModelService, database: Database
) -> None:
    await models.published(product.id)
    await products.delete(product)
    assert models.cached(product.id) is None
    with pytest.raises(BusinessError, match=r"iot.prod.NotExistedProduct"):
        await models.published(product.id)
    with pytest.raises(BusinessError, match=r"iot.prod.NotExistedProduct"):
        await models.draft(product)
    with pytest.raises(BusinessError, match=r"iot.prod.NotExistedProduct"):
        await models.publish(product, None, None)
    with pytest.raises(BusinessError, match=r"iot.prod.NotExistedProduct"):
        await models.import_tsl(product, "{}", None)
    async with database.read() as connection:
        assert await store.list_versions(connection, product.id) == []

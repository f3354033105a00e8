"""The topic category operations through the whole cloud API, on both databases."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.sdk_api import sdk_api
from thingplane.cloud import Services
from thingplane.cloud.client import CallError
from thingplane.products.service import Product, ProductService
from thingplane.topics.operations import categories  # noqa: F401 - registers the operations
from thingplane.topics.service import TopicService

SUBMIT = {"TopicShortName": "submit", "Operation": "PUB"}


@pytest.fixture
async def api(products: ProductService, topics: TopicService, clock: FakeClock) -> AsyncIterator[Api]:
    async with sdk_api(Services(products, topics), clock) as api:
        yield api


async def code(api: Api, action: str, /, **parameters: Any) -> str:
    """Return the code of a call that is refused."""
    answer = await api.call(action, **parameters)
    assert answer["Success"] is False
    assert answer["ErrorMessage"]
    return str(answer["Code"])


async def query(api: Api, product: Product) -> list[dict[str, Any]]:
    answer = await api.call("QueryProductTopic", ProductKey=product.product_key)
    infos: list[dict[str, Any]] = answer["Data"]["ProductTopicInfo"]
    return infos


async def test_categories_are_shown_with_full_name_and_numbers_as_text(api: Api, product: Product) -> None:
    infos = await query(api, product)
    assert all(info.pop("Id").isdecimal() for info in infos)
    prefix = f"/{product.product_key}/${{deviceName}}"
    assert infos == [
        {"Operation": "0", "ProductKey": product.product_key, "TopicShortName": f"{prefix}/user/update"},
        {"Operation": "0", "ProductKey": product.product_key, "TopicShortName": f"{prefix}/user/update/error"},
        {"Operation": "1", "ProductKey": product.product_key, "TopicShortName": f"{prefix}/user/get"},
    ]


async def test_a_category_is_created_changed_and_deleted_by_its_id(api: Api, product: Product) -> None:
    answer = await api.call("CreateProductTopic", ProductKey=product.product_key, **SUBMIT, Desc="a test topic")
    topic_id = answer["TopicId"]
    assert isinstance(topic_id, int)
    created = {
        "Id": str(topic_id),
        "ProductKey": product.product_key,
        "TopicShortName": f"/{product.product_key}/${{deviceName}}/user/submit",
        "Operation": "0",
        "Desc": "a test topic",
    }
    assert (await query(api, product))[-1] == created
    changes = {"TopicShortName": "resubmit/+", "Operation": "SUB", "Codec": "json", "EnableProxySubscribe": "True"}
    assert (await api.call("UpdateProductTopic", TopicId=topic_id, **changes))["Success"] is True
    assert (await query(api, product))[-1] == {
        **created,
        "TopicShortName": f"/{product.product_key}/${{deviceName}}/user/resubmit/+",
        "Operation": "1",
        "Codec": "json",
        "EnableProxySubscribe": True,
    }
    assert (await api.call("UpdateProductTopic", TopicId=topic_id, TopicShortName="both", Operation="ALL"))["Success"]
    assert (await query(api, product))[-1]["Operation"] == "2"
    assert (await api.call("DeleteProductTopic", TopicId=topic_id))["Success"] is True
    assert len(await query(api, product)) == 3


REFUSED_CATEGORIES: list[tuple[dict[str, Any], str]] = [
    ({"TopicShortName": ""}, "iot.messagebroker.NullTopicName"),
    ({"TopicShortName": "a//b"}, "iot.messagebroker.InvalidFormattedTopicName"),
    ({"TopicShortName": "a/#"}, "iot.messagebroker.InvalidFormattedTopicName"),
    ({"TopicShortName": "get"}, "iot.messagebroker.TopicAlreadyFound"),
    ({"TopicShortName": "user/get"}, "iot.messagebroker.TopicAlreadyFound"),
    ({"Operation": ""}, "iot.messagebroker.NullTopicTemplateOperation"),
    ({"Operation": "pub"}, "iot.messagebroker.InvalidTopicTemplateOperationValue"),
    ({"Operation": "0"}, "iot.messagebroker.InvalidTopicTemplateOperationValue"),
    ({"Desc": ""}, "iot.common.InvalidFormattedParameter"),
    ({"Desc": "d" * 101}, "iot.common.InvalidFormattedParameter"),
    ({"Codec": "c" * 129}, "iot.common.InvalidFormattedParameter"),
    ({"EnableProxySubscribe": "maybe"}, "iot.common.InvalidFormattedParameter"),
]


async def test_every_constraint_has_its_code_and_changes_nothing(api: Api, product: Product) -> None:
    before = await query(api, product)
    create = {"ProductKey": product.product_key, **SUBMIT}
    update = {"TopicId": before[0]["Id"], **SUBMIT}
    for action, parameters in (("CreateProductTopic", create), ("UpdateProductTopic", update)):
        refused = [(wrong, await code(api, action, **{**parameters, **wrong})) for wrong, _ in REFUSED_CATEGORIES]
        assert refused == REFUSED_CATEGORIES
    assert await query(api, product) == before


async def test_product_keys_that_name_no_product_have_their_codes(api: Api, product: Product) -> None:
    for product_key, expected in (
        ("", "iot.prod.NullProductKey"),
        ("a1-", "iot.prod.InvalidFormattedProductkey"),
        ("a1unknown00", "iot.prod.NotExistedProduct"),
    ):
        assert await code(api, "QueryProductTopic", ProductKey=product_key) == expected
        assert await code(api, "CreateProductTopic", ProductKey=product_key, **SUBMIT) == expected
    other = {"ProductKey": product.product_key, "IotInstanceId": "iot-other"}
    assert await code(api, "QueryProductTopic", **other) == "iot.prod.NotExistedProduct"
    assert await code(api, "CreateProductTopic", **other, **SUBMIT) == "iot.prod.NotExistedProduct"


async def test_topic_ids_that_name_no_category_have_their_codes(api: Api, product: Product) -> None:
    for topic_id, expected in (
        ("", "iot.messagebroker.NullTopicTemplateId"),
        ("x", "iot.messagebroker.InvalidFormattedTopicTemplateId"),
        ("-1", "iot.messagebroker.InvalidFormattedTopicTemplateId"),
        ("9" * 19, "iot.messagebroker.InvalidFormattedTopicTemplateId"),
        ("9" * 18, "iot.messagebroker.TopicTemplateIsNotFound"),
    ):
        assert await code(api, "UpdateProductTopic", TopicId=topic_id, **SUBMIT) == expected
        assert await code(api, "DeleteProductTopic", TopicId=topic_id) == expected
    other = {"TopicId": (await query(api, product))[0]["Id"], "IotInstanceId": "iot-other"}
    assert await code(api, "UpdateProductTopic", **other, **SUBMIT) == "iot.messagebroker.TopicTemplateIsNotFound"
    assert await code(api, "DeleteProductTopic", **other) == "iot.messagebroker.TopicTemplateIsNotFound"


async def test_a_full_product_takes_no_more_categories(api: Api, product: Product) -> None:
    create = {"ProductKey": product.product_key, "Operation": "PUB"}
    for name in ("fourth", "fifth"):
        assert (await api.call("CreateProductTopic", **create, TopicShortName=name))["Success"] is True
    expected = "iot.messagebroker.TopicTemplateCountExceedMax"
    assert await code(api, "CreateProductTopic", **create, TopicShortName="sixth") == expected


async def test_absent_mandatory_parameters_are_named(api: Api, product: Product) -> None:
    create: dict[str, Any] = {"ProductKey": product.product_key, **SUBMIT}
    for name in create:
        with pytest.raises(CallError, match=f"Missing{name}"):
            await api.call("CreateProductTopic", **{key: value for key, value in create.items() if key != name})
    for action in ("UpdateProductTopic", "DeleteProductTopic"):
        with pytest.raises(CallError, match="MissingTopicId"):
            await api.call(action, **SUBMIT)

"""TopicService on both databases."""

import asyncio

import pytest

from thingplane.bus import LocalBus
from thingplane.cloud import BusinessError
from thingplane.products.service import Product, ProductService
from thingplane.topics.service import TopicCategory, TopicsChanged, TopicService


async def test_a_new_product_has_the_default_categories(topics: TopicService, product: Product) -> None:
    categories = await topics.list(product.id)
    assert [(category.name, category.operation) for category in categories] == [
        ("user/update", "PUB"),
        ("user/update/error", "PUB"),
        ("user/get", "SUB"),
    ]
    permissions = await topics.permissions(product.id)
    assert permissions.may_publish("user/update")
    assert permissions.may_subscribe("user/get")
    assert not permissions.may_publish("user/get")
    assert not permissions.may_subscribe("user/update")


async def test_changed_categories_permit_something_else_at_once(
    topics: TopicService, product: Product, bus: LocalBus
) -> None:
    await topics.permissions(product.id)
    changes: list[TopicsChanged] = []
    bus.subscribe(TopicsChanged, changes.append)
    category = await topics.create(product, "both", "ALL", description="both ways")
    permissions = await topics.permissions(product.id)
    assert permissions.may_publish("user/both")
    assert permissions.may_subscribe("user/both")
    await topics.update(1, category.id, "down", "SUB")
    permissions = await topics.permissions(product.id)
    assert not permissions.may_publish("user/down")
    assert permissions.may_subscribe("user/down")
    assert (await topics.list(product.id))[-1].description == "both ways"
    await topics.delete(1, category.id)
    assert not (await topics.permissions(product.id)).may_subscribe("user/down")
    assert changes == [TopicsChanged(product.id)] * 3


async def test_permissions_are_cached_until_another_node_changes_them(
    topics: TopicService, product: Product, bus: LocalBus
) -> None:
    assert topics.cached(product.id) is None
    permissions = await topics.permissions(product.id)
    assert topics.cached(product.id) is permissions
    assert await topics.permissions(product.id) is permissions
    bus.publish(TopicsChanged(product.id))
    assert topics.cached(product.id) is None


async def test_what_was_read_before_a_change_does_not_enter_the_cache_after_it(
    topics: TopicService, product: Product, bus: LocalBus
) -> None:
    reading = asyncio.ensure_future(topics.permissions(product.id))
    await asyncio.sleep(0)  # the read is under way
    bus.publish(TopicsChanged(product.id))
    assert (await reading).may_publish("user/update")
    assert topics.cached(product.id) is None


async def test_of_categories_with_one_name_created_at_once_exactly_one_stays(
    topics: TopicService, product: Product
) -> None:
    creations = (topics.create(product, "twice", "PUB") for _ in range(4))
    results = await asyncio.gather(*creations, return_exceptions=True)
    assert sum(isinstance(result, TopicCategory) for result in results) == 1
    codes = [result.code for result in results if isinstance(result, BusinessError)]
    assert codes == ["iot.messagebroker.TopicAlreadyFound"] * 3


async def test_a_product_has_no_more_categories_than_allowed_even_when_created_at_once(
    topics: TopicService, product: Product
) -> None:
    creations = (topics.create(product, f"other{n}", "PUB") for n in range(4))
    results = await asyncio.gather(*creations, return_exceptions=True)
    codes = [result.code for result in results if isinstance(result, BusinessError)]
    assert codes == ["iot.messagebroker.TopicTemplateCountExceedMax"] * 2
    assert len(await topics.list(product.id)) == 5


async def test_categories_go_with_their_product(
    topics: TopicService, product: Product, products: ProductService
) -> None:
    await topics.permissions(product.id)
    category = (await topics.list(product.id))[0]
    await products.delete(product)
    assert topics.cached(product.id) is None
    assert await topics.list(product.id) == []
    assert not (await topics.permissions(product.id)).may_publish("user/update")
    with pytest.raises(BusinessError, match=r"iot.prod.NotExistedProduct"):
        await topics.create(product, "late", "PUB")
    for action in (topics.update(1, category.id, "late", "PUB"), topics.delete(1, category.id)):
        with pytest.raises(BusinessError, match=r"iot.messagebroker.TopicTemplateIsNotFound"):
            await action

"""ProductTags on both databases."""

import asyncio

import pytest

from thingplane.cloud import BusinessError
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.products.tags import InvalidTagsError


@pytest.fixture
async def product(products: ProductService) -> Product:
    return await products.create(1, NewProduct(name="tagged", node_type=0))


async def test_tags_are_listed_by_key_with_their_latest_values(products: ProductService, product: Product) -> None:
    await products.tags.create(product.id, [("room", "102"), ("floor.no", "1")])
    await products.tags.update(product.id, [("room", "103")])
    assert await products.tags.list(product.id) == [("floor.no", "1"), ("room", "103")]
    await products.tags.delete(product.id, ["room", "unknown"])
    assert await products.tags.list(product.id) == [("floor.no", "1")]


MALFORMED: list[tuple[str | None, str | None]] = [
    ("", "v"),
    (None, "v"),
    ("k", ""),
    ("k", None),
    ("k" * 31, "v"),
    ("k_y", "v"),
    ("k", "v" * 129),
    ("k", "a b"),
    ("k", "123$"),
]


async def test_a_malformed_tag_is_named_and_nothing_is_changed(products: ProductService, product: Product) -> None:
    for tag in MALFORMED:
        with pytest.raises(InvalidTagsError) as caught:
            await products.tags.create(product.id, [("good", "1"), tag])
        assert caught.value.tags == [tag]
    assert await products.tags.list(product.id) == []


async def test_keys_and_values_may_be_as_long_as_documented(products: ProductService, product: Product) -> None:
    longest = ("k" * 30, "v" * 128)
    await products.tags.create(product.id, [longest, ("k", "Zürich-1_标签")])
    assert await products.tags.list(product.id) == [("k", "Zürich-1_标签"), longest]


async def test_a_key_named_twice_is_refused(products: ProductService, product: Product) -> None:
    with pytest.raises(InvalidTagsError) as caught:
        await products.tags.create(product.id, [("k", "1"), ("other", "1"), ("k", "2")])
    assert caught.value.tags == [("k", "1"), ("k", "2")]


async def test_creating_needs_new_keys_and_updating_known_ones(products: ProductService, product: Product) -> None:
    await products.tags.create(product.id, [("room", "102")])
    with pytest.raises(InvalidTagsError) as caught:
        await products.tags.create(product.id, [("floor", "1"), ("room", "103")])
    assert caught.value.tags == [("room", "103")]
    with pytest.raises(InvalidTagsError) as caught:
        await products.tags.update(product.id, [("floor", "1"), ("room", "103")])
    assert caught.value.tags == [("floor", "1")]
    assert await products.tags.list(product.id) == [("room", "102")]


async def test_a_product_has_at_most_100_tags_even_when_created_at_once(
    products: ProductService, product: Product
) -> None:
    for start in range(0, 90, 10):
        await products.tags.create(product.id, [(f"k{n}", "v") for n in range(start, start + 10)])
    creations = (products.tags.create(product.id, [(f"{letter}{n}", "v") for n in range(10)]) for letter in "abc")
    results = await asyncio.gather(*creations, return_exceptions=True)
    codes = [result.code for result in results if isinstance(result, BusinessError)]
    assert codes == ["iot.common.InvalidFormattedParameter"] * 2
    assert len(await products.tags.list(product.id)) == 100


async def test_a_deleted_product_takes_no_tags(products: ProductService, product: Product) -> None:
    await products.delete(product)
    with pytest.raises(BusinessError, match=r"iot.prod.NotExistedProduct"):
        await products.tags.create(product.id, [("k", "v")])
    with pytest.raises(BusinessError, match=r"iot.prod.NotExistedProduct"):
        await products.tags.update(product.id, [("k", "v")])


async def test_products_are_found_by_any_of_several_tags_newest_first(products: ProductService) -> None:
    for name, tags in (
        ("first", [("room", "1"), ("kind", "lamp")]),
        ("second", [("room", "2")]),
        ("third", [("kind", "lamp")]),
        ("untagged", [("other", "1")]),
    ):
        product = await products.create(1, NewProduct(name=name, node_type=0))
        await products.tags.create(product.id, tags)
    elsewhere = await products.create(2, NewProduct(name="elsewhere", node_type=0))
    await products.tags.create(elsewhere.id, [("room", "1")])

    async def names(tags: list[tuple[str, str | None]], page: int = 1, size: int = 10) -> list[str]:
        return [product.name for product in await products.page_by_tags(1, tags, page, size)]

    assert await names([("room", None)]) == ["second", "first"]
    assert await names([("room", "1")]) == ["first"]
    assert await names([("room", "1"), ("kind", "lamp")]) == ["third", "first"]
    assert await names([("room", None), ("kind", "lamp")], page=2, size=2) == ["first"]
    assert await names([("room", "3")]) == []

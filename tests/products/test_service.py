"""ProductService on both databases."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.common.clock import FakeClock
from thingplane.bus import LocalBus
from thingplane.cloud import BusinessError
from thingplane.products.service import NewProduct, Product, ProductChanged, ProductDeleted, ProductService
from thingplane.storage.database import Database

INSTANCE = 1
LAMP = NewProduct(name="Street_light", node_type=0, data_format=1, senior=True, description="lights up")


async def test_a_created_product_is_found_with_everything_its_creator_said(
    products: ProductService, clock: FakeClock
) -> None:
    created = await products.create(INSTANCE, LAMP)
    found = await products.get(INSTANCE, created.product_key)
    assert found == created
    assert (found.name, found.node_type, found.data_format, found.description) == ("Street_light", 0, 1, "lights up")
    assert found.senior is True
    assert found.created_at == clock.now_ms()
    assert found.status == "DEVELOPMENT_STATUS"
    assert len(found.product_secret) == 16
    assert await products.by_id(created.id) == created


async def test_printing_a_product_does_not_print_its_secret(products: ProductService) -> None:
    product = await products.create(INSTANCE, LAMP)
    assert product.product_secret not in repr(product) + str(product)


async def test_a_product_of_another_instance_does_not_exist(products: ProductService) -> None:
    product = await products.create(INSTANCE, LAMP)
    with pytest.raises(BusinessError, match=r"iot.prod.NotExistedProduct"):
        await products.get(2, product.product_key)
    assert await products.find(product.product_key) == product


async def test_an_empty_product_key_has_its_own_code(products: ProductService) -> None:
    with pytest.raises(BusinessError, match=r"iot.prod.NullProductKey"):
        await products.get(INSTANCE, "")


async def test_names_are_unique_within_an_instance_only(products: ProductService) -> None:
    await products.create(INSTANCE, LAMP)
    await products.create(2, LAMP)
    with pytest.raises(BusinessError, match=r"iot.prod.AlreadyExistedProductName"):
        await products.create(INSTANCE, LAMP)


async def test_of_creations_with_one_name_at_once_exactly_one_succeeds(products: ProductService) -> None:
    results = await asyncio.gather(*(products.create(INSTANCE, LAMP) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, Product) for result in results) == 1
    codes = {result.code for result in results if isinstance(result, BusinessError)}
    assert codes == {"iot.prod.AlreadyExistedProductName"}
    assert not [result for result in results if not isinstance(result, Product | BusinessError)]


async def test_an_instance_holds_no_more_products_than_allowed_even_when_created_at_once(
    database: Database, clock: FakeClock, bus: LocalBus
) -> None:
    products = ProductService(database, clock, bus, max_products=3)
    await products.create(INSTANCE, NewProduct(name="first", node_type=0))
    others = (products.create(INSTANCE, NewProduct(name=f"other{n}", node_type=0)) for n in range(6))
    results = await asyncio.gather(*others, return_exceptions=True)
    codes = [result.code for result in results if isinstance(result, BusinessError)]
    assert codes == ["iot.prod.ProductCountExceedMax"] * 4
    assert (await products.page(INSTANCE, 1, 10))[1] == 3
    await products.create(2, NewProduct(name="elsewhere", node_type=0))


async def test_changes_are_seen_at_once_and_told(products: ProductService, bus: LocalBus) -> None:
    product = await products.create(INSTANCE, LAMP)
    await products.find(product.product_key)
    changes: list[ProductChanged] = []
    bus.subscribe(ProductChanged, changes.append)
    await products.rename(product, "Lamp", None)
    await products.set_status(product, "RELEASE_STATUS")
    await products.set_filter(product, by_timestamp=True, by_value=False)
    await products.set_dynamic_register(product, enabled=True)
    now = await products.get(INSTANCE, product.product_key)
    assert (now.name, now.description, now.released, now.dynamic_register) == ("Lamp", "lights up", True, True)
    assert (now.filter_by_timestamp, now.filter_by_value) == (True, False)
    assert changes == [ProductChanged(product.id, product.product_key)] * 4


async def test_a_taken_name_cannot_be_given_to_another_product(products: ProductService) -> None:
    await products.create(INSTANCE, LAMP)
    other = await products.create(INSTANCE, NewProduct(name="other", node_type=0))
    with pytest.raises(BusinessError, match=r"iot.prod.AlreadyExistedProductName"):
        await products.rename(other, LAMP.name, None)
    assert (await products.get(INSTANCE, other.product_key)).name == "other"


async def test_filters_need_a_thing_model(products: ProductService) -> None:
    basic = await products.create(INSTANCE, NewProduct(name="basic", node_type=0))
    with pytest.raises(BusinessError, match=r"iot.prod.NotSeniorProduct"):
        await products.set_filter(basic, by_timestamp=True, by_value=True)


async def test_a_found_product_is_cached_until_another_node_changes_it(products: ProductService, bus: LocalBus) -> None:
    product = await products.create(INSTANCE, LAMP)
    assert products.cached(product.product_key) is None
    await products.find(product.product_key)
    assert products.cached(product.product_key) == product
    bus.publish(ProductChanged(product.id, product.product_key))
    assert products.cached(product.product_key) is None


async def test_what_was_read_before_a_change_does_not_enter_the_cache_after_it(
    products: ProductService, bus: LocalBus
) -> None:
    product = await products.create(INSTANCE, LAMP)
    finding = asyncio.ensure_future(products.find(product.product_key))
    await asyncio.sleep(0)  # the read is under way
    bus.publish(ProductChanged(product.id, product.product_key))
    assert await finding == product
    assert products.cached(product.product_key) is None


async def test_deleting_removes_the_product_and_what_others_hung_on_it(products: ProductService, bus: LocalBus) -> None:
    product = await products.create(INSTANCE, LAMP)
    await products.tags.create(product.id, [("room", "102")])
    await products.find(product.product_key)
    deleted: list[ProductDeleted] = []
    bus.subscribe(ProductDeleted, deleted.append)
    removed: list[int] = []

    async def remove(_connection: AsyncConnection, product_id: int) -> None:
        removed.append(product_id)

    products.on_delete.append(remove)
    await products.delete(product)
    assert removed == [product.id]
    assert deleted == [ProductDeleted(product.id, product.product_key)]
    assert products.cached(product.product_key) is None
    with pytest.raises(BusinessError, match=r"iot.prod.NotExistedProduct"):
        await products.get(INSTANCE, product.product_key)
    for action in (products.delete(product), products.set_status(product, "RELEASE_STATUS")):
        with pytest.raises(BusinessError, match=r"iot.prod.NotExistedProduct"):
            await action


async def test_a_product_with_devices_stays(products: ProductService) -> None:
    product = await products.create(INSTANCE, LAMP)

    async def count(_connection: AsyncConnection, product_ids: Sequence[int]) -> dict[int, int]:
        return dict.fromkeys(product_ids, 2)

    products.count_devices = count
    with pytest.raises(BusinessError, match=r"iot.prod.UpdateProductFailed: .* 2 devices"):
        await products.delete(product)
    assert await products.get(INSTANCE, product.product_key) == product
    assert await products.device_counts([product.id]) == {product.id: 2}


async def test_a_failing_hook_undoes_the_creation(products: ProductService) -> None:
    async def fail(_connection: AsyncConnection, product: Product) -> None:
        raise LookupError(product.name)

    products.on_create.append(fail)
    with pytest.raises(LookupError):
        await products.create(INSTANCE, LAMP)
    assert await products.page(INSTANCE, 1, 10) == ([], 0)


async def test_pages_are_newest_first_and_filtered(products: ProductService, clock: FakeClock) -> None:
    names = ["first", "second", "third"]
    for name in names:
        clock.advance(1)
        await products.create(
            INSTANCE, NewProduct(name=name, node_type=0, senior=name == "second", resource_group_id=f"rg-{name}")
        )
    found, total = await products.page(INSTANCE, 1, 2)
    assert ([product.name for product in found], total) == (["third", "second"], 3)
    assert [product.name for product in (await products.page(INSTANCE, 2, 2))[0]] == ["first"]
    assert (await products.page(INSTANCE, 2**62, 200))[0] == []
    assert [p.name for p in (await products.page(INSTANCE, 1, 9, senior=True))[0]] == ["second"]
    assert [p.name for p in (await products.page(INSTANCE, 1, 9, senior=False))[0]] == ["third", "first"]
    assert [p.name for p in (await products.page(INSTANCE, 1, 9, resource_group_id="rg-first"))[0]] == ["first"]

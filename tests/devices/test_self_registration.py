"""Devices that register themselves, and tokens, on both databases."""

import asyncio
import hmac

import pytest

from tests.common.clock import FakeClock
from thingplane.bus import LocalBus
from thingplane.devices.self_registration import ClientToken
from thingplane.devices.service import (
    DeviceService,
    RegistrationRefusedError,
    RegistrationRequest,
    TokenError,
    TokenExpiredError,
)
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database


@pytest.fixture
async def open_product(products: ProductService, product: Product) -> Product:
    await products.set_dynamic_register(product, enabled=True)
    return product


def request(product: Product, name: str) -> RegistrationRequest:
    fields = {"deviceName": name, "productKey": product.product_key, "random": "1"}
    content = "".join(key + fields[key] for key in sorted(fields))
    sign = hmac.digest(product.product_secret.encode(), content.encode(), "md5").hex()
    return RegistrationRequest(product.product_key, name, fields, "hmacmd5", sign)


async def test_many_at_once_get_no_more_client_ids_than_there_may_be(
    devices: DeviceService, open_product: Product
) -> None:
    attempts = [devices.self_registration.register_client(request(open_product, "shared-1")) for _ in range(9)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    given = [outcome for outcome in outcomes if isinstance(outcome, ClientToken)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, RegistrationRefusedError)]
    assert (len(given), len(refused)) == (5, 4)
    device = await devices.find(open_product.product_key, "shared-1")
    assert device is not None
    assert device.self_registered
    assert {item.client_id for item in await devices.client_ids.list(device)} == {item.client_id for item in given}
    for item in given:
        assert await devices.client_ids.verify(device, item.client_id, item.token)
    assert all(len(item.client_id) <= 64 and len(item.token) <= 64 for item in given)
    assert "token" not in repr(given[0]).lower().replace("clienttoken", "")


async def test_another_node_knows_that_a_device_has_registered_itself(
    devices: DeviceService, other_node: DeviceService, open_product: Product
) -> None:
    known = await other_node.find(open_product.product_key, "shared-1")
    assert known is None
    await devices.self_registration.register_client(request(open_product, "shared-1"))
    known = await other_node.find(open_product.product_key, "shared-1")
    assert known is not None
    assert known.self_registered


async def test_a_token_is_replaced_by_the_next_one_and_ends_with_its_device(
    devices: DeviceService, other_node: DeviceService, product: Product, clock: FakeClock
) -> None:
    device = await devices.register(product, "lamp-1")
    first = await devices.tokens.issue(device, "http")
    assert (await devices.tokens.verify(first, "http", 60)).id == device.id
    assert (await other_node.tokens.verify(first, "http", 60)).id == device.id
    clock.advance(1)
    second = await other_node.tokens.issue(device, "http")
    with pytest.raises(TokenExpiredError):
        await devices.tokens.verify(first, "http", 60)
    assert (await devices.tokens.verify(second, "http", 60)).id == device.id
    with pytest.raises(TokenError):
        await devices.tokens.verify(second, "coap", 60)
    clock.advance(60)
    with pytest.raises(TokenExpiredError):
        await devices.tokens.verify(second, "http", 60)
    await devices.delete(device)
    with pytest.raises(TokenError):
        await devices.tokens.verify(second, "http", 600)


async def test_the_switch_is_noticed_by_other_processes(
    products: ProductService, product: Product, database: Database, clock: FakeClock
) -> None:
    elsewhere = ProductService(database, clock, LocalBus())
    known = await products.find(product.product_key)
    assert known is not None
    assert not known.dynamic_register
    await products.refresh()
    await elsewhere.set_dynamic_register(product, enabled=True)
    await products.refresh()
    known = await products.find(product.product_key)
    assert known is not None
    assert known.dynamic_register

"""Names that a database might not take."""

import asyncio

import pytest

from thingplane.devices.service import DeviceService
from thingplane.products.service import Product, ProductService


@pytest.mark.parametrize("name", ["lamp-1\0", "\0", "+", "%", "'; --", "\ufeff", "x" * 5000, "\U0010ffff"])
async def test_looking_for_them_finds_nothing_and_disturbs_nobody(
    devices: DeviceService, products: ProductService, product: Product, name: str
) -> None:
    device = await devices.register(product, "lamp-1")
    devices._directory.drop(device.id)
    key = product.product_key
    found = await asyncio.gather(devices.find(key, name), devices.find(key, "lamp-1"), devices.find(name, "lamp-1"))
    assert [item.name if item else None for item in found] == [None, "lamp-1", None]
    assert await devices.by_iot_id(name) is None
    assert await products.find(name) is None

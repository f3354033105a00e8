"""Looking devices up: cached, batched, bounded."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rich.pretty import pretty_repr
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.common.clock import FakeClock
from thingplane.bus import LocalBus
from thingplane.devices.registration import new_device
from thingplane.devices.service import DeviceService
from thingplane.devices.tables import devices as table
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database


class Reads:
    """Counts reads of a database, and can hold them up after they have read."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.gate: asyncio.Event | None = None
        self.has_read = asyncio.Event()
        self._read = database.read
        monkeypatch.setattr(database, "read", self.read)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        self.count += 1
        async with self._read() as connection:
            yield connection
        self.has_read.set()
        if self.gate is not None:
            await self.gate.wait()


@pytest.fixture
def reads(database: Database, monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(database, monkeypatch)


@pytest.fixture
def small(database: Database, clock: FakeClock, products: ProductService) -> DeviceService:
    """A service that keeps three devices in memory."""
    return DeviceService(database, clock, LocalBus(), products, cached_devices=3)


async def test_lookups_of_one_loop_turn_are_one_query(
    devices: DeviceService, other_node: DeviceService, product: Product, gateway_product: Product, reads: Reads
) -> None:
    for number in range(5):
        await devices.register(product, f"lamp-{number}")
        await devices.register(gateway_product, f"lamp-{number}")
    before = reads.count
    found = await asyncio.gather(
        *(
            other_node.find(key, f"lamp-{number}")
            for number in range(7)
            for key in (product.product_key, gateway_product.product_key)
            for _ in range(2)
        )
    )
    assert reads.count == before + 1
    assert [device.name if device else None for device in found[::4]] == [*(f"lamp-{n}" for n in range(5)), None, None]
    assert found[0] is found[1]
    assert {device.product_id for device in found if device} == {product.id, gateway_product.id}
    assert await other_node.find(product.product_key, "lamp-3") is other_node.cached(product.product_key, "lamp-3")
    assert reads.count == before + 1


async def test_a_device_is_one_object_however_it_is_found(
    devices: DeviceService, other_node: DeviceService, product: Product
) -> None:
    device = await devices.register(product, "lamp-1")
    found = await asyncio.gather(
        other_node.find(product.product_key, "lamp-1"), other_node.by_id(device.id), other_node.by_iot_id(device.iot_id)
    )
    assert found[0] == device
    assert found[0] is found[1] is found[2]


async def test_more_keys_than_one_query_takes_are_found_too(
    database: Database, other_node: DeviceService, product: Product
) -> None:
    async with database.write() as connection:
        await connection.execute(
            insert(table), [new_device(product, f"lamp-{number}", None, 0) for number in range(1200)]
        )
    found = await asyncio.gather(*(other_node.find(product.product_key, f"lamp-{number}") for number in range(1200)))
    assert all(found)


async def test_the_least_recently_used_device_leaves_a_full_cache(
    small: DeviceService, product: Product, reads: Reads
) -> None:
    key = product.product_key
    ids = [(await small.register(product, f"lamp-{number}")).id for number in range(3)]
    small.cached(key, "lamp-0")
    await small.by_id(ids[1])
    await small.register(product, "lamp-3")
    assert [small.cached(key, f"lamp-{number}") is not None for number in range(4)] == [True, True, False, True]
    before = reads.count
    again = await small.by_id(ids[2])
    assert again is not None
    assert again.name == "lamp-2"
    assert reads.count == before + 1
    assert len(small._directory) == len(small._directory._by_id) == len(small._directory._by_iot_id) == 3


async def test_a_query_under_way_does_not_bring_back_a_deleted_device(
    devices: DeviceService, other_node: DeviceService, product: Product, reads: Reads
) -> None:
    device = await devices.register(product, "lamp-1")
    reads.gate = asyncio.Event()
    reads.has_read.clear()
    lookup = asyncio.create_task(other_node.find(product.product_key, "lamp-1"))
    await reads.has_read.wait()
    await devices.delete(device)
    reads.gate.set()
    assert await lookup is None
    assert other_node.cached(product.product_key, "lamp-1") is None


async def test_a_query_under_way_does_not_bring_back_an_enabled_device(
    devices: DeviceService, other_node: DeviceService, product: Product, reads: Reads
) -> None:
    device = await devices.register(product, "lamp-1")
    reads.gate = asyncio.Event()
    reads.has_read.clear()
    lookup = asyncio.create_task(other_node.find(product.product_key, "lamp-1"))
    await reads.has_read.wait()
    await devices.disable(device)
    reads.gate.set()
    found = await lookup
    assert found is not None
    assert other_node.status(found) == "DISABLE"


async def test_who_gives_up_waiting_does_not_take_the_answer_from_others(
    devices: DeviceService, other_node: DeviceService, product: Product
) -> None:
    await devices.register(product, "lamp-1")
    impatient = asyncio.create_task(other_node.find(product.product_key, "lamp-1"))
    patient = asyncio.create_task(other_node.find(product.product_key, "lamp-1"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient is not None


async def test_a_failing_database_fails_the_lookup_and_not_the_next_one(
    devices: DeviceService,
    other_node: DeviceService,
    database: Database,
    product: Product,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await devices.register(product, "lamp-1")
    with monkeypatch.context() as broken:
        broken.setattr(database, "read", _fail)
        with pytest.raises(OSError, match="gone"):
            await other_node.find(product.product_key, "lamp-1")
    assert await other_node.find(product.product_key, "lamp-1") is not None


def _fail() -> Any:
    raise OSError("gone")


async def test_what_hangs_on_a_device_is_deleted_with_it_or_not_at_all(
    devices: DeviceService, product: Product
) -> None:
    device = await devices.register(product, "lamp-1")
    called: list[int] = []
    refuse = True

    async def hook(connection: AsyncConnection, device_id: int) -> None:
        assert (await connection.execute(select(table.c.id).where(table.c.id == device_id))).scalar_one() == device_id
        called.append(device_id)
        if refuse:
            raise OSError("no")

    devices.on_delete.append(hook)
    with pytest.raises(OSError, match="no"):
        await devices.delete(device)
    assert await devices.find(product.product_key, "lamp-1") is device
    refuse = False
    await devices.delete(device)
    assert called == [device.id] * 2
    assert await devices.find(product.product_key, "lamp-1") is None


async def test_who_still_holds_a_deleted_device_sees_it_barred(devices: DeviceService, product: Product) -> None:
    device = await devices.register(product, "lamp-1")
    held = await devices.find(product.product_key, "lamp-1")
    await devices.delete(device)
    assert held is not None
    assert devices.status(held) == "DISABLE"


async def test_ids_of_deleted_devices_are_not_given_again(devices: DeviceService, product: Product) -> None:
    first = await devices.register(product)
    await devices.delete(first)
    assert (await devices.register(product)).id > first.id


async def test_no_way_to_print_a_device_prints_its_secret(devices: DeviceService, product: Product) -> None:
    device = await devices.register(product, "lamp-1")
    for text in (repr(device), str(device), f"{device}", pretty_repr(device), json.dumps([device], default=str)):
        assert "lamp-1" in text
        assert device.secret not in text

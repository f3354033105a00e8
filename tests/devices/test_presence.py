"""Presence in memory, and its record in the database a moment later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.common.clock import FakeClock
from thingplane.bus import LocalBus
from thingplane.devices import presence
from thingplane.devices.service import Device, DeviceConnected, DeviceService
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database


class Restart:
    """Starts the service again on the same database."""

    def __init__(self, database: Database, clock: FakeClock, products: ProductService) -> None:
        self._parts = database, clock, LocalBus(), products

    async def __call__(self) -> DeviceService:
        devices = DeviceService(*self._parts)
        await devices.start()
        await devices.settle()
        return devices

    async def stored(self, device: Device) -> Device:
        stored = await DeviceService(*self._parts).by_id(device.id)
        assert stored is not None
        return stored


@pytest.fixture
def restart(database: Database, clock: FakeClock, products: ProductService) -> Restart:
    return Restart(database, clock, products)


@pytest.fixture
async def device(devices: DeviceService, product: Product) -> Device:
    return await devices.register(product, "lamp-1")


async def test_the_first_connection_activates_and_later_ones_do_not(
    devices: DeviceService, device: Device, clock: FakeClock
) -> None:
    clock.advance(1)
    first = clock.now_ms()
    devices.connected(device, "10.0.0.1")
    devices.disconnected(device)
    clock.advance(1)
    devices.connected(device, "10.0.0.2")
    assert (device.activated_at, device.online_at, device.ip) == (first, clock.now_ms(), "10.0.0.2")


@pytest.mark.parametrize("new_one_first", [True, False])
async def test_a_connection_that_replaces_another_keeps_the_device_online(
    devices: DeviceService, device: Device, new_one_first: bool
) -> None:
    devices.connected(device, "10.0.0.1")
    if new_one_first:
        devices.connected(device, "10.0.0.1")
        devices.disconnected(device)
    else:
        devices.disconnected(device)
        devices.connected(device, "10.0.0.1")
    assert devices.status(device) == "ONLINE"
    devices.disconnected(device)
    assert devices.status(device) == "OFFLINE"


async def test_times_are_kept_over_a_stop(
    devices: DeviceService, device: Device, clock: FakeClock, restart: Restart
) -> None:
    devices.connected(device, "10.0.0.1")
    clock.advance(5)
    devices.disconnected(device)
    await devices.close()
    again = await (await restart()).find(device.product_key, device.name)
    assert again == device
    assert again is not device


async def test_times_are_written_in_one_go_without_being_asked(
    devices: DeviceService,
    database: Database,
    product: Product,
    restart: Restart,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "WRITE_DELAY", 0.001)
    many = [await devices.register(product, f"lamp-{number}") for number in range(20)]
    writes = 0
    written = asyncio.Event()
    write = database.write

    @asynccontextmanager
    async def counted() -> AsyncIterator[Any]:
        nonlocal writes
        writes += 1
        async with write() as connection:
            yield connection
        written.set()

    monkeypatch.setattr(database, "write", counted)
    for each in many:
        devices.connected(each, "10.0.0.1")
    await written.wait()
    assert writes == 1
    for each in many:
        assert (await restart.stored(each)).activated_at == each.activated_at


async def test_times_that_could_not_be_written_are_written_later(
    devices: DeviceService, database: Database, device: Device, restart: Restart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "WRITE_DELAY", 0.001)
    failures = 0
    written = asyncio.Event()
    write = database.write

    @asynccontextmanager
    async def failing() -> AsyncIterator[Any]:
        nonlocal failures
        if failures < 2:
            failures += 1
            raise OSError("disk full")
        async with write() as connection:
            yield connection
        written.set()

    monkeypatch.setattr(database, "write", failing)
    devices.connected(device, "10.0.0.1")
    await written.wait()
    assert failures == 2
    assert (await restart.stored(device)).ip == "10.0.0.1"


async def test_after_a_crash_no_device_is_online(
    devices: DeviceService, device: Device, clock: FakeClock, restart: Restart
) -> None:
    devices.connected(device, "10.0.0.1")
    await devices._presence.flush()  # what half a second later would do; then the node is killed
    clock.advance(60)
    restarted = await restart()
    again = await restarted.find(device.product_key, device.name)
    assert again is not None
    assert restarted.status(again) == "OFFLINE"
    assert restarted.status_since(again) == clock.now_ms()
    assert again.online_at == device.online_at
    clock.advance(60)
    await restart()
    assert (await restart.stored(device)).offline_at == again.offline_at, "settled once"


async def test_the_end_of_a_deleted_device_s_connection_is_ignored(devices: DeviceService, device: Device) -> None:
    devices.connected(device, "10.0.0.1")
    await devices.delete(device)
    devices.disconnected(device)
    assert await devices.by_id(device.id) is None


async def test_a_connected_device_stays_one_object_when_the_cache_has_let_it_go(
    database: Database, clock: FakeClock, products: ProductService, product: Product
) -> None:
    devices = DeviceService(database, clock, LocalBus(), products, cached_devices=1)
    device = await devices.register(product, "lamp-1")
    devices.connected(device, "10.0.0.1")
    await devices.register(product, "lamp-2")
    assert devices.cached(product.product_key, "lamp-1") is None
    assert (await devices.lists.of_product(product.id, 10))[1][1] is device
    assert await devices.find(product.product_key, "lamp-1") is device
    await devices.register(product, "lamp-3")
    devices.disconnected(device)
    assert await devices.by_id(device.id) is device, "its times are not written yet"
    await devices.close()
    again = await devices.find(product.product_key, "lamp-1")
    assert again == device
    assert again is not device


async def test_the_bus_tells_of_every_connection(bus: LocalBus, devices: DeviceService, device: Device) -> None:
    told: list[DeviceConnected] = []
    bus.subscribe(DeviceConnected, told.append)
    devices.connected(device, "10.0.0.1")
    devices.connected(device, "10.0.0.2")
    assert told == [DeviceConnected(device.id, device.product_key, device.name)] * 2

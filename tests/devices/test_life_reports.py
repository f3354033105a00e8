"""What subscribers learn of devices that come and go."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.clock import FakeClock
from tests.common.forwarding import AllTo, forwarding
from thingplane.bus import LocalBus
from thingplane.devices import service
from thingplane.devices.importing import KnownDevice, import_devices
from thingplane.devices.life_reports import ELSEWHERE, LifeReports
from thingplane.devices.service import DeviceService
from thingplane.forwarding.service import Forwarded, Forwarder, Kind
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'thingplane.sqlite3'}"


class Ear:
    """A subscriber to everything."""

    def __init__(self, forwarder: Forwarder, reports: LifeReports, member: int) -> None:
        self.forwarder = forwarder
        self.reports = reports
        self._member = member

    async def heard(self) -> list[tuple[Forwarded, dict[str, Any]]]:
        """Return what is new; what is not durable yet is not heard."""
        messages = await self.forwarder.read(self._member, -1, 1000)
        self.forwarder.acknowledge(self._member, [message.position for message in messages])
        return [(message, msgspec.json.decode(message.body)) for message in messages]


@pytest.fixture
async def ear(
    tmp_path: Path, clock: FakeClock, database: Database, products: ProductService, devices: DeviceService
) -> AsyncIterator[Ear]:
    async with forwarding(tmp_path, clock, database) as forwarder:
        reports = LifeReports(forwarder, products, clock)
        devices.on_connected.append(reports.online)
        devices.on_disconnected.append(reports.offline)
        devices.on_life.append(reports.changed)
        member = await forwarder.enroll("group", "1")
        forwarder.add_router(AllTo([member]))
        yield Ear(forwarder, reports, member)
        await reports.settled()


async def test_a_device_is_created_switched_and_deleted(
    ear: Ear, devices: DeviceService, product: Product, clock: FakeClock
) -> None:
    lamp = await devices.register(product, "lamp1")
    await devices.disable(lamp)
    await devices.disable(lamp)
    await devices.enable(lamp)
    await devices.delete(lamp)
    heard = await ear.heard()
    common = {
        "iotId": lamp.iot_id,
        "productKey": product.product_key,
        "deviceName": "lamp1",
        "messageCreateTime": clock.now_ms(),
    }
    assert [body for _, body in heard] == [
        common | {"action": "create", "deviceSecret": lamp.secret},
        common | {"action": "disable"},
        common | {"action": "enable"},
        common | {"action": "delete"},
    ]
    assert {(message.kind, message.topic) for message, _ in heard} == {
        (Kind.LIFECYCLE, f"/{product.product_key}/lamp1/thing/lifecycle")
    }


async def test_the_devices_of_an_application_are_announced_each(
    ear: Ear, devices: DeviceService, product: Product
) -> None:
    await devices.applications.create_random(product, 300)
    await devices.applications.done()
    heard = await ear.heard()
    assert len({body["deviceName"] for _, body in heard}) == 300
    device = await devices.find(product.product_key, heard[7][1]["deviceName"])
    assert device is not None
    assert (device.id, device.iot_id, device.secret) == (
        heard[7][0].device_id,
        heard[7][1]["iotId"],
        heard[7][1]["deviceSecret"],
    )


async def test_a_device_comes_online_and_goes(
    ear: Ear, devices: DeviceService, product: Product, clock: FakeClock
) -> None:
    lamp = await devices.register(product, "lamp1")
    await ear.heard()
    devices.connected(lamp, "198.51.100.7")
    clock.advance(10)
    devices.connected(lamp, "198.51.100.8")
    devices.disconnected(lamp, ELSEWHERE, 2500)
    await ear.forwarder.durable()
    [(first, online), (_, again), (_, offline)] = await ear.heard()
    assert (first.kind, first.topic) == (Kind.STATUS, f"/as/mqtt/status/{product.product_key}/lamp1")
    assert online == {
        "status": "online",
        "iotId": lamp.iot_id,
        "productKey": product.product_key,
        "deviceName": "lamp1",
        "time": "2023-11-15 06:13:20.000",
        "utcTime": "2023-11-14T22:13:20.000Z",
        "lastTime": "2023-11-15 06:13:20.000",
        "utcLastTime": "2023-11-14T22:13:20.000Z",
        "clientIp": "198.51.100.7",
    }
    assert again["clientIp"] == "198.51.100.8"
    assert (offline["status"], offline["offlineReasonCode"]) == ("offline", 427)
    assert (offline["utcTime"], offline["utcLastTime"]) == ("2023-11-14T22:13:30.000Z", "2023-11-14T22:13:27.500Z")


async def test_a_change_is_done_although_it_cannot_be_forwarded(
    ear: Ear, devices: DeviceService, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full() -> None:
        raise OSError("disk full")

    monkeypatch.setattr(ear.forwarder, "durable", full)
    await devices.register(product, "lamp1")
    assert await devices.find(product.product_key, "lamp1") is not None
    monkeypatch.undo()


async def test_devices_that_a_crash_cut_off_are_announced_by_the_next_start(  # noqa: PLR0917 - fixtures by name
    ear: Ear,
    devices: DeviceService,
    product: Product,
    products: ProductService,
    database: Database,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "SETTLED_AT_ONCE", 1)
    lamps = [await devices.register(product, f"lamp{number}") for number in range(3)]
    for lamp in lamps:
        devices.connected(lamp, "198.51.100.7")
    devices.disconnected(lamps[1])
    await devices.flush()  # what half a second later would do; then the node is killed
    await ear.forwarder.durable()
    await ear.heard()

    clock.advance(60)
    killed_again = DeviceService(database, clock, LocalBus(), products)
    killed_again.on_cut_off += [ear.reports.cut_off, _die]
    with pytest.raises(OSError, match="killed"):
        await killed_again.settle()
    ((_, told),) = await ear.heard()
    assert told["deviceName"] == "lamp0"

    restarted = DeviceService(database, clock, LocalBus(), products)
    restarted.on_cut_off.append(ear.reports.cut_off)
    early = await restarted.find(product.product_key, "lamp2")
    assert early is not None
    await restarted.settle()
    told_again, other = [body for _, body in await ear.heard()]
    assert (told_again["deviceName"], other["deviceName"]) == ("lamp0", "lamp2")
    assert other == {
        "status": "offline",
        "iotId": lamps[2].iot_id,
        "offlineReasonCode": 400,
        "productKey": product.product_key,
        "deviceName": "lamp2",
        "time": "2023-11-15 06:14:20.000",
        "utcTime": "2023-11-14T22:14:20.000Z",
        "lastTime": "2023-11-15 06:13:20.000",
        "utcLastTime": "2023-11-14T22:13:20.000Z",
        "clientIp": "198.51.100.7",
    }
    assert early.offline_at == clock.now_ms(), "also for those who had looked it up before"
    await restarted.settle()
    assert await ear.heard() == [], "told once"


async def test_imported_devices_are_announced_once(
    ear: Ear, devices: DeviceService, product: Product, database: Database, clock: FakeClock
) -> None:
    known = [KnownDevice(f"meter-{number}", f"secret{number}") for number in range(3)]
    await import_devices(database, clock, product, known)
    await import_devices(database, clock, product, [*known, KnownDevice("meter-3", "secret3")])
    gone = await devices.find(product.product_key, "meter-1")
    assert gone is not None
    await devices.delete(gone)
    await ear.heard()
    await devices.announcements.look()
    heard = [(body["action"], body["deviceName"], body["deviceSecret"]) for _, body in await ear.heard()]
    assert heard == [("create", f"meter-{number}", f"secret{number}") for number in (0, 2, 3)]
    await devices.announcements.look()
    assert await ear.heard() == []


async def _die(_devices: object) -> None:
    raise OSError("killed")

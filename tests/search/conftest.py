"""A small fleet with tags, groups and OTA modules, and the search over it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

import thingplane.search.operations  # noqa: F401 - registers the operations
from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.sdk_api import sdk_api
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import Device, DeviceService
from thingplane.groups.service import GroupService
from thingplane.ota.service import OtaVersionService
from thingplane.products.service import Product, ProductService
from thingplane.search.service import DeviceSearch
from thingplane.storage.database import Database


class Fleet:
    """Devices of one product, made with what searches look for."""

    def __init__(
        self, devices: DeviceService, groups: GroupService, versions: OtaVersionService, product: Product
    ) -> None:
        self.devices = devices
        self.groups = groups
        self.versions = versions
        self.product = product
        self.group_ids: dict[str, str] = {}

    async def add(
        self,
        name: str,
        *,
        product: Product | None = None,
        nickname: str | None = None,
        tags: dict[str, str] | None = None,
        groups: tuple[str, ...] = (),
        modules: dict[str, str] | None = None,
    ) -> Device:
        device = await self.devices.register(product or self.product, name, nickname)
        if tags:
            await self.devices.tags.save(device, tags)
        for group_name in groups:
            await self._join(device, group_name)
        for module, version in (modules or {}).items():
            await self.versions.report(device, version, module)
        return device

    async def _join(self, device: Device, name: str) -> None:
        instance_id = device.instance_id
        if name not in self.group_ids:
            self.group_ids[name] = (await self.groups.create(instance_id, name)).group_id
        group = await self.groups.get(instance_id, self.group_ids[name])
        await self.groups.members.add(group, [device])

    def connect(self, device: Device) -> None:
        self.devices.connected(device, "10.0.0.1")


class Search:
    """Runs statements through the API."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def __call__(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = await self.api.call("QueryDeviceBySQL", SQL=sql, **parameters)
        assert answer["Success"] is True, answer
        assert "TotalCount" not in answer
        found: list[dict[str, Any]] = answer["Data"]
        return found

    async def names(self, where: str, rest: str = "") -> list[str]:
        """Return the names of devices that fit, in alphabetical order unless ``rest`` orders them."""
        found = [device["DeviceName"] for device in await self(f"SELECT name FROM device WHERE {where} {rest}")]
        return found if rest else sorted(found)

    async def count(self, where: str) -> int:
        answer = await self.api.call("QueryDeviceBySQL", SQL=f"select count(*) from device where {where}")
        assert "Data" not in answer
        count: int = answer["TotalCount"]
        return count

    async def refused(self, sql: str) -> str:
        answer = await self.api.call("QueryDeviceBySQL", SQL=sql)
        assert answer["Success"] is False, sql
        assert answer["ErrorMessage"]
        return str(answer["Code"]).removeprefix("iot.devicesearch.")


@pytest.fixture
def fleet(database: Database, clock: FakeClock, bus: LocalBus, devices: DeviceService, product: Product) -> Fleet:
    return Fleet(devices, GroupService(database, clock, devices), OtaVersionService(database, clock, bus), product)


@pytest.fixture
async def search(
    database: Database, clock: FakeClock, products: ProductService, devices: DeviceService
) -> AsyncIterator[Search]:
    async with sdk_api(Services(products, devices, DeviceSearch(database, products, devices)), clock) as api:
        yield Search(api)

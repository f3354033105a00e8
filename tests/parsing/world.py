"""A product whose devices speak the protocol of the worked example (device-protocol, 11.2)."""

from typing import Any

import msgspec

from tests.scripts import examples
from tests.telemetry.world import MODEL, World
from thingplane.alink import Uplink
from thingplane.devices.service import Device
from thingplane.parsing.device import handlers
from thingplane.parsing.download import ScriptDownloads
from thingplane.products.service import Product
from thingplane.things.model.types import (
    AccessMode,
    BoolType,
    EnumItem,
    IntType,
    Property,
    ThingModel,
)

THERMOSTAT = ThingModel(
    properties=(
        Property(
            identifier="temp",
            name="Temperature",
            type=IntType(min="-1000", max="1000", step="1"),
            access=AccessMode.READ_WRITE,
        ),
        Property(
            identifier="sw",
            name="Switched on",
            type=BoolType((EnumItem(0, "off"), EnumItem(1, "on"))),
            access=AccessMode.READ_WRITE,
        ),
    ),
    events=MODEL.events,
    services=MODEL.services,
)


class RawWorld:
    """The world with such a product and one device."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.downloads = ScriptDownloads(world.parsing, world.clock, lambda: "http://127.0.0.1:8080")
        self.logs = world.logs
        world.services.add(world.parsing, world.table, self.downloads, self.logs)
        for pattern, handler in handlers(world.services).items():
            world.table.add(pattern, handler)
        self.product: Product
        self.device: Device

    async def start(self) -> None:
        self.product = await self.world.add_product("Raw", data_format=0)
        await self.world.publish(self.product, THERMOSTAT)
        self.device = await self.world.devices.register(self.product, "raw1")
        self.world.connect(self.device)

    @property
    def topic(self) -> str:
        return f"/sys/{self.product.product_key}/raw1/thing/model"

    async def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation about the product."""
        return await self.world.api.call(action, **({"ProductKey": self.product.product_key} | parameters))

    async def write(self, source: str = examples.JAVASCRIPT, language: str = "JavaScript") -> None:
        """Give the product a script, or another one."""
        exists = await self.world.parsing.script(self.product.id) is not None
        action = "UpdateThingScript" if exists else "CreateThingScript"
        answer = await self.call(action, ScriptContent=source, ScriptType=language)
        assert answer["Success"] is True, answer

    async def send(self, payload: bytes, suffix: str = "up_raw") -> Uplink:
        """Publish as the device."""
        return await self.world.uplink(f"thing/model/{suffix}", payload, self.device)

    async def noted(self, device: Device | None = None) -> list[tuple[str, str]]:
        """Return code and text of what the platform has written into the device's log."""
        await self.logs.close()
        return [(entry.code, entry.content) for entry in await self.logs.page((device or self.device).id, 100)]

    async def posted(self) -> dict[str, Any]:
        """Return the device's last property values."""
        points = await self.world.telemetry.last_properties(self.device.id)
        return {identifier: msgspec.json.decode(point.value) for identifier, point in points.items()}

    async def records(self, device: Device | None = None) -> list[tuple[str, str, Any]]:
        """Return identifier, input and output of the calls of the device, newest first."""
        now = self.world.clock.now_ms()
        key = (device or self.device).id
        page = await self.world.telemetry.service_calls(key, None, 0, now, 50, ascending=False)
        return [
            (item.identifier, item.input, None if item.output is None else msgspec.json.decode(item.output))
            for item in page.records
        ]

"""What an application and a device do with a shadow."""

from typing import Any

import msgspec

from tests.telemetry.world import World
from thingplane.alink import HandlerTable, Uplink
from thingplane.devices.service import Device
from thingplane.shadows.device import handlers
from thingplane.shadows.service import ShadowService


class Shadows:
    """The service over a world of all others."""

    def __init__(self, world: World, **options: int) -> None:
        self.world = world
        self.service = ShadowService(world.database, world.clock, world.bus, world.downlink, **options)
        world.services.add(self.service)
        self.table = HandlerTable()
        for topic, handler in handlers(world.services).items():
            self.table.add(topic, handler)

    @property
    def seconds(self) -> int:
        return self.world.clock.now_ms() // 1000

    async def say(self, request: Any, device: Device | None = None) -> dict[str, Any]:
        """Send a request as a device, and return the answer."""
        device = device or self.world.device
        payload = request if isinstance(request, bytes) else msgspec.json.encode(request)
        route = self.table.find("/shadow/update")
        assert route is not None
        assert not route.is_request
        topic = f"/shadow/update/{device.product_key}/{device.name}"
        uplink = Uplink(device, topic, route.capture, payload, self.world.clock.now_ms(), qos=1)
        waits = route.handler(uplink)
        assert waits is not None
        await waits
        [(topic, answer)] = uplink.replies
        assert topic == f"/shadow/get/{device.product_key}/{device.name}"
        decoded: dict[str, Any] = msgspec.json.decode(answer)
        return decoded

    async def report(self, version: int | None = None, **reported: Any) -> dict[str, Any]:
        """Report as the device."""
        request: dict[str, Any] = {"method": "update", "state": {"reported": reported}}
        return await self.say(request if version is None else request | {"version": version})

    async def error(self, request: Any) -> str:
        """Send a request that must be refused, and return the code."""
        answer = await self.say(request)
        assert (answer["method"], answer["payload"]["status"]) == ("reply", "error")
        assert answer["payload"]["content"]["errormessage"]
        code: str = answer["payload"]["content"]["errorcode"]
        return code

    async def desire(self, version: int, delta: bool = False, **desired: Any) -> dict[str, Any]:
        """Desire as an application."""
        message = {"method": "update", "state": {"desired": desired}, "version": version}
        return await self.update(message, DeltaUpdate=delta)

    async def update(self, message: Any, **parameters: Any) -> dict[str, Any]:
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        return await self.world.call("UpdateDeviceShadow", ShadowMessage=text, **parameters)

    async def document(self) -> dict[str, Any]:
        """Read the shadow as an application."""
        answer = await self.world.call("GetDeviceShadow")
        assert answer["Success"] is True
        document: dict[str, Any] = msgspec.json.decode(answer["ShadowMessage"])
        return document

    async def state(self) -> dict[str, Any]:
        state: dict[str, Any] = (await self.document())["state"]
        return state

    def pushes(self) -> list[dict[str, Any]]:
        """Return the control messages the device got, and forget them."""
        sent, self.world.downlink.sent = self.world.downlink.sent, []
        return [msgspec.json.decode(message.payload) for message in sent]

    async def settle(self) -> None:
        """Let pushes under way arrive."""
        await self.service.close()

"""What an application and a device do with desired values."""

from typing import Any

import msgspec

from tests.telemetry.world import World
from thingplane.desired.device import handlers
from thingplane.desired.service import DesiredPropertyService


class Desired:
    """The service over a world of all others."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.service = DesiredPropertyService(
            world.database, world.clock, world.models, world.messaging, world.downlink
        )
        world.services.add(self.service)
        for topic, handler in handlers(world.services).items():
            world.table.add(topic, handler)

    async def set(self, versions: Any = None, /, **values: Any) -> dict[str, Any]:
        """Desire values, and return the answer; underscores in names stand for colons."""
        items = {name.replace("_", ":"): value for name, value in values.items()}
        return await self.call(items, versions or {})

    async def call(self, items: Any, versions: Any) -> dict[str, Any]:
        def text(value: Any) -> str:
            return value if isinstance(value, str) else msgspec.json.encode(value).decode()

        return await self.world.call("SetDeviceDesiredProperty", Items=text(items), Versions=text(versions))

    async def versions(self, versions: Any = None, /, **values: Any) -> dict[str, int]:
        """Desire values, and return the new versions."""
        answer = await self.set(versions, **values)
        assert answer["Success"] is True
        new: dict[str, int] = msgspec.json.decode(answer["Data"]["Versions"])
        return new

    async def query(self, **parameters: Any) -> dict[str, dict[str, Any]]:
        """Return what is desired by identifier."""
        answer = await self.world.call("QueryDeviceDesiredProperty", **parameters)
        assert answer["Success"] is True
        return {info["Identifier"]: info for info in answer["Data"]["List"]["DesiredPropertyInfo"]}

    async def say(self, what: str, params: Any) -> dict[str, Any]:
        """Send a request as the device, and return the reply."""
        text = params if isinstance(params, bytes) else msgspec.json.encode(params)
        uplink = await self.world.uplink(
            f"thing/property/desired/{what}", b'{"id":"7","version":"1.0","params":%b}' % text
        )
        [(topic, reply)] = uplink.replies
        assert topic == uplink.topic + "_reply"
        answer: dict[str, Any] = msgspec.json.decode(reply)
        return answer

    async def get(self, *identifiers: str) -> dict[str, Any]:
        """Return what the device is told."""
        reply = await self.say("get", identifiers)
        assert (reply["code"], reply["method"]) == (200, "thing.property.desired.get")
        data: dict[str, Any] = reply["data"]
        return data

"""A device's messages through the handlers of slices, as the gateway brings them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tests.common.clock import FakeClock
from thingplane.alink import Handler, HandlerTable, Identity, Uplink, read_request


class Messages:
    """Handlers, and a device that publishes to them."""

    def __init__(self, clock: FakeClock, device: Identity, *handlers: Mapping[str, Handler]) -> None:
        self._clock = clock
        self.device = device
        self.table = HandlerTable()
        for group in handlers:
            for pattern, handler in group.items():
                self.table.add(pattern, handler)

    async def publish(self, suffix: str, payload: bytes, device: Identity | None = None) -> list[tuple[str, bytes]]:
        """Publish what may be anything, and return what comes back."""
        device = device or self.device
        route = self.table.find(suffix)
        assert route is not None, suffix
        if suffix.startswith("/"):
            family, *rest = suffix.rsplit("/", 1) if suffix.startswith("/ext/ntp") else [suffix]
            topic = "/".join([family, device.product_key, device.name, *rest])
        else:
            topic = f"/sys/{device.product_key}/{device.name}/{suffix}"
        uplink = Uplink(device, topic, route.capture, payload, self._clock.now_ms(), qos=1, reply_tail=route.reply_tail)
        if not route.is_request or read_request(uplink, route.method):
            waits = route.handler(uplink)
            if waits is not None:
                await waits
        return uplink.replies

    async def ask(self, suffix: str, payload: bytes, device: Identity | None = None) -> bytes:
        """Publish an Alink request, and return the one reply to it."""
        device = device or self.device
        [(topic, reply)] = await self.publish(suffix, payload, device)
        assert topic == f"/sys/{device.product_key}/{device.name}/{suffix}_reply"
        return reply

    async def request(self, suffix: str, params: Any, device: Identity | None = None) -> dict[str, Any]:
        """Publish a request with these params, and return the reply without what it echoes."""
        text = params if isinstance(params, bytes) else msgspec.json.encode(params)
        reply = await self.ask(suffix, b'{"id":"7","version":"1.0","params":%b}' % text, device)
        answer: dict[str, Any] = msgspec.json.decode(reply)
        assert (answer.pop("id"), answer.pop("version")) == ("7", "1.0")
        assert answer.pop("method") == suffix.replace("/", ".")
        return answer

    async def code(self, suffix: str, params: Any, device: Identity | None = None) -> int:
        """Publish a request, and return the code of its reply."""
        code: int = (await self.request(suffix, params, device))["code"]
        return code

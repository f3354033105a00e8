"""A device that uploads a file over MQTT."""

import json
import zlib
from typing import Any, Final

from tests.e2e.raw import RawDevice
from thingplane.alink.frames import write_frame
from thingplane.mqtt.packets import Puback, Publish
from thingplane.simulator.wire import Identity

BLOCK: Final = 2048
"""As the SDK for C cuts files."""


class Uploader:
    """Asks and waits for the reply, one request after the other."""

    def __init__(self, device: RawDevice, identity: Identity) -> None:
        self._device = device
        self._prefix = f"/sys/{identity.product_key}/{identity.device_name}/thing/file/upload/mqtt/"

    async def ask(self, what: str, payload: bytes) -> dict[str, Any]:
        self._device.send(Publish(self._prefix + what, payload, 0))
        while True:
            packet = await self._device.receive()
            if isinstance(packet, Publish) and packet.topic == f"{self._prefix}{what}_reply":
                reply: dict[str, Any] = json.loads(packet.payload)
                return reply
            assert not isinstance(packet, Puback)

    async def init(self, name: str, content: bytes, strategy: str = "overwrite", **more: Any) -> dict[str, Any]:
        params = {"fileName": name, "fileSize": len(content), "conflictStrategy": strategy, **more}
        reply = await self.ask("init", json.dumps({"id": "1", "params": params}).encode())
        assert reply["code"] == 200, reply
        begun: dict[str, Any] = reply["data"]
        return begun

    async def send(self, upload_id: str, content: bytes, offset: int) -> dict[str, Any]:
        data = content[offset : offset + BLOCK]
        header = {"uploadId": upload_id, "offset": offset, "bSize": len(data), "isComplete": False}
        reply = await self.ask("send", write_frame(json.dumps({"id": "2", "params": header}).encode(), data))
        assert reply["code"] == 200, reply
        taken: dict[str, Any] = reply["data"]
        return taken

    async def upload(self, name: str, content: bytes, strategy: str = "overwrite") -> None:
        """Upload a file, or the rest of it."""
        begun = await self.init(name, content, strategy)
        for offset in range(begun["offset"], len(content), BLOCK):
            taken = await self.send(begun["uploadId"], content, offset)
            assert taken.get("complete", False) == (offset + BLOCK >= len(content))


def content_of(size: int) -> bytes:
    """Return bytes that are not the same twice."""
    return b"".join(zlib.crc32(number.to_bytes(4, "big")).to_bytes(4, "big") for number in range(size // 4 + 1))[:size]

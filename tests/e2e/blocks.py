"""A device that downloads a file block by block over MQTT, made of the paho client."""

import hmac
import json
import queue
from types import TracebackType
from typing import Any, Self

from paho.mqtt import client as paho

from thingplane.simulator.wire import Identity

PATIENCE_S = 20


def crc16(data: bytes) -> int:
    """CRC-16/ARC bit by bit, as its definition says it."""
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register


class BlockDevice:
    """One connection; messages wait until somebody asks for them."""

    def __init__(self, address: tuple[str, int], identity: Identity) -> None:
        self._identity = identity
        self._messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self._client = paho.Client("blocks1|securemode=3,signmethod=hmacsha256|")
        content = f"clientIdblocks1deviceName{identity.device_name}productKey{identity.product_key}"
        password = hmac.digest(identity.device_secret.encode(), content.encode(), "sha256").hex()
        self._client.username_pw_set(f"{identity.device_name}&{identity.product_key}", password)
        self._client.on_message = lambda _client, _user, message: self._messages.put(message)
        self._client.connect(*address)
        self._client.loop_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _topic(self, what: str) -> str:
        return f"/ota/device/{what}/{self._identity.product_key}/{self._identity.device_name}"

    def report(self, what: str, **params: str) -> None:
        """Report a version or progress; it is durable when this returns."""
        sent = self._client.publish(self._topic(what), json.dumps({"id": "1", "params": params}), qos=1)
        sent.wait_for_publish(PATIENCE_S)
        assert sent.is_published()

    def _receive(self, topic: str) -> bytes:
        while True:
            message = self._messages.get(timeout=PATIENCE_S)
            if message.topic == topic:
                return bytes(message.payload)

    def pushed(self) -> dict[str, Any]:
        """Return the package of the next push."""
        package: dict[str, Any] = json.loads(self._receive(self._topic("upgrade")))["data"]
        return package

    def ask(self, stream: int, file: int, offset: int, size: int) -> tuple[dict[str, Any], bytes]:
        """Ask for a block as the SDK for C does, with its comma; return header and data of the answer."""
        topic = f"/sys/{self._identity.product_key}/{self._identity.device_name}/thing/file/download"
        info = f'{{"streamId":{stream},"fileId":{file},}}'
        params = f'{{"fileToken":"","fileInfo":{info},"fileBlock":{{"size":{size},"offset":{offset}}}}}'
        self._client.publish(topic, f'{{"id":"5","version":"1.0","params":{params}}}')
        answer = self._receive(topic + "_reply")
        end = 2 + int.from_bytes(answer[:2], "big")
        header, data = json.loads(answer[2:end]), answer[end:-2]
        assert crc16(data) == int.from_bytes(answer[-2:], "little")
        return header, data

    def download(self, package: dict[str, Any], content: bytearray, until: int, block: int = 5120) -> None:
        """Download from where ``content`` ends up to ``until``."""
        while len(content) < until:
            header, data = self.ask(package["streamId"], package["streamFileId"], len(content), block)
            assert header["code"] == 200, header
            wanted = {"fileToken": "", "fileLength": package["size"], "bSize": len(data), "bOffset": len(content)}
            assert header["data"] == wanted
            assert len(data) == min(block, package["size"] - len(content))
            content += data

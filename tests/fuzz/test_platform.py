"""What only a whole platform takes apart: upload forms, and what scripts make of bytes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import changed, lines
from tests.isolation.platform import RunningPlatform, running_platform
from thingplane.cloud.client import SignedRequest
from thingplane.devices.service import Device

FORMS: Final = [json.loads(line).encode() for line in lines("forms.txt")]
MESSAGES: Final = [line.partition("\t")[2].encode() for line in lines("alink.txt") if "/thing/event/" in line]
ECHO: Final = """
function rawDataToProtocol(bytes) {
  var text = ''; for (var i = 0; i < bytes.length; i++) { text += String.fromCharCode(bytes[i] & 0xff); }
  return JSON.parse(text);
}
function protocolToRawData(json) { return json.odd || [1, 2, 3]; }
function transformPayload(topic, bytes) { return rawDataToProtocol(bytes); }
"""
"""Returns what it gets: devices say then what scripts return."""


class World:
    """A platform with a device that has a format of its own."""

    def __init__(self, running: RunningPlatform, folder: Path) -> None:
        self.running = running
        self.folder = folder
        self.device: Device

    async def populate(self) -> None:
        created = await self.running.ok(
            "CreateProduct", NodeType=0, DataFormat=0, ProductName="Raw_lamp", AliyunCommodityCode="iothub_senior"
        )
        key = created["ProductKey"]
        await self.running.ok("CreateThingScript", ProductKey=key, ScriptContent=ECHO, ScriptType="JavaScript")
        await self.running.ok("RegisterDevice", ProductKey=key, DeviceName="raw-1")
        device = await self.running.platform.devices.find(key, "raw-1")
        assert device is not None
        self.device = device

    def blobs(self) -> int:
        return sum(path.is_file() for path in (self.folder / "blobs").rglob("*"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("platform")
    with running_platform(folder) as running:
        made = World(running, folder)
        running.run(made.populate())
        yield made


@settings(max_examples=150)
@given(changed(FORMS), st.sampled_from([b"b", b"", b"x" * 80]))
def test_upload_forms(world: World, body: bytes, boundary: bytes) -> None:
    """They are taken, or refused without a trace."""

    async def check() -> None:
        ticket: dict[str, Any] = (await world.running.ok("GenerateOTAUploadURL"))["Data"]
        filled = body
        for name, member in (
            ("key", "Key"),
            ("policy", "Policy"),
            ("id", "OSSAccessKeyId"),
            ("signature", "Signature"),
        ):
            filled = filled.replace(b"{%s}" % name.encode(), ticket[member].encode())
        content_type = f"multipart/form-data; boundary={boundary.decode()}"
        before = world.blobs()
        request = SignedRequest("POST", "/objects", {"content-type": content_type}, filled)
        status, _ = await world.running.send(request)
        assert status in {204, 400, 403}
        assert world.blobs() == before + (status == 204)

    world.running.run(check())


@settings(max_examples=150)
@given(changed(MESSAGES), st.sampled_from(["thing/model/up_raw", "user/update?_sn=default"]))
def test_what_scripts_return(world: World, returned: bytes, topic: str) -> None:
    """Messages of scripts are handled like those of devices, whatever they are."""

    async def check() -> None:
        device, gateway = world.device, world.running.platform.gateway
        start = (
            f"/sys/{device.product_key}/{device.name}/"
            if topic.startswith("thing")
            else f"/{device.product_key}/{device.name}/"
        )
        outcome = await gateway.entrance.publish(device, start + topic, returned)
        assert len(outcome.replies) <= 1
        assert gateway.reading().get("mqtt_dropped_total:handler failed", 0) == 0

    world.running.run(check())

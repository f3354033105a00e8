"""Names that are something else to a file system, a database, a C string or a human, in the ways in that are left.

MQTT and HTTPS are in ``tests/gateway/test_identities.py``.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec
import pytest

from tests.e2e.coap_device import signed as coap_signed
from tests.gateway.test_identities import OVERLONG, STRANGE
from tests.isolation.platform import RunningPlatform, running_platform
from tests.ota.forms import form
from thingplane.alink import signature
from thingplane.alink.frames import write_frame
from thingplane.cloud.client import SignedRequest
from thingplane.coap import Code, Message, Number, Request, Type
from thingplane.coap_access.resources import TOKEN
from thingplane.credentials import ensure_credentials
from thingplane.devices.service import Device
from thingplane.instances.service import DEFAULT_INSTANCE
from thingplane.products.service import NewProduct
from thingplane.subscriptions.credentials import parse, password
from thingplane.subscriptions.service import SignInRefused, SubscriptionService

PATHS: Final = (
    *(
        "../evil",
        "../../evil",
        "/etc/passwd",
        "a/../../evil",
        "..",
        ".",
        "a\\..\\evil",
        "C:\\evil",
        "a\0.bin",
        "~/evil",
    ),
    *("%2e%2e%2fevil", "..%2fevil", "\uff0e\uff0e/evil", "a\nb", 'a"b', "a;b", "file:///etc/passwd", "x" * 300, ""),
)
"""Names of files that are no names, or not of this folder."""


class World:
    """A platform with a device and a gateway."""

    def __init__(self, running: RunningPlatform, folder: Path) -> None:
        self.running = running
        self.folder = folder
        self.device: Device
        self.gateway: Device

    async def populate(self) -> None:
        platform = self.running.platform
        for node_type, name in ((0, "lamp-1"), (1, "hub-1")):
            new = NewProduct(name=f"Kind_{node_type}", node_type=node_type, senior=True)
            product = await platform.products.create(DEFAULT_INSTANCE.id, new)
            device = await platform.devices.register(product, name)
            if node_type:
                self.gateway = device
            else:
                self.device = device

    @property
    def identity(self) -> dict[str, str]:
        device = self.device
        return {"ProductKey": device.product_key, "DeviceName": device.name, "DeviceSecret": device.secret}

    async def coap(self, path: str, payload: bytes, *options: tuple[int, bytes], secure: bool = True) -> Any:
        segments = [(int(Number.URI_PATH), segment.encode()) for segment in path.split("/")[1:]]
        message = Message(
            Type.CON, Code.POST, 1, b"", sorted([*segments, *options], key=lambda option: option[0]), payload
        )
        resources = self.running.platform.coap._resources
        return await resources.answer(Request("peer", message, payload), "192.0.2.1", secure=secure)

    async def publish(self, device: Device, suffix: str, payload: bytes, start: str = "/sys/{}/") -> dict[str, Any]:
        topic = start.format(f"{device.product_key}/{device.name}") + suffix
        outcome = await self.running.platform.gateway.entrance.publish(device, topic, payload)
        answer: dict[str, Any] = json.loads(outcome.replies[0][1])
        return answer

    def files(self) -> set[Path]:
        return {path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("names")
    with running_platform(folder / "data") as running:
        made = World(running, folder)
        running.run(made.populate())
        yield made


def test_coap(world: World) -> None:
    async def check() -> None:
        answer = await world.coap("/auth", json.dumps(coap_signed(world.identity)).encode())
        token = json.loads(answer.payload)["token"].encode()
        key = world.device.product_key
        for name, secure in itertools.product(STRANGE, (True, False)):
            fields = coap_signed({**world.identity, "DeviceName": name}, clientId="c")
            answer = await world.coap("/auth", json.dumps(fields).encode(), secure=secure)
            assert answer.code in {Code.UNAUTHORIZED, Code.BAD_REQUEST}, name
            fields = {**coap_signed({**world.identity, "DeviceName": name}), "random": "1"}
            answer = await world.coap("/auth/register/device", json.dumps(fields).encode(), secure=secure)
            assert answer.code in {Code.FORBIDDEN, Code.BAD_REQUEST, Code.NOT_FOUND}, name
            topic = f"/topic/sys/{key}/{name}/thing/event/property/post"
            answer = await world.coap(topic, b"{}", (TOKEN, token))
            if not name.startswith(world.device.name + "/"):  # nobody's topics, but below the device's own
                assert answer.code in {Code.FORBIDDEN, Code.NOT_FOUND}, name
        for raw in OVERLONG:
            body = b'{"productKey":"x","clientId":"c","sign":"1","deviceName":"' + raw + b'"}'
            assert (await world.coap("/auth", body)).code in {Code.UNAUTHORIZED, Code.BAD_REQUEST}
            options = ((int(Number.URI_PATH), raw), (TOKEN, token))
            assert (await world.coap("/topic/sys", b"{}", *options)).code == Code.NOT_FOUND
            assert (await world.coap("/topic/sys", b"{}", (TOKEN, raw))).code == Code.UNAUTHORIZED

    world.running.run(check())


def test_sub_devices(world: World) -> None:
    """A gateway that may have a device may not have it under another name, by none of its requests."""

    async def check() -> None:
        device, gateway = world.device, world.gateway
        session = "/ext/session/{}/combine/"
        for name in STRANGE:
            fields = {"productKey": device.product_key, "deviceName": name, "clientId": "c", "timestamp": "1"}
            sign = signature(device.secret, "hmacSha1", fields)
            item = {**fields, "signMethod": "hmacSha1", "sign": sign}
            for suffix, params, start in (
                ("login", item, session),
                ("batch_login", {"deviceList": [item]}, session),
                ("logout", fields, session),
                ("thing/topo/add", [item], "/sys/{}/"),
            ):
                payload = json.dumps({"id": "1", "version": "1.0", "params": params}).encode()
                answer = await world.publish(gateway, suffix, payload, start)
                assert answer["code"] != 200, (name, suffix)
        payload = b'{"id":"1","version":"1.0","params":{}}'
        assert (await world.publish(gateway, "thing/topo/get", payload))["data"] == []

    world.running.run(check())


@pytest.mark.parametrize("raw", OVERLONG)
def test_sub_devices_in_bytes_that_are_no_text(world: World, raw: bytes) -> None:
    async def check() -> None:
        fields = b'"productKey":"%s","deviceName":"%s"' % (world.device.product_key.encode(), raw)
        payload = b'{"id":"1","params":{%s,"clientId":"c","timestamp":"1","sign":"1","signMethod":"hmacSha1"}}' % fields
        assert (await world.publish(world.gateway, "login", payload, "/ext/session/{}/combine/"))["code"] != 200

    world.running.run(check())


def test_user_names_of_consumers(world: World) -> None:
    subscriptions = world.running.platform._ground.services.get(SubscriptionService)
    key_id, secret = ensure_credentials(world.folder / "data" / "credentials.json", "", "")

    async def sign_in(group: str, instance: str = "iot-default", key: str = key_id) -> str:
        text = f"c|authMode=aksign,signMethod=hmacsha1,timestamp=1,authId={key},iotInstanceId={instance},"
        text += f"consumerGroupId={group}|"
        login = await subscriptions.sign_in(text, password(parse(text), secret))
        return login.group.group_id

    async def check() -> None:
        other: Any = world.running.platform.app._instances
        await other.create("iot-other")
        made = await world.running.ok("CreateConsumerGroup", GroupName="Mine", IotInstanceId="iot-other")
        theirs = str(made["GroupId"])
        group = str((await world.running.ok("CreateConsumerGroup", GroupName="Mine"))["GroupId"])
        assert await sign_in(group) == group
        swapped = group.swapcase()
        for strange in (swapped, group + "\0", group[:-1], group + "0", "%", "+", "*", "#", "_" * len(group), theirs):
            with pytest.raises(SignInRefused):
                await sign_in(strange)
        for instance in ("iot-other", "IOT-DEFAULT", "iot-default\0", "iot-%", "*", "../iot-default"):
            with pytest.raises(SignInRefused):
                await sign_in(group, instance)
        for key in (key_id.swapcase(), key_id + "\0", "%", "*", key_id[:-1]):
            with pytest.raises(SignInRefused):
                await sign_in(group, key=key)

    world.running.run(check())


def test_files_of_devices(world: World) -> None:
    """Whatever a device calls its file, it is kept under a name of the platform's own, or refused."""

    async def upload(name: str) -> bool:
        begin = {"id": "1", "params": {"fileName": name, "fileSize": 5}}
        answer = await world.publish(world.device, "thing/file/upload/mqtt/init", msgspec.json.encode(begin))
        if answer["code"] != 200:
            return False
        block = {"id": "2", "params": {"uploadId": answer["data"]["uploadId"], "offset": 0, "bSize": 5}}
        frame = write_frame(msgspec.json.encode(block), b"hello")
        assert (await world.publish(world.device, "thing/file/upload/mqtt/send", frame))["code"] == 200
        return True

    async def check() -> None:
        before = world.files()
        assert [name for name in (*PATHS, *STRANGE) if await upload(name) and name not in STRANGE] == []
        new = world.files() - before
        assert all(path.parts[:2] == ("data", "blobs") and path.name.isalnum() for path in new), new
        for upload_id in PATHS:
            for suffix, more in (("cancel", {}), ("send", {"offset": 0, "bSize": 5})):
                payload = msgspec.json.encode({"id": "3", "params": {"uploadId": upload_id, **more}})
                frame = write_frame(payload, b"hello") if suffix == "send" else payload
                answer = await world.publish(world.device, f"thing/file/upload/mqtt/{suffix}", frame)
                assert answer["code"] != 200, upload_id
            fields = {"ProductKey": world.device.product_key, "DeviceName": world.device.name, "FileId": upload_id}
            for action in ("QueryDeviceFile", "DeleteDeviceFile"):
                assert not (await world.running.call(action, **fields))["Success"], upload_id

    world.running.run(check())


def test_uploads_of_back_ends(world: World) -> None:
    async def check() -> None:
        ticket = (await world.running.ok("GenerateOTAUploadURL"))["Data"]
        fields = {
            "policy": ticket["Policy"],
            "OSSAccessKeyId": ticket["OSSAccessKeyId"],
            "signature": ticket["Signature"],
        }
        before = world.files()
        for key in PATHS:
            content_type, body = form({"key": key, **fields}, b"evil")
            request = SignedRequest("POST", "/objects", {"content-type": content_type}, body)
            status, _ = await world.running.send(request)
            assert status in {400, 403}, key
            url = f"{ticket['Host']}/{key}"
            answer = await world.running.call(
                "CreateOTAFirmware", FirmwareName="evil", DestVersion="1", FirmwareUrl=url, NeedToVerify=False
            )
            assert answer["Success"] is False, key
            suffix = await world.running.call("GenerateOTAUploadURL", FileSuffix=key or "/")
            assert suffix["Success"] is False, key
        content_type, body = form({"key": ticket["Key"], **fields}, b"good", file_name="../../evil")
        request = SignedRequest("POST", "/objects", {"content-type": content_type}, body)
        assert (await world.running.send(request))[0] == 204
        [new] = world.files() - before
        assert new.parts[:2] == ("data", "blobs")
        assert new.name.isalnum()

    world.running.run(check())


def test_downloads(world: World) -> None:
    """A signed address is good for its own file, under its own name."""

    async def check() -> None:
        url, _ = await world.running.upload("iot-default", b"content")
        created = await world.running.ok(
            "CreateOTAFirmware", FirmwareName="good", DestVersion="1", FirmwareUrl=url, NeedToVerify=False
        )
        firmware = created["Data"]["FirmwareId"]
        info = (await world.running.ok("QueryOTAFirmware", FirmwareId=firmware))["FirmwareInfo"]
        parts = urlsplit(info["FirmwareUrl"])
        assert (await world.running.send(SignedRequest("GET", f"{parts.path}?{parts.query}", {}, b"")))[0] == 200
        _, start, blob, name = parts.path.split("/")
        for path in PATHS:
            for target in (
                f"/{start}/{quote(path)}/{name}",
                f"/{start}/{path}/{name}".replace("\n", "%0a").replace("\0", "%00"),
                f"/{start}/{blob}/{quote(path)}",
                f"/{start}/{blob}/../{blob}/{name}",
                f"/{start}//{blob}/{name}",
                f"/{start}/{blob.swapcase()}/{name}",
                f"/thing-scripts/{quote(path)}",
                f"/objects/{quote(path)}",
            ):
                status, body = await world.running.send(SignedRequest("GET", f"{target}?{parts.query}", {}, b""))
                assert status in {400, 403, 404}, target
                assert b"root:" not in body

    world.running.run(check())


def test_links_are_not_followed(world: World) -> None:
    """Nobody but the operator can make one; what a blob is read from or written to is a file all the same."""
    store = world.running.platform._fleet.blobs
    secret = world.folder / "secret.txt"
    secret.write_bytes(b"secret")

    async def check() -> None:
        for key, name in (("aaevil", "aaevil"), ("bbevil", "bbevil.part")):
            folder = world.folder / "data" / "blobs" / key[:2]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(secret)
        with pytest.raises(OSError, match=r"(?i)symbolic|levels"):
            [part async for part in store.read("aaevil")]
        with pytest.raises(OSError, match=r"(?i)symbolic|levels"):
            await store.create("bbevil")
        assert secret.read_bytes() == b"secret"

    world.running.run(check())

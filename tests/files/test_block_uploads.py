"""Files that come block by block over MQTT."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.clock import FakeClock
from tests.common.uplinks import Messages
from tests.files.conftest import LIMITS, contents, upload
from thingplane.alink.frames import write_frame
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import Device, DeviceService
from thingplane.files.block_uploads import BlockUploads
from thingplane.files.device import handlers
from thingplane.files.service import FileLimits, FileService
from thingplane.products.service import Product
from thingplane.storage.blobs import LocalBlobStore
from thingplane.storage.blobs.local import LocalBlobWriter
from thingplane.storage.database import Database

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PREFIX = "thing/file/upload/mqtt/"
CONTENT = bytes(number % 251 for number in range(900))
SIZE = len(CONTENT)
CHECKSUM = "80d86dfcff90538c"
"""CRC-64 of the content."""
BIG = FileLimits(
    files=4,
    file_bytes=1000,
    instance_bytes=3000,
    upload_ms=60_000,
    smallest_block=100,
    largest_block=500,
    open_uploads=2,
)


class Camera:
    """A device that uploads."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._ids = itertools.count(1)

    async def say(self, what: str, payload: bytes, device: Device | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.json.decode(await self._messages.ask(PREFIX + what, payload, device))
        return answer

    async def init(self, name: str = "a.log", size: Any = SIZE, **more: Any) -> dict[str, Any]:
        request = {"id": str(next(self._ids)), "params": {"fileName": name, "fileSize": size, **more}}
        return await self.say("init", msgspec.json.encode(request))

    async def begin(self, name: str = "a.log", size: int = SIZE, **more: Any) -> str:
        answer = await self.init(name, size, **more)
        assert answer["code"] == 200, answer
        upload_id: str = answer["data"]["uploadId"]
        assert 1 <= len(upload_id) <= 64
        return upload_id

    async def send(self, upload_id: str, offset: int, data: bytes, **params: Any) -> dict[str, Any]:
        header = {"id": "9", "params": {"uploadId": upload_id, "offset": offset, "bSize": len(data)} | params}
        answer = await self.say("send", write_frame(msgspec.json.encode(header), data))
        assert answer["id"] == "9"
        assert answer["data"]["offset"] == offset
        return answer

    async def code(self, upload_id: str, offset: int, data: bytes, **params: Any) -> int:
        code: int = (await self.send(upload_id, offset, data, **params))["code"]
        return code

    async def send_all(self, upload_id: str, content: bytes = CONTENT, size: int = 300) -> dict[str, Any]:
        """Send blocks as the SDK for C does, which never says which one is the last."""
        answer: dict[str, Any] = {}
        for start in range(0, len(content), size):
            answer = await self.send(upload_id, start, content[start : start + size], isComplete=False)
            assert answer["code"] == 200, answer
        return answer

    async def cancel(self, upload_id: str) -> dict[str, Any]:
        return await self.say("cancel", msgspec.json.encode({"id": 3, "params": {"uploadId": upload_id}}))


@pytest.fixture
async def big(
    *, database: Database, clock: FakeClock, bus: LocalBus, devices: DeviceService, blobs: LocalBlobStore
) -> FileService:
    """Files of up to 1,000 bytes in blocks of 100 to 500."""
    return FileService(database, clock, bus, devices, blobs, limits=BIG)


@pytest.fixture
def camera_of(big: FileService, database: Database, clock: FakeClock, devices: DeviceService) -> Callable[..., Camera]:
    """A device, before a node of its own: nothing is left in memory."""

    def make(device: Device) -> Camera:
        return Camera(Messages(clock, device, handlers(Services(BlockUploads(database, big), devices))))

    return make


@pytest.fixture
def camera(camera_of: Callable[..., Camera], device: Device) -> Camera:
    return camera_of(device)


async def names(files: FileService, device: Device) -> list[str]:
    return [file.name for file in (await files.page(device, 1, 100))[0]]


async def test_the_transcript_of_an_upload(
    database: Database, clock: FakeClock, devices: DeviceService, device: Device, big: FileService
) -> None:
    messages = Messages(clock, device, handlers(Services(BlockUploads(database, big), devices)))
    first = b'{"id":"1","params":{"fileName":"a.log","fileSize":109,"conflictStrategy":"overwrite","ficMode":"crc64",'
    second = b'"ficValue":"995DC9BBDF1939FA","initUid":"ab12","extraParams":{"ossOwnerType":"iot-platform"}}}'
    reply = await messages.ask(PREFIX + "init", first + second)
    upload_id = msgspec.json.decode(reply)["data"]["uploadId"].encode()
    assert reply == (
        b'{"id":"1","code":200,"message":"success","data":{"fileName":"a.log","uploadId":"%b","offset":0,"fileSize":109,'
        b'"conflictStrategy":"overwrite","ficMode":"crc64","ficValue":"995DC9BBDF1939FA","initUid":"ab12"}}' % upload_id
    )
    header = b'{"id":"2","params":{"uploadId":"%b","offset":0,"bSize":100,"isComplete":false}}' % upload_id
    frame = len(header).to_bytes(2, "big") + header + b"0" * 100 + bytes.fromhex("5cc6")
    assert await messages.ask(PREFIX + "send", frame) == (
        b'{"id":"2","code":200,"message":"success","data":{"uploadId":"%b","offset":0,"bSize":100}}' % upload_id
    )
    assert await messages.ask(PREFIX + "cancel", b'{"id":"3","params":{"uploadId":"%b"}}' % upload_id) == (
        b'{"id":"3","code":200,"message":"success","data":{"uploadId":"%b"}}' % upload_id
    )


async def test_blocks_become_a_file_with_the_last_one(
    camera: Camera, big: FileService, device: Device, folder: Path
) -> None:
    upload_id = await camera.begin(ficMode="crc64", ficValue=CHECKSUM)
    for offset in (0, 300):
        answer = await camera.send(upload_id, offset, CONTENT[offset : offset + 300])
        assert "complete" not in answer["data"]
    assert await names(big, device) == []
    answer = await camera.send(upload_id, 600, CONTENT[600:])
    assert answer["data"] == {
        "uploadId": upload_id,
        "offset": 600,
        "bSize": 300,
        "complete": True,
        "ficModeServer": "crc64",
        "ficValueServer": CHECKSUM,
    }
    [file] = (await big.page(device, 1, 10))[0]
    assert (file.name, file.size) == ("a.log", 900)
    assert contents(folder) == {CONTENT}


async def test_a_file_of_unknown_size_ends_when_the_device_says_so(
    camera: Camera, big: FileService, device: Device, folder: Path
) -> None:
    upload_id = await camera.begin(size=-1)
    assert "complete" not in (await camera.send(upload_id, 0, CONTENT[:450]))["data"]
    assert (await camera.send(upload_id, 450, b"the end", isComplete=True))["data"]["complete"] is True
    assert contents(folder) == {CONTENT[:450] + b"the end"}
    empty = await camera.begin("empty", -1)
    assert (await camera.send(empty, 0, b"", isComplete=True))["data"]["complete"] is True
    assert await names(big, device) == ["empty", "a.log"]


async def test_blocks_that_were_taken_survive_the_node(
    camera_of: Callable[..., Camera], device: Device, folder: Path
) -> None:
    upload_id = await camera_of(device).begin()
    assert await camera_of(device).code(upload_id, 0, CONTENT[:500]) == 200
    begun = (await camera_of(device).init(conflictStrategy="append"))["data"]
    assert (begun["uploadId"], begun["offset"]) == (upload_id, 500)
    assert (await camera_of(device).send(upload_id, 500, CONTENT[500:]))["data"]["complete"] is True
    assert contents(folder) == {CONTENT}


async def test_announcing_the_same_upload_again_begins_no_other(camera: Camera) -> None:
    upload_id = await camera.begin(initUid="one")
    assert await camera.code(upload_id, 0, CONTENT[:200]) == 200
    again = (await camera.init(initUid="one"))["data"]
    assert (again["uploadId"], again["offset"]) == (upload_id, 200)
    other = (await camera.init(initUid="two"))["data"]
    assert other["uploadId"] != upload_id
    assert other["offset"] == 0
    assert await camera.code(upload_id, 200, CONTENT[200:400]) == 78122


@pytest.mark.parametrize("change", [{"size": 800}, {"ficMode": "crc64", "ficValue": CHECKSUM}])
async def test_what_is_another_file_is_not_appended(camera: Camera, change: dict[str, Any]) -> None:
    upload_id = await camera.begin()
    assert await camera.code(upload_id, 0, CONTENT[:200]) == 200
    begun = (await camera.init(**{"conflictStrategy": "append", **change}))["data"]
    assert begun["uploadId"] != upload_id
    assert begun["offset"] == 0


async def test_conflicts_with_a_file_of_the_same_name(
    camera: Camera, big: FileService, device: Device, folder: Path
) -> None:
    await upload(big, device, "a.log", b"old")
    for strategy in ("append", "reject"):
        assert (await camera.init(conflictStrategy=strategy))["code"] == 78123
    upload_id = await camera.begin()
    assert contents(folder) == {b"old"}
    await camera.send_all(upload_id)
    assert contents(folder) == {CONTENT}
    assert await names(big, device) == ["a.log"]


async def test_a_file_that_came_meanwhile_is_not_replaced_by_one_that_must_not(
    camera: Camera, big: FileService, device: Device, folder: Path
) -> None:
    upload_id = await camera.begin(conflictStrategy="reject", size=200)
    await upload(big, device, "a.log", b"quicker")
    assert await camera.code(upload_id, 0, CONTENT[:200]) == 78123
    assert contents(folder) == {b"quicker"}


async def test_each_block_has_its_place(camera: Camera) -> None:
    upload_id = await camera.begin()
    assert await camera.code(upload_id, 300, CONTENT[300:600]) == 78119
    assert await camera.code(upload_id, 0, CONTENT[:300]) == 200
    assert await camera.code(upload_id, 0, CONTENT[:300]) == 78126
    assert await camera.code(upload_id, 100, CONTENT[100:400]) == 78119
    assert await camera.code(upload_id, 300, CONTENT[300:] + b"x") == 78118
    assert await camera.code(upload_id, 300, CONTENT[300:399]) == 78120
    assert await camera.code(upload_id, 300, CONTENT[300:800]) == 200
    assert await camera.code(upload_id, 800, bytes(101)) == 460
    assert (await camera.send(upload_id, 800, CONTENT[800:]))["data"]["complete"] is True
    assert await camera.code(upload_id, 800, CONTENT[800:]) == 78124
    assert (await camera.cancel(upload_id))["code"] == 78124


async def test_a_block_that_was_changed_on_its_way_is_sent_again(camera: Camera) -> None:
    upload_id = await camera.begin()
    header = msgspec.json.encode({"id": 5, "params": {"uploadId": upload_id, "offset": 0, "bSize": 300}})
    frame = bytearray(write_frame(header, CONTENT[:300]))
    frame[-10] ^= 1
    answer = await camera.say("send", bytes(frame))
    assert (answer["id"], answer["code"]) == (5, 78121)
    assert answer["data"] == {"uploadId": upload_id, "offset": 0, "bSize": 300}
    assert await camera.code(upload_id, 0, CONTENT[:300]) == 200


async def test_a_file_with_another_checksum_is_not_taken(
    camera: Camera, big: FileService, device: Device, folder: Path
) -> None:
    upload_id = await camera.begin(ficMode="crc64", ficValue="0" * 16)
    for offset in (0, 450):
        last = await camera.code(upload_id, offset, CONTENT[offset : offset + 450])
    assert last == 78125
    assert await camera.code(upload_id, 0, CONTENT[:450]) == 78122
    assert await names(big, device) == []
    assert contents(folder) == set()


async def test_a_cancelled_upload_is_gone(camera: Camera) -> None:
    upload_id = await camera.begin()
    assert await camera.code(upload_id, 0, CONTENT[:450]) == 200
    assert (await camera.cancel(upload_id)) == {
        "id": 3,
        "code": 200,
        "message": "success",
        "data": {"uploadId": upload_id},
    }
    assert (await camera.cancel(upload_id))["code"] == 78122
    assert await camera.code(upload_id, 450, CONTENT[450:]) == 78122
    assert (await camera.init(conflictStrategy="append"))["data"]["offset"] == 0


async def test_an_upload_that_takes_too_long_is_forgotten(
    camera: Camera, big: FileService, database: Database, clock: FakeClock
) -> None:
    upload_id = await camera.begin()
    assert await camera.code(upload_id, 0, CONTENT[:450]) == 200
    clock.advance(LIMITS.upload_ms / 1000)
    assert await camera.code(upload_id, 450, CONTENT[450:]) == 78122
    begun = (await camera.init(conflictStrategy="append"))["data"]
    assert (begun["uploadId"] != upload_id, begun["offset"]) == (True, 0)
    await BlockUploads(database, big).sweep()
    assert await camera.code(begun["uploadId"], 0, CONTENT[:450]) == 200


async def test_devices_do_not_reach_each_other_s_uploads(
    camera: Camera, camera_of: Callable[..., Camera], devices: DeviceService, product: Product
) -> None:
    upload_id = await camera.begin()
    other = camera_of(await devices.register(product, "camera-2"))
    assert await other.code(upload_id, 0, CONTENT[:450]) == 78122
    assert (await other.cancel(upload_id))["code"] == 78122
    assert (await other.init(conflictStrategy="append"))["data"]["uploadId"] != upload_id
    assert await camera.code(upload_id, 0, CONTENT[:450]) == 200


async def test_room_is_checked_when_a_file_is_announced_and_when_it_is_complete(
    camera: Camera, big: FileService, device: Device
) -> None:
    unknown = await camera.begin("unknown", -1)
    assert await camera.code(unknown, 0, bytes(500)) == 200
    assert await camera.code(unknown, 500, bytes(500)) == 200
    assert await camera.code(unknown, 1000, b"x", isComplete=True) == 78117
    for number in range(3):
        await upload(big, device, f"f{number}", bytes(900))
    assert (await camera.init("more", 400))["code"] == 6760
    assert await camera.code(unknown, 1000, b"", isComplete=True) == 6760
    assert (await camera.init("f0", 1000))["code"] == 200
    await upload(big, device, "f3", b"")
    assert (await camera.init("more", 1))["code"] == 6760


async def test_a_device_has_few_uploads_at_the_same_time(camera: Camera) -> None:
    for name in ("one", "two", "one"):
        await camera.begin(name)
    assert (await camera.init("three"))["code"] == 429


async def test_blocks_that_do_not_wait_for_replies_are_stored_in_order_or_refused(camera: Camera, folder: Path) -> None:
    upload_id = await camera.begin(size=1000)
    codes = await asyncio.gather(*(camera.code(upload_id, 100 * number, bytes([number]) * 100) for number in range(10)))
    assert codes == [200] * 8 + [78127] * 2
    assert [await camera.code(upload_id, offset, b"x" * 100) for offset in (800, 900)] == [200, 200]
    assert contents(folder) == {b"".join(bytes([number]) * 100 for number in range(8)) + b"x" * 200}


async def test_the_last_block_may_come_again_when_the_file_could_not_be_stored(
    camera: Camera, big: FileService, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = await camera.begin(size=500)

    async def full(_writer: LocalBlobWriter, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalBlobWriter, "write", full)
        with pytest.raises(OSError, match="No space"):
            await camera.code(upload_id, 0, CONTENT[:500])
    assert await names(big, device) == []
    assert (await camera.send(upload_id, 0, CONTENT[:500]))["data"]["complete"] is True


async def test_uploads_go_with_their_device(camera: Camera, devices: DeviceService, device: Device) -> None:
    upload_id = await camera.begin()
    await devices.delete(device)
    assert await camera.code(upload_id, 0, CONTENT[:300]) == 6100
    assert (await camera.init())["code"] == 6100
    assert (await camera.cancel(upload_id))["code"] == 6100


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("code", "params"),
    [
        (460, {"fileSize": 1}),
        (460, {"fileName": 1, "fileSize": 1}),
        (460, {"fileName": "a", "fileSize": "1"}),
        (460, {"fileName": "a", "fileSize": 1.5}),
        (460, {"fileName": "a", "fileSize": 0}),
        (460, {"fileName": "a", "fileSize": -2}),
        (460, {"fileName": "../a", "fileSize": 1}),
        (460, {"fileName": "_a", "fileSize": 1}),
        (460, {"fileName": "a" * 101, "fileSize": 1}),
        (460, {"fileName": "a", "fileSize": 1, "conflictStrategy": "merge"}),
        (460, {"fileName": "a", "fileSize": 1, "ficMode": "md5", "ficValue": "0" * 16}),
        (460, {"fileName": "a", "fileSize": 1, "ficMode": "crc64"}),
        (460, {"fileName": "a", "fileSize": 1, "ficValue": "0" * 16}),
        (460, {"fileName": "a", "fileSize": 1, "ficMode": "crc64", "ficValue": "0" * 15}),
        (460, {"fileName": "a", "fileSize": 1, "initUid": ""}),
        (460, {"fileName": "a", "fileSize": 1, "initUid": "\0"}),
        (460, {"fileName": "a", "fileSize": 1, "initUid": "x" * 65}),
        (460, {"fileName": "a", "fileSize": 1, "extraParams": {"ossOwnerType": "device-user"}}),
        (460, []),
        (78117, {"fileName": "a", "fileSize": 1001}),
        (78117, {"fileName": "a", "fileSize": 2**70}),
    ],
)
async def test_malformed_announcements(camera: Camera, code: int, params: Any) -> None:
    assert (await camera.say("init", msgspec.json.encode({"id": "1", "params": params})))["code"] == code


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("code", "header"),
    [
        (400, b""),
        (400, b"{"),
        (400, b"[]"),
        (400, b'{"id":"\xff"}'),
        (400, b"[" * 5000),
        (460, b"{}"),
        (460, b'{"params":{"uploadId":"x","offset":0}}'),
        (460, b'{"params":{"uploadId":"x","offset":0,"bSize":3}}'),
        (460, b'{"params":{"uploadId":"x","offset":-1,"bSize":4}}'),
        (460, b'{"params":{"uploadId":"x","offset":0.5,"bSize":4}}'),
        (460, b'{"params":{"uploadId":"x","offset":0,"bSize":4,"isComplete":"no"}}'),
        (78122, b'{"params":{"uploadId":"x\\u0000","offset":0,"bSize":4}}'),
        (78122, b'{"params":{"uploadId":"00000000000000000000000000000000","offset":0,"bSize":4}}'),
    ],
)
async def test_malformed_blocks(camera: Camera, code: int, header: bytes) -> None:
    answer = await camera.say("send", write_frame(header, b"data"))
    assert (answer["id"], answer["code"]) == ("null", code)


@ON_ONE_DATABASE
@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\5{}xx", b'{"id":"1"}'])
async def test_what_is_no_frame(camera: Camera, payload: bytes) -> None:
    assert (await camera.say("send", payload))["code"] == 400


@ON_ONE_DATABASE
async def test_a_cancellation_needs_an_upload(camera: Camera) -> None:
    assert (await camera.say("cancel", b'{"id":"1","params":{}}'))["code"] == 460
    assert (await camera.say("cancel", b'{"id":"1","params":{"uploadId":"x"}}'))["code"] == 78122

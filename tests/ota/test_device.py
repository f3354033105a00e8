"""Messages of devices: what firmware sends in all its ways, and what it gets."""

import json
from typing import Any

import pytest

from tests.devices.marks import one_database
from tests.ota.world import World
from thingplane.alink.frames import read_data, read_header
from thingplane.devices.service import Device
from thingplane.ota.streams import MAX_BLOCK

pytestmark = one_database


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id":"1","params":{"version":"2.0"}}',
        b'{"id":1,"params":{"version":"2.0","module":"default"}}',
        b'{"params":{"version":"2.0","module":null}}',
        b'{"id":"1","version":"1.0","params":{"version":"2.0","extra":[1]}}',
    ],
)
async def test_reported_versions(world: World, payload: bytes) -> None:
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package())
    assert await world.messages.publish("/ota/device/inform", payload, lamp) == []
    assert await world.states(job) == {lamp.name: "SUCCEEDED"}


@pytest.mark.parametrize("topic", ["inform", "progress", "request"])
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no json",
        b"[]",
        b'{"params":7}',
        b'{"params":{"version":["2.0"],"step":[]}}',
        b'{"params":{"version":"2 0","step":"far"}}',
        b'{"params":{"version":"%s","step":"1e999"}}' % (b"x" * 65),
        b'{"params":{}}',
        b"[" * 2000,
    ],
)
async def test_what_cannot_be_understood_changes_nothing(world: World, topic: str, payload: bytes) -> None:
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package(), NeedConfirm=True)
    await world.messages.publish(f"/ota/device/{topic}", payload, lamp)
    assert await world.states(job) == {lamp.name: "CONFIRM"}


async def test_progress_as_text_number_or_fraction(world: World) -> None:
    (lamp,) = await world.fleet(1)
    job = await world.job(await world.package())
    for step, shown in (("5", "5.00"), (17, "17.00"), ("33.4", "33.00"), (0, "0.00")):
        await world.progress(lamp, step)
        assert (await world.tasks(job))[lamp.name]["Progress"] == shown


async def test_the_old_way_to_ask(world: World) -> None:
    (lamp,) = await world.fleet(1)
    payload = b'{"id":12,"params":{"version":"1.0"}}'
    topic = f"/ota/device/request/{lamp.product_key}/{lamp.name}"
    ((where, answer),) = await world.messages.publish("/ota/device/request", payload, lamp)
    assert (where, json.loads(answer)) == (
        topic,
        {"code": 500, "id": 12, "message": "none upgrade operation of the device."},
    )
    job = await world.job(await world.package(), NeedPush=False)
    ((where, answer),) = await world.messages.publish("/ota/device/request", payload, lamp)
    decoded = json.loads(answer)
    assert (where, decoded["code"], decoded["data"]["version"]) == (topic, "1000", "2.0")
    assert await world.states(job) == {lamp.name: "NOTIFIED"}
    # The version in the request counts as reported.
    await world.messages.publish("/ota/device/request", b'{"id":12,"params":{"version":"2.0"}}', lamp)
    assert await world.states(job) == {lamp.name: "SUCCEEDED"}


async def test_a_push_has_what_the_sdks_search_for_and_in_their_order(world: World) -> None:
    (lamp,) = await world.fleet(1)
    await world.call("CreateOTAModule", ProductKey=lamp.product_key, ModuleName="radio")
    await world.inform(lamp, "1", "radio")
    tags = [{"Key": "id", "Value": "1"}, {"Key": "code", "Value": "2"}]
    await world.job(
        await world.package(ModuleName="radio", SignMethod="SHA256", Type=1, SrcVersion="1", Udi='{"size":1}'), Tag=tags
    )
    await world.tick()
    (message,) = world.downlink.sent
    assert b" " not in message.payload
    decoded = json.loads(message.payload)
    assert list(decoded) == ["code", "id", "message", "data"]
    assert (decoded["code"], decoded["id"], decoded["message"]) == ("1000", world.clock.now_ms(), "success")
    data = decoded["data"]
    assert list(data) == [
        *("size", "sign", "version", "signMethod", "url", "md5"),
        *("isDiff", "module", "extData"),
    ]
    assert (data["signMethod"], len(data["sign"]), len(data["md5"])) == ("SHA256", 64, 32)
    assert data["extData"] == {"id": "1", "code": "2", "_package_udi": '{"size":1}'}
    assert len(data["url"]) < 512
    assert data["url"].count(":") == 1


def read(answer: bytes) -> tuple[dict[str, Any], bytes]:
    header = read_header(answer)
    return json.loads(header), read_data(answer, header)


async def block(world: World, device: Device, request: bytes) -> tuple[dict[str, Any], bytes]:
    ((topic, answer),) = await world.messages.publish("thing/file/download", request, device)
    assert topic == f"/sys/{device.product_key}/{device.name}/thing/file/download_reply"
    return read(answer)


async def test_download_by_mqtt(world: World) -> None:
    lamp, other = await world.fleet(2)
    content = bytes(range(256)) * 100
    firmware = await world.package(content=content)
    specific: dict[str, Any] = {"TargetSelection": "SPECIFIC", "TargetDeviceName": [lamp.name]}
    job = await world.job(firmware, **specific, DownloadProtocol="MQTT")
    await world.tick()
    (push,) = world.pushes(lamp)
    assert "url" not in push
    assert (push["dProtocol"], push["streamFileId"]) == ("mqtt", 1)
    stream = push["streamId"]
    taken = b""
    while len(taken) < len(content):
        # With the comma that the SDK for C leaves behind.
        request = (
            b'{"id":"5","version":"1.0","params":{"fileToken":"t","fileInfo":{"streamId":%d,"fileId":1,},'
            b'"fileBlock":{"size":10000,"offset":%d}}}' % (stream, len(taken))
        )
        header, data = await block(world, lamp, request)
        assert header == {
            "id": "5",
            "code": 200,
            "data": {"fileToken": "t", "fileLength": len(content), "bSize": len(data), "bOffset": len(taken)},
        }
        taken += data
    assert taken == content

    def wanted(**changes: int) -> bytes:
        given = {"stream": stream, "file": 1, "size": 10, "offset": 0, **changes}
        info = {"streamId": given["stream"], "fileId": given["file"]}
        params = {"fileInfo": info, "fileBlock": {"size": given["size"], "offset": given["offset"]}}
        return json.dumps({"id": 9, "params": params}).encode()

    assert (await block(world, lamp, wanted()))[0]["id"] == 9
    for request in (
        wanted(stream=stream + 1),
        wanted(stream=2**70),
        wanted(file=2**70),
        wanted(offset=2**70),
        wanted(size=2**70),
        wanted(file=2),
        wanted(size=0),
        wanted(size=MAX_BLOCK + 1),
        wanted(offset=len(content)),
        wanted(offset=-1),
        b"?",
        b"{}",
    ):
        header, data = await block(world, lamp, request)
        assert (header["code"], data) == (400, b"")
        assert header["msg"]
    assert (await block(world, other, wanted()))[0]["code"] == 400
    await world.call("CancelOTATaskByJob", JobId=job, CancelNotifiedTask=True)
    world.clock.advance(61)
    assert (await block(world, lamp, wanted()))[0]["code"] == 400


async def test_asking_for_nothing(world: World) -> None:
    (lamp,) = await world.fleet(1)
    assert await world.get(lamp) == {}
    await world.job(await world.package())
    assert await world.get(lamp, "radio") == {}
    assert (await world.get(lamp))["version"] == "2.0"

"""Uploads by form: what is taken, what is refused, and that nothing is left of what is refused."""

import asyncio
import base64
import hashlib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.devices.marks import one_database
from tests.ota.forms import form
from tests.ota.world import World
from thingplane.cloud.client import SignedRequest
from thingplane.ota import form as form_module
from thingplane.ota.form import ObjectEndpoint
from thingplane.ota.uploads import ABANDONED_MS, KEPT_MS

pytestmark = one_database


def stored(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]


def fetch(url: str, wanted: str | None = None) -> tuple[int, bytes]:
    """Return status and body of a GET."""
    request = urllib.request.Request(url, headers={} if wanted is None else {"Range": wanted})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def ticket(world: World) -> dict[str, Any]:
    data: dict[str, Any] = (await world.call("GenerateOTAUploadURL", FileSuffix="tar.gz"))["Data"]
    return data


async def test_the_answers_are_made_for_the_form(world: World) -> None:
    data = await ticket(world)
    assert data["Host"] == "http://files.test/objects"
    assert data["FirmwareUrl"] == f"{data['Host']}/{data['Key']}"
    assert data["Key"].startswith("ota/")
    assert data["Key"].endswith(".tar.gz")
    assert data["ObjectStorage"] == "OSS"
    names = (await world.call("GenerateDeviceNameListURL"))["Data"]
    assert names["FileUrl"] == f"{names['Host']}/{names['Key']}"
    assert names["Key"].endswith(".csv")
    refused = await world.refused("GenerateOTAUploadURL", FileSuffix="exe")
    assert refused == "iot.firmware.InvalidGenerateOTAUploadURLParam"


async def test_what_was_uploaded_is_what_is_downloaded(world: World) -> None:
    content = bytes(range(256)) * 3000
    firmware = await world.package(content=content)
    info = (await world.call("QueryOTAFirmware", FirmwareId=firmware))["FirmwareInfo"]
    assert info["FirmwareSign"] == hashlib.md5(content).hexdigest()
    assert info["FirmwareSize"] == len(content)
    url = info["FirmwareUrl"].replace("http://files.test", world.url)
    assert await asyncio.to_thread(fetch, url) == (200, content)
    assert await asyncio.to_thread(fetch, url, "bytes=100-199") == (206, content[100:200])
    world.clock.advance(24 * 3600 + 1)
    assert (await asyncio.to_thread(fetch, url))[0] == 403


@pytest.mark.parametrize(("wanted", "status"), [("200", 200), ("201", 201), ("204", 204), (None, 204), ("500", 204)])
async def test_success_looks_as_the_form_wants_it(world: World, wanted: str | None, status: int) -> None:
    data = await ticket(world)
    answer = await world.post(data, b"x", success_action_status=wanted)
    assert answer[0] == status
    assert answer[1]["etag"] == f'"{hashlib.md5(b"x").hexdigest().upper()}"'
    assert (data["Key"].encode() in answer[2]) == (status == 201)


async def test_names_of_fields_count_in_any_case(world: World) -> None:
    data = await ticket(world)
    fields = {"Key": data["Key"], "POLICY": data["Policy"], "ossAccessKeyId": data["OSSAccessKeyId"]}
    content_type, body = form({**fields, "Signature": data["Signature"]}, b"x", file_name=None)
    request = SignedRequest("POST", "/objects", {"content-type": content_type}, body)
    assert (await world.api.send(request))[0] == 204


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"signature": "AAAA"}, 403, "SignatureDoesNotMatch"),
        ({"policy": base64.b64encode(b"{}").decode()}, 403, "SignatureDoesNotMatch"),
        ({"OSSAccessKeyId": "somebody"}, 403, "InvalidAccessKeyId"),
        ({"policy": None}, 403, "AccessDenied"),
        ({"key": "ota/other.bin"}, 403, "AccessDenied"),
        ({"content-md5": base64.b64encode(hashlib.md5(b"other").digest()).decode()}, 400, "InvalidDigest"),
        ({"content-md5": "?"}, 400, "InvalidDigest"),
        ({"content-md5": "\u00e9"}, 400, "InvalidDigest"),
        ({"signature": "\u00e9"}, 403, "SignatureDoesNotMatch"),
        ({"note": "x" * 70_000}, 400, "FieldItemTooLong"),
    ],
)
async def test_refused_forms(
    world: World, tmp_path: Path, fields: dict[str, str | None], status: int, code: str
) -> None:
    data = await ticket(world)
    answer = await world.post(data, b"firmware", **fields)
    assert answer[0] == status
    assert f"<Code>{code}</Code>".encode() in answer[2]
    assert stored(tmp_path) == []
    create = {"FirmwareName": "never", "DestVersion": "2", "FirmwareUrl": data["FirmwareUrl"]}
    assert await world.refused("CreateOTAFirmware", **create) == "iot.firmware.InvalidFirmwareUrl"


async def test_a_policy_is_valid_for_a_minute(world: World) -> None:
    data = await ticket(world)
    world.clock.advance(59)
    assert (await world.post(data, b"x"))[0] == 200
    world.clock.advance(1)
    status, _, body = await world.post(data, b"x")
    assert (status, b"AccessDenied" in body) == (403, True)


async def test_a_digest_that_fits_is_taken(world: World) -> None:
    digest = base64.b64encode(hashlib.md5(b"firmware").digest()).decode()
    assert (await world.post(await ticket(world), b"firmware", **{"content-md5": digest}))[0] == 200


async def test_truncated_corrupt_and_empty_forms_leave_nothing(world: World, tmp_path: Path) -> None:
    data = await ticket(world)
    fields = {"key": data["Key"], "policy": data["Policy"], "OSSAccessKeyId": data["OSSAccessKeyId"]}
    content_type, body = form({**fields, "signature": data["Signature"]}, b"x" * 600_000)
    nameless = body.replace(b"name=", b"eman=").replace(b"x" * 599_000, b"")
    for part in (body[:-10], body[:-300_000], body[:200], b"", nameless):
        request = SignedRequest("POST", "/objects", {"content-type": content_type}, part)
        status, _, answer = await world.api.send(request)
        assert (status, b"MalformedPOSTRequest" in answer) == (400, True)
    assert (await world.post(data, b""))[2].count(b"EntityTooSmall") == 1
    for headers in ({"content-type": "application/json"}, {"content-type": "multipart/form-data"}, {}):
        assert (await world.api.send(SignedRequest("POST", "/objects", headers, body)))[0] == 400
    assert (await world.api.send(SignedRequest("GET", "/objects", {}, b"")))[0] == 403
    assert stored(tmp_path) == []


@pytest.mark.parametrize("filler", ["fields", "names", "header", "preamble", "one byte"])
async def test_what_comes_before_a_policy_is_limited(
    world: World, monkeypatch: pytest.MonkeyPatch, filler: str
) -> None:
    monkeypatch.setattr(form_module, "PAUSE_S", 0.2 if filler == "one byte" else 60)
    sent: list[Any] = []
    read = 0

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        nonlocal read
        await asyncio.sleep(0.05 if filler == "one byte" else 0)
        part = {
            "fields": b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n' + b"x" * 900 + b"\r\n",
            "names": b'--b\r\nContent-Disposition: form-data; name="n%d"\r\n\r\n\r\n' % read,
            "header": b"x" * 1000 if read else b"--b\r\nContent-Disposition: ",
            "preamble": b"\r\n" * 500,
            "one byte": b"--b\r\nContent-Disposition: form-data;"[read : read + 1] or b"x",
        }[filler]
        read += len(part)
        assert read < 400_000
        return {"type": "http.request", "body": part, "more_body": True}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"multipart/form-data; boundary=b")]}
    await ObjectEndpoint(world.ota.uploads)(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_a_list_of_devices_has_a_limit_of_its_own(world: World, tmp_path: Path) -> None:
    data = (await world.call("GenerateDeviceNameListURL"))["Data"]
    status, _, body = await world.post(data, b"x" * (5 * 1024 * 1024 + 1))
    assert (status, b"EntityTooLarge" in body, stored(tmp_path)) == (400, True, [])


async def test_a_client_that_goes_away_leaves_nothing(world: World, tmp_path: Path) -> None:
    data = await ticket(world)
    fields = {"key": data["Key"], "policy": data["Policy"], "OSSAccessKeyId": data["OSSAccessKeyId"]}
    content_type, body = form({**fields, "signature": data["Signature"]}, b"x" * 600_000)
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": body[:400_000], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(0)
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}
    await ObjectEndpoint(world.ota.uploads)(scope, receive, send)
    assert (sent, stored(tmp_path)) == ([], [])


async def test_uploads_that_nobody_uses_are_forgotten(world: World, tmp_path: Path) -> None:
    url = await world.upload(b"unused")
    used = await world.package("3.0", content=b"used")
    world.clock.advance(KEPT_MS / 1000)
    await world.ota.uploads.sweep()
    world.clock.advance(ABANDONED_MS / 1000)
    await world.ota.uploads.garbage.sweep()
    assert len(stored(tmp_path)) == 1
    create = {"FirmwareName": "late", "DestVersion": "2", "FirmwareUrl": url}
    assert await world.refused("CreateOTAFirmware", **create) == "iot.firmware.InvalidFirmwareUrl"
    await world.call("DeleteOTAFirmware", FirmwareId=used)
    assert stored(tmp_path) == []


async def test_a_second_upload_takes_the_place_of_the_first(world: World, tmp_path: Path) -> None:
    data = await ticket(world)
    for content in (b"first", b"second"):
        assert (await world.post(data, content))[0] == 200
    await world.ota.uploads.garbage.sweep()
    assert [path.read_bytes() for path in stored(tmp_path)] == [b"second"]

"""A node whose files are in an S3-compatible store."""

import asyncio
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.common.node import NodeProcess
from tests.common.s3_server import BUCKET, KEY_ID, REGION, SECRET, S3Server
from tests.e2e.operations.calls import checked_client, identity, new_product, register
from tests.e2e.operations.uploading import Uploader, content_of
from tests.e2e.raw import connected
from tests.e2e.test_updates import package
from thingplane.cloud.client import CloudClient


def get(url: str, part: str | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={} if part is None else {"Range": f"bytes={part}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


async def test_packages_and_files_of_devices_are_objects(tmp_path: Path) -> None:
    async with S3Server().running() as server:
        settings = {
            "object_store_url": f"s3://{BUCKET}/plant?endpoint={server.url}&region={REGION}",
            "object_store_access_key_id": KEY_ID,
            "object_store_access_key_secret": SECRET,
        }
        node = NodeProcess(tmp_path / "data", **settings)
        try:
            await asyncio.to_thread(node.start)
            await packages_and_files(node, server)
        finally:
            if node.running():
                node.kill()
    assert SECRET not in node.log()
    assert [path for path in (tmp_path / "data").rglob("*") if path.parent.name in {"blobs", "uploads"}] == []


async def packages_and_files(node: NodeProcess, server: S3Server) -> None:
    cloud = checked_client(node)
    key = await asyncio.to_thread(new_product, cloud)
    content = content_of(300_000)
    firmware = await asyncio.to_thread(package, cloud, key, content)
    assert list(server.objects.values()) == [content]
    host, port = node.address("api")
    plain = CloudClient(f"http://{host}:{port}", *node.credentials)

    def call(action: str, **parameters: object) -> dict[str, dict[str, str]]:
        answer = plain.call(action, parameters)
        assert answer["Success"], answer
        return answer

    url = (await asyncio.to_thread(call, "QueryOTAFirmware", FirmwareId=firmware))["FirmwareInfo"]["FirmwareUrl"]
    assert await asyncio.to_thread(get, url) == (200, content)
    assert await asyncio.to_thread(get, url, "200000-") == (206, content[200_000:])
    assert await asyncio.to_thread(get, url, "5-70000") == (206, content[5:70_001])

    device = identity(await asyncio.to_thread(register, cloud, key, "camera"))
    async with connected(node.address("mqtt"), device) as (client, _):
        await Uploader(client, device).upload("night.log", content[:5000])
    assert sorted(map(len, server.objects.values())) == [5000, 300_000]

    server.failing = True
    status, _ = await asyncio.to_thread(get, url)
    assert status == 503
    server.failing = False
    names = {"ProductKey": key, "DeviceName": "camera"}
    listed: Any = await asyncio.to_thread(call, "QueryDeviceFileList", **names)
    file_id = listed["Data"]["FileSummary"][0]["FileId"]
    shown = await asyncio.to_thread(call, "QueryDeviceFile", **names, FileId=file_id)
    assert await asyncio.to_thread(get, shown["Data"]["DownloadUrl"]) == (200, content[:5000])
    await asyncio.to_thread(call, "DeleteDeviceFile", **names, FileId=file_id)
    assert list(server.objects.values()) == [content]
    assert (await asyncio.to_thread(get, shown["Data"]["DownloadUrl"]))[0] == 404


def test_an_address_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    url = "s3://key:hidden@bucket"
    node = NodeProcess(tmp_path / "data", object_store_url=url)
    with pytest.raises(AssertionError, match="credentials don't belong into the URL") as error:
        node.start()
    assert "hidden" not in str(error.value)

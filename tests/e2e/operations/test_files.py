"""Files of devices: uploaded over MQTT, listed, downloaded and deleted by the official SDK."""

import http.client
from typing import Any
from urllib.parse import urlsplit

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.operations.calls import checked_client, identity, ok, refusal, register
from tests.e2e.operations.uploading import BLOCK, Uploader, content_of
from tests.e2e.raw import connected

UNKNOWN = "iot.common.FileNotExist"
CONTENT = content_of(10_000)


def files(cloud: Client, iot_id: str) -> list[Any]:
    body = ok(cloud.query_device_file_list(models.QueryDeviceFileListRequest(iot_id=iot_id, page_size=5)))
    found = list(body.data.file_summary)
    assert body.total == len(found)
    return found


def download(url: str) -> bytes:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        assert response.status == 200
        return response.read()
    finally:
        connection.close()


def test_a_device_without_files(cloud: Client, product_key: str) -> None:
    iot_id = register(cloud, product_key, "files-1").iot_id
    body = ok(cloud.query_device_file_list(models.QueryDeviceFileListRequest(iot_id=iot_id, page_size=5)))
    assert (body.total, body.page_count, body.page_size, body.data.file_summary) == (0, 0, 5, [])
    file = {"iot_id": iot_id, "file_id": "unknown"}
    assert refusal(cloud.query_device_file(models.QueryDeviceFileRequest(**file))) == UNKNOWN
    assert refusal(cloud.delete_device_file(models.DeleteDeviceFileRequest(**file))) == UNKNOWN


async def test_what_a_device_uploads_is_listed_downloaded_and_deleted(
    node: NodeProcess, cloud: Client, product_key: str
) -> None:
    device = register(cloud, product_key, "files-2")
    async with connected(node.address("mqtt"), identity(device)) as (client, _):
        await Uploader(client, identity(device)).upload("a.log", CONTENT)
    [listed] = files(cloud, device.iot_id)
    assert (listed.name, listed.size) == ("a.log", "10")
    file = {"iot_id": device.iot_id, "file_id": listed.file_id}
    found = ok(cloud.query_device_file(models.QueryDeviceFileRequest(**file))).data
    assert (found.name, found.size, found.utc_created_on) == ("a.log", "10", listed.utc_created_on)
    assert download(found.download_url) == CONTENT
    ok(cloud.delete_device_file(models.DeleteDeviceFileRequest(**file)))
    assert files(cloud, device.iot_id) == []
    assert refusal(cloud.query_device_file(models.QueryDeviceFileRequest(**file))) == UNKNOWN


async def test_blocks_that_were_acknowledged_survive_kill_9(node: NodeProcess, cloud: Client, product_key: str) -> None:
    device = register(cloud, product_key, "files-3")
    async with connected(node.address("mqtt"), identity(device)) as (client, _):
        uploader = Uploader(client, identity(device))
        begun = await uploader.init("a.log", CONTENT)
        for offset in (0, BLOCK):
            await uploader.send(begun["uploadId"], CONTENT, offset)
    node.kill()
    node.start()
    async with connected(node.address("mqtt"), identity(device)) as (client, _):
        uploader = Uploader(client, identity(device))
        again = await uploader.init("a.log", CONTENT, "append")
        assert (again["uploadId"], again["offset"]) == (begun["uploadId"], 2 * BLOCK)
        await uploader.upload("a.log", CONTENT, "append")
    cloud = checked_client(node)
    [listed] = files(cloud, device.iot_id)
    request = models.QueryDeviceFileRequest(iot_id=device.iot_id, file_id=listed.file_id)
    assert download(ok(cloud.query_device_file(request)).data.download_url) == CONTENT

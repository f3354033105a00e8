"""Files of devices: what is answered for a device that has uploaded none."""

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.e2e.operations.calls import ok, refusal, register

UNKNOWN = "iot.common.FileNotExist"


def test_a_device_without_files(cloud: Client, product_key: str) -> None:
    iot_id = register(cloud, product_key, "files-1").iot_id
    body = ok(cloud.query_device_file_list(models.QueryDeviceFileListRequest(iot_id=iot_id, page_size=5)))
    assert (body.total, body.page_count, body.page_size, body.data.file_summary) == (0, 0, 5, [])
    file = {"iot_id": iot_id, "file_id": "unknown"}
    assert refusal(cloud.query_device_file(models.QueryDeviceFileRequest(**file))) == UNKNOWN
    assert refusal(cloud.delete_device_file(models.DeleteDeviceFileRequest(**file))) == UNKNOWN

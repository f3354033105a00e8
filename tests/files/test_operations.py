"""QueryDeviceFileList, QueryDeviceFile and DeleteDeviceFile."""

from pathlib import Path
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.xml import call_xml
from tests.devices.marks import one_database
from tests.files.conftest import contents, upload
from thingplane.cloud import OPERATIONS
from thingplane.cloud.client import CallError
from thingplane.cloud.conformance import violations
from thingplane.devices.service import Device, DeviceService
from thingplane.files.service import FileService
from thingplane.products.service import Product

NAMES = ["QueryDeviceFileList", "QueryDeviceFile", "DeleteDeviceFile"]


@pytest.mark.parametrize("name", NAMES)
def test_declared_as_documented(name: str) -> None:
    assert violations(OPERATIONS[name]) == []


async def test_files_are_listed_newest_first_in_pages(
    api: Api, files: FileService, device: Device, clock: FakeClock
) -> None:
    uploaded = []
    for name, size in (("a.txt", 1), ("b.txt", 1000), ("c.txt", 0)):
        uploaded.append(await upload(files, device, name, b"x" * size))
        clock.advance(1)
    answer = await api.call("QueryDeviceFileList", IotId=device.iot_id, PageSize=2)
    del answer["RequestId"]
    assert answer == {
        "Success": True,
        "CurrentPage": 1,
        "PageSize": 2,
        "PageCount": 2,
        "Total": 3,
        "Data": {
            "FileSummary": [
                {
                    "FileId": uploaded[2].file_id,
                    "Name": "c.txt",
                    "Size": "0",
                    "UtcCreatedOn": "2023-11-14T22:13:22.000Z",
                },
                {
                    "FileId": uploaded[1].file_id,
                    "Name": "b.txt",
                    "Size": "1",
                    "UtcCreatedOn": "2023-11-14T22:13:21.000Z",
                },
            ]
        },
    }
    named = {"ProductKey": device.product_key, "DeviceName": device.name}
    answer = await api.call("QueryDeviceFileList", **named, PageSize=2, CurrentPage=2)
    assert [file["Name"] for file in answer["Data"]["FileSummary"]] == ["a.txt"]
    assert (await api.call("QueryDeviceFileList", **named))["PageSize"] == 10


async def test_one_file_comes_with_a_url(api: Api, files: FileService, device: Device) -> None:
    file = await upload(files, device, "a.txt", b"x" * 1000)
    data = (await api.call("QueryDeviceFile", IotId=device.iot_id, FileId=file.file_id))["Data"]
    assert data.pop("DownloadUrl").startswith(f"http://192.0.2.7:8080/download/{file.blob}/a.txt?Expires=1700003600&")
    assert data == {
        "FileId": file.file_id,
        "Name": "a.txt",
        "Size": "1",
        "UtcCreatedOn": "2023-11-14T22:13:20.000Z",
    }


async def test_a_deleted_file_is_gone_with_its_content(
    api: Api, files: FileService, device: Device, folder: Path
) -> None:
    gone, kept = [await upload(files, device, name, name.encode()) for name in ("gone", "kept")]
    call = {"IotId": device.iot_id, "FileId": gone.file_id}
    assert (await api.call("DeleteDeviceFile", **call))["Success"] is True
    assert contents(folder) == {b"kept"}
    for action in ("DeleteDeviceFile", "QueryDeviceFile"):
        assert (await api.call(action, **call))["Code"] == "iot.common.FileNotExist"
    assert (await files.get(device, kept.file_id)).name == "kept"


@one_database
@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("QueryDeviceFileList", {"PageSize": 201}, "iot.common.InvalidPageParams"),
        ("QueryDeviceFileList", {"PageSize": 0}, "iot.common.InvalidPageParams"),
        ("QueryDeviceFileList", {"CurrentPage": 0}, "iot.common.InvalidPageParams"),
        ("QueryDeviceFileList", {"IotId": "nobody"}, "iot.device.NotExistedDevice"),
        ("QueryDeviceFileList", {"IotId": ""}, "iot.prod.NullProductKey"),
        ("QueryDeviceFileList", {"IotInstanceId": "iot-other"}, "iot.device.NotExistedDevice"),
        *(
            case
            for action in ("QueryDeviceFile", "DeleteDeviceFile")
            for case in (
                (action, {"FileId": ""}, "iot.common.InvalidFormattedParameter"),
                (action, {"FileId": "nothing"}, "iot.common.FileNotExist"),
                (action, {"IotId": "nobody"}, "iot.device.NotExistedDevice"),
                (action, {"IotInstanceId": "iot-other"}, "iot.device.NotExistedDevice"),
            )
        ),
    ],
)
async def test_refused_calls(
    *, api: Api, files: FileService, device: Device, action: str, parameters: dict[str, Any], code: str
) -> None:
    file = await upload(files, device, "a.txt")
    call = {"IotId": device.iot_id, **({} if "List" in action else {"FileId": file.file_id}), **parameters}
    assert (await api.call(action, **call))["Code"] == code
    assert (await files.page(device, 1, 1))[1] == 1


@one_database
async def test_files_of_other_devices_are_out_of_reach(
    *, api: Api, files: FileService, devices: DeviceService, product: Product, device: Device
) -> None:
    file = await upload(files, device, "a.txt")
    other = await devices.register(product, "camera-2")
    for action in ("QueryDeviceFile", "DeleteDeviceFile"):
        answer = await api.call(action, IotId=other.iot_id, FileId=file.file_id)
        assert answer["Code"] == "iot.common.FileNotExist"


@one_database
@pytest.mark.parametrize("action", ["QueryDeviceFile", "DeleteDeviceFile"])
async def test_the_file_id_is_mandatory(api: Api, device: Device, action: str) -> None:
    with pytest.raises(CallError, match="MissingFileId"):
        await api.call(action, IotId=device.iot_id)


@one_database
async def test_the_shape_in_xml(api: Api, files: FileService, device: Device) -> None:
    await upload(files, device, "a.txt")
    root = await call_xml(api, "QueryDeviceFileList", IotId=device.iot_id)
    assert root.findtext("Data/FileSummary/Name") == "a.txt"

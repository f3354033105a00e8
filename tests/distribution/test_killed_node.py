"""A node that is killed while it takes devices to another instance goes on with it after its start."""

import http.client
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.common.cli import run_on
from tests.common.node import NodeProcess, running_node
from tests.e2e.conftest import cloud_client
from thingplane.cloud.client import CloudClient

COUNT = 1500
THERE = "iot-other"


def until(cloud: CloudClient, action: str, parameters: dict[str, Any], *path: str, wanted: int) -> dict[str, Any]:
    """Call until a number in the answer is as large as wanted, as there is nothing else to wait for."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer: dict[str, Any] = cloud.call(action, parameters)
        value: Any = answer
        for name in path:
            value = value.get(name, {})
        if value and int(value) >= wanted:
            return answer
        time.sleep(0.005)
    raise AssertionError(answer)


def download(url: str) -> Any:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.mark.slow
def test_killed_in_the_middle_it_leaves_no_device_behind(tmp_path: Path) -> None:
    with running_node(tmp_path / "data") as node:
        run_on(node, "instance", "add", THERE)
        job_id, key, names = begin(node)
        node.kill()
        node.start()
        cloud = cloud_client(node)
        until(cloud, "QueryDeviceDistributeJob", {"JobId": job_id}, "Data", "Status", wanted=2)
        file = cloud.call("QueryDeviceDistributeDetail", {"JobId": job_id})["File"]
        assert [(entry["DeviceName"], entry["Code"]) for entry in download(file)] == [(name, "200") for name in names]
        assert cloud.call("QueryDevice", {"ProductKey": key, "IotInstanceId": THERE})["Total"] == COUNT
        assert cloud.call("QueryDevice", {"ProductKey": key})["Total"] == 0


def begin(node: NodeProcess) -> tuple[str, str, list[str]]:
    """Begin to distribute many devices; returns JobId, ProductKey and names when some are there."""
    cloud = cloud_client(node)
    made = cloud.call("CreateProduct", {"ProductName": "killed_fleet", "NodeType": 0, "DataFormat": 1})
    key = made["ProductKey"]
    apply_id = cloud.call("BatchRegisterDevice", {"ProductKey": key, "Count": COUNT})["Data"]["ApplyId"]
    until(cloud, "QueryPageByApplyId", {"ApplyId": apply_id}, "Total", wanted=COUNT)
    application = {"ProductKey": key, "ApplyId": apply_id}
    names = cloud.call("QueryBatchRegisterDeviceStatus", application)["Data"]["ValidList"]["Name"]
    devices = {"ProductKey": key, "DeviceName": names, "TargetInstanceConfig": [{"TargetInstanceId": THERE}]}
    created = until(cloud, "CreateDeviceDistributeJob", devices, "Success", wanted=1)
    until(cloud, "ListDistributedDevice", {"ProductKey": key}, "Data", "Total", wanted=1)
    return created["JobId"], key, names

"""Updates of devices made of the official SDK and of the simulator, on a node that is killed in between."""

import asyncio
import hashlib
import http.client
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.cli import run_on
from tests.common.node import NodeProcess, running_node
from tests.e2e.device import LinkkitDevice
from tests.e2e.operations.calls import checked_client, new_product, ok, register, unique
from tests.ota.forms import form
from thingplane.simulator.updates import UpdatingFleet
from thingplane.simulator.wire import Identity

SIZE = 300_000


def upload(cloud: Client, content: bytes) -> str:
    """Upload a file as back ends do, with the fields that the SDK returns, and return its URL."""
    data = ok(cloud.generate_otaupload_url(models.GenerateOTAUploadURLRequest())).data
    fields = {
        "key": data.key,
        "policy": data.policy,
        "OSSAccessKeyId": data.ossaccess_key_id,
        "signature": data.signature,
        "success_action_status": "200",
    }
    content_type, body = form(fields, content)
    host = urlsplit(data.host)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=30)
    connection.request("POST", host.path, body, {"Content-Type": content_type})
    assert connection.getresponse().status == 200
    connection.close()
    return str(data.firmware_url)


def package(cloud: Client, product_key: str, content: bytes, version: str = "2.0", **options: Any) -> str:
    request = models.CreateOTAFirmwareRequest(
        product_key=product_key,
        firmware_name=unique("fw"),
        dest_version=version,
        firmware_url=upload(cloud, content),
        need_to_verify=False,
        **options,
    )
    return str(ok(cloud.create_otafirmware(request)).data.firmware_id)


def static_job(cloud: Client, product_key: str, firmware_id: str, **options: Any) -> str:
    given = {"target_selection": "ALL", **options}
    request = models.CreateOTAStaticUpgradeJobRequest(firmware_id=firmware_id, product_key=product_key, **given)
    return str(ok(cloud.create_otastatic_upgrade_job(request)).data.job_id)


def states(cloud: Client, job_id: str) -> dict[str, str]:
    request = models.ListOTATaskByJobRequest(job_id=job_id, page_size=100, current_page=1)
    tasks = ok(cloud.list_otatask_by_job(request)).data.simple_otatask_info
    return {task.device_name: task.task_status for task in tasks}


def is_done(cloud: Client, job_id: str) -> bool:
    return set(states(cloud, job_id).values()) == {"SUCCEEDED"}


def runs(cloud: Client, iot_id: str, version: str) -> bool:
    """Tell whether a device has reported a version of its default module."""
    request = models.ListOTAModuleVersionsByDeviceRequest(iot_id=iot_id, current_page=1, page_size=10)
    listed = ok(cloud.list_otamodule_versions_by_device(request)).data.simple_otamodule_info
    return [(item.module_name, item.module_version) for item in listed] == [("default", version)]


def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture(scope="module")
def updating_node(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running_node(tmp_path_factory.mktemp("node") / "data") as node:
        yield node


def test_the_official_device_sdk_downloads_verifies_and_reports(updating_node: NodeProcess, tmp_path: Path) -> None:
    node = updating_node
    cloud = checked_client(node)
    product_key = new_product(cloud)
    content = b"firmware for the official SDK" * 10_000
    for number, method in enumerate(("MD5", "SHA256"), 1):
        device = register(cloud, product_key, f"linkkit-{number}")
        identity = {"ProductKey": product_key, "DeviceName": device.device_name, "DeviceSecret": device.device_secret}
        with LinkkitDevice(node.address("mqtt"), identity, tmp_path / "none.json") as linkkit:
            linkkit.expect("connected")
            linkkit.do("report_version", version="1.0")
            until(partial(runs, cloud, device.iot_id, "1.0"), "no version")
            firmware = package(cloud, product_key, content + method.encode(), f"2.{number}", sign_method=method)
            named = {"target_selection": "SPECIFIC", "target_device_name": [device.device_name]}
            job = static_job(cloud, product_key, firmware, **named)
            pushed = linkkit.expect("ota", notice=1)
            assert pushed["version"] == f"2.{number}"
            linkkit.do("query_firmware")
            assert linkkit.expect("ota", notice=2)["sign"] == pushed["sign"]
            linkkit.do(
                "download", path=str(tmp_path / method), **{key: pushed[key] for key in ("url", "method", "sign")}
            )
            assert linkkit.expect("downloaded")["code"] == "SUCCESS"
            assert (tmp_path / method).read_bytes() == content + method.encode()
            linkkit.do("report_version", version=f"2.{number}")
            until(partial(is_done, cloud, job), "not updated")


async def test_a_fleet_updates_although_the_node_is_killed(updating_node: NodeProcess) -> None:
    node = updating_node
    cloud = checked_client(node)
    product_key = new_product(cloud)
    devices = [register(cloud, product_key, f"sim-{number}") for number in range(8)]
    identities = [Identity(product_key, item.device_name, item.device_secret) for item in devices]
    content = hashlib.sha256(b"seed").digest() * (SIZE // 32)
    fleet = UpdatingFleet(identities, "1.0", install_s=0.3)
    running = asyncio.create_task(fleet.run(lambda: node.address("mqtt")))
    try:
        await asyncio.to_thread(until, lambda: fleet.reported >= len(identities), "the fleet did not report")
        firmware = await asyncio.to_thread(package, cloud, product_key, content)
        job = await asyncio.to_thread(static_job, cloud, product_key, firmware, maximum_per_minute=300)
        await asyncio.to_thread(until, lambda: fleet.updated >= 2, "nothing was updated")
        node.kill()
        await asyncio.to_thread(node.start)
        cloud = checked_client(node)

        await asyncio.to_thread(until, partial(is_done, cloud, job), "not all were updated")
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert fleet.contents == {hashlib.md5(content).hexdigest()}
    shown = await asyncio.to_thread(run_on, node, "ota", "status", job)
    assert (shown["JobId"], shown["JobStatus"], shown["Total"]) == (job, "COMPLETED", 8)
    assert {state: count for state, count in shown["Tasks"].items() if count} == {"SUCCEEDED": 8}
    query = models.QueryOTAJobRequest(job_id=job)
    assert ok(await asyncio.to_thread(cloud.query_otajob, query)).data.job_status == "COMPLETED"

"""Updates of devices made of the official SDK, of sub-devices behind a gateway, and of the simulator."""

import asyncio
import hashlib
import http.client
import json
import time
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client
from sqlalchemy import select

from tests.common.cli import run_on
from tests.common.node import NodeProcess
from tests.e2e.blocks import BlockDevice
from tests.e2e.consumer import Consumer
from tests.e2e.device import LinkkitDevice
from tests.e2e.operations.calls import checked_client, identity, new_product, ok, register, unique
from tests.e2e.test_gateway import House, attach, message
from tests.ota.forms import form
from thingplane.ota.tables import ota_leases
from thingplane.simulator.updates import UpdatingFleet
from thingplane.simulator.wire import Identity
from thingplane.storage.database import Database, metadata_url

SIZE = 300_000
FLEET = 5
SIMULATED = 8


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


def subscribed_group(cloud: Client, product_key: str) -> str:
    """Return a consumer group that is told of everything about updates of a product."""
    created = cloud.create_consumer_group(models.CreateConsumerGroupRequest(group_name=unique("group")))
    group_id = str(ok(created).group_id)
    request = models.CreateSubscribeRelationRequest(
        product_key=product_key,
        type="AMQP",
        consumer_group_ids=[group_id],
        ota_event_flag=True,
        ota_version_flag=True,
        ota_job_flag=True,
    )
    ok(cloud.create_subscribe_relation(request))
    return group_id


def test_a_fleet_of_the_official_device_sdk_downloads_verifies_and_reports(node: NodeProcess, tmp_path: Path) -> None:
    cloud = checked_client(node)
    product_key = new_product(cloud)
    devices = [register(cloud, product_key, f"linkkit-{number}") for number in range(FLEET)]
    content = b"firmware for the official SDK" * 10_000
    with ExitStack() as stack:
        fleet = [stack.enter_context(LinkkitDevice(node.address("mqtt"), burnt(item), None)) for item in devices]
        for linkkit in fleet:
            linkkit.expect("connected")
            linkkit.do("report_version", version="1.0")
        for item in devices:
            until(partial(runs, cloud, item.iot_id, "1.0"), "no version")
        for notice, (method, version) in enumerate((("MD5", "2.0"), ("SHA256", "3.0"))):
            firmware = package(cloud, product_key, content + method.encode(), version, sign_method=method)
            job = static_job(cloud, product_key, firmware)
            for number, linkkit in enumerate(fleet):
                pushed = linkkit.expect("ota", notice=1, version=version)
                if number == notice:
                    linkkit.do("query_firmware")
                    assert linkkit.expect("ota", notice=2, version=version)["sign"] == pushed["sign"]
                place = tmp_path / f"{method}-{number}"
                linkkit.do("download", path=str(place), **{key: pushed[key] for key in ("url", "method", "sign")})
            for number, linkkit in enumerate(fleet):
                assert linkkit.expect("downloaded")["code"] == "SUCCESS"
                assert (tmp_path / f"{method}-{number}").read_bytes() == content + method.encode()
                linkkit.do("report_version", version=version)
            until(partial(is_done, cloud, job), "not updated")
            assert len(states(cloud, job)) == FLEET


def burnt(device: Any) -> dict[str, str]:
    return {
        "ProductKey": device.product_key,
        "DeviceName": device.device_name,
        "DeviceSecret": device.device_secret,
    }


def test_sub_devices_are_updated_over_the_connection_of_their_gateway(node: NodeProcess) -> None:
    cloud = checked_client(node)
    house = House(node, cloud)
    subs = [house.sub_device() for _ in range(2)]
    content = b"firmware of a meter"

    def ota(sub: dict[str, str], what: str) -> str:
        return f"/ota/device/{what}/{sub['ProductKey']}/{sub['DeviceName']}"

    def say(sub: dict[str, str], what: str, **params: str) -> None:
        hub.do("publish", topic=ota(sub, what), payload=json.dumps({"id": "1", "params": params}))

    with house.connect() as hub:
        attach(hub, *subs)
        for sub in subs:
            hub.do("subscribe", topic=ota(sub, "upgrade"))
            assert hub.expect("subscribed")["granted"] == [1]
            say(sub, "inform", version="1.0")
        for sub in subs:
            until(partial(runs, cloud, iot_id(cloud, sub), "1.0"), "no version")
        job = static_job(cloud, house.sub_key, package(cloud, house.sub_key, content))
        for sub in subs:
            pushed = message(hub, ota(sub, "upgrade"))["data"]
            request = f"/sys/{sub['ProductKey']}/{sub['DeviceName']}/thing/ota/firmware/get"
            hub.do("publish", topic=request, payload='{"id":"7","version":"1.0","params":{},"method":""}')
            asked = message(hub, request + "_reply")
            assert (asked["code"], asked["data"]["version"], asked["data"]["sign"]) == (200, "2.0", pushed["sign"])
            with urllib.request.urlopen(pushed["url"]) as response:
                assert hashlib.md5(response.read()).hexdigest() == pushed["sign"]
        for sub in subs:
            say(sub, "progress", step="60", desc="downloaded")
        until(lambda: set(states(cloud, job).values()) == {"IN_PROGRESS"}, "no progress")
        say(subs[0], "progress", step="-4", desc="flash is worn out")
        say(subs[1], "inform", version="2.0")
        wanted = {subs[0]["DeviceName"]: "FAILED", subs[1]["DeviceName"]: "SUCCEEDED"}
        until(lambda: states(cloud, job) == wanted, "not updated")


def iot_id(cloud: Client, device: dict[str, str]) -> str:
    request = models.QueryDeviceInfoRequest(product_key=device["ProductKey"], device_name=device["DeviceName"])
    return str(ok(cloud.query_device_info(request)).data.iot_id)


def test_a_package_is_downloaded_block_by_block_over_mqtt(node: NodeProcess) -> None:
    cloud = checked_client(node)
    product_key = new_product(cloud)
    registered = register(cloud, product_key, "blocks-1")
    content = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(250)) * 8  # 64,000 bytes
    taken = bytearray()
    with BlockDevice(node.address("mqtt"), identity(registered)) as device:
        device.report("inform", version="1.0")
        job = static_job(cloud, product_key, package(cloud, product_key, content), download_protocol="MQTT")
        pushed = device.pushed()
        assert (pushed["dProtocol"], pushed["size"], "url" in pushed) == ("mqtt", len(content), False)
        stream, file = pushed["streamId"], pushed["streamFileId"]
        for where in (
            (stream, file, len(content), 256),
            (stream, file, -1, 256),
            (stream, file, 0, 0),
            (stream, file, 2**40, 256),
            (stream, file + 1, 0, 256),
            (stream + 1, file, 0, 256),
        ):
            header, data = device.ask(*where)
            assert (header["id"], header["code"], data, header["msg"] != "") == ("5", 400, b"", True), where
        device.download(pushed, taken, len(content) // 2)
        device.report("progress", step="50", desc="downloading")
        assert states(cloud, job) == {"blocks-1": "IN_PROGRESS"}

    # The connection is lost in the middle. The device is told again, and goes on where it was.
    with BlockDevice(node.address("mqtt"), identity(registered)) as device:
        device.report("inform", version="1.0")
        again = device.pushed()
        assert again == pushed
        # What was damaged on its way into the flash is asked for once more.
        taken[-3000:] = b"?" * 3000
        del taken[-5120:]
        device.download(again, taken, len(content), block=4096)
        assert device.ask(stream, file, len(content) - 1, 131_072)[1] == content[-1:]
        assert hashlib.md5(taken).hexdigest() == pushed["sign"] == hashlib.md5(content).hexdigest()
        device.report("progress", step="100")
        assert states(cloud, job) == {"blocks-1": "IN_PROGRESS"}
        device.report("inform", version="2.0")
        assert states(cloud, job) == {"blocks-1": "SUCCEEDED"}


async def test_a_fleet_updates_and_subscribers_learn_of_it_although_the_node_is_killed(node: NodeProcess) -> None:
    cloud = checked_client(node)
    product_key = new_product(cloud)
    group_id = subscribed_group(cloud, product_key)
    devices = [register(cloud, product_key, f"sim-{number}") for number in range(SIMULATED)]
    identities = [Identity(product_key, item.device_name, item.device_secret) for item in devices]
    content = hashlib.sha256(uuid.uuid4().bytes).digest() * (SIZE // 32)
    fleet = UpdatingFleet(identities, "1.0", install_s=0.3)
    running = asyncio.create_task(fleet.run(lambda: node.address("mqtt")))
    try:
        await asyncio.to_thread(until, lambda: fleet.reported >= len(identities), "the fleet did not report")
        firmware = await asyncio.to_thread(package, cloud, product_key, content)
        job = await asyncio.to_thread(static_job, cloud, product_key, firmware, maximum_per_minute=300)
        await asyncio.to_thread(until, lambda: fleet.updated >= 2, "nothing was updated")
        holder = await lease_holder(node)
        node.kill()
        await asyncio.to_thread(node.start)
        assert await lease_holder(node) not in {holder, None}, "it does not wait for the lease of the dead one"
        cloud = checked_client(node)

        await asyncio.to_thread(until, partial(is_done, cloud, job), "not all were updated")
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert fleet.contents == {hashlib.md5(content).hexdigest()}
    shown = await asyncio.to_thread(run_on, node, "ota", "status", job)
    assert (shown["JobId"], shown["JobStatus"], shown["Total"]) == (job, "COMPLETED", SIMULATED)
    assert {state: count for state, count in shown["Tasks"].items() if count} == {"SUCCEEDED": SIMULATED}
    query = models.QueryOTAJobRequest(job_id=job)
    assert ok(await asyncio.to_thread(cloud.query_otajob, query)).data.job_status == "COMPLETED"
    await asyncio.to_thread(everything_was_told, node, group_id, {item.device_name for item in devices})


async def lease_holder(node: NodeProcess) -> str | None:
    database = Database(metadata_url(node.data_dir, node.environment.get("THINGPLANE_DATABASE_URL", "")))
    async with database.read() as connection:
        holder: str | None = await connection.scalar(select(ota_leases.c.holder))
    await database.close()
    return holder


def everything_was_told(node: NodeProcess, group_id: str, names: set[str]) -> None:
    """Consume until everything has come that a group has to be told of a batch in which all devices succeeded."""
    wanted = {"job IN_PROGRESS", "job COMPLETED"}
    wanted |= {f"{name} {what}" for name in names for what in ("SUCCEEDED", "1.0", "2.0")}
    ids: dict[str, set[str]] = {}
    consumer = Consumer(node, group_id)
    try:
        while wanted - ids.keys():
            headers, body = consumer.receive()
            said = json.loads(body)
            what = f"{said.get('deviceName', 'job')} {said.get('status') or said['moduleVersion']}"
            ids.setdefault(what, set()).add(headers["message-id"])
    finally:
        consumer.close()
    assert all(len(same) == 1 for same in ids.values()), "what comes again has the same id"

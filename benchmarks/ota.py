"""Updates: making a large batch, keeping the push rate, and many downloads at a time."""

import asyncio
import http.client
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
from sqlalchemy import insert, select

from benchmarks.figures import Figure, Goal
from benchmarks.node import BenchmarkError, Fleet, Node, prepare_fleet, run_node
from benchmarks.processes import memory
from thingplane.cli.fleet import call
from thingplane.cli.target import target
from thingplane.cloud.client import CloudClient
from thingplane.devices.service import devices
from thingplane.ota.tables import ota_module_versions
from thingplane.simulator.client import SimulatedDevice
from thingplane.simulator.updates import download
from thingplane.storage.database import Database, metadata_url

DEVICES = 100_000
DOWNLOADS = 1000
FILE_BYTES = 10_000_000
ONLINE = 300
PER_MINUTE = 600
_PATIENCE_S = 120


def ota(_fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure on a fleet of its own, whose devices have reported a version."""
    with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as name:
        folder = Path(name) / "data"
        fleet = prepare_fleet(folder, DEVICES)
        uvloop.run(_report_versions(folder))
        with run_node(folder) as node:
            client = CloudClient(*target(folder, None, None, None))
            yield from _batches(client, fleet, runs)
            yield _rate(client, fleet, node)
            yield from _downloads(client, fleet, node)


async def _report_versions(folder: Path) -> None:
    database = Database(metadata_url(folder, ""))
    row = {"module": "default", "version": "1.0", "reported_at": int(time.time() * 1000)}
    try:
        async with database.write() as connection:
            ids = (await connection.execute(select(devices.c.id))).scalars().all()
            await connection.execute(insert(ota_module_versions), [{**row, "device_id": key} for key in ids])
    finally:
        await database.close()


def _package(client: CloudClient, product_key: str, version: str, content: bytes) -> str:
    ticket = call(client, "GenerateOTAUploadURL")["Data"]
    fields = {
        "key": ticket["Key"],
        "policy": ticket["Policy"],
        "OSSAccessKeyId": ticket["OSSAccessKeyId"],
        "signature": ticket["Signature"],
        "success_action_status": "200",
    }
    boundary = uuid.uuid4().hex
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    host = urlsplit(ticket["Host"])
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=_PATIENCE_S)
    connection.request("POST", host.path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    if connection.getresponse().status != 200:
        raise BenchmarkError("the upload was refused")
    connection.close()
    created = call(
        client,
        "CreateOTAFirmware",
        ProductKey=product_key,
        FirmwareName=f"bench-{version.replace('.', '-')}",
        DestVersion=version,
        FirmwareUrl=ticket["FirmwareUrl"],
        NeedToVerify="false",
    )
    return str(created["Data"]["FirmwareId"])


def _job(client: CloudClient, product_key: str, firmware_id: str, **options: Any) -> str:
    given = {"FirmwareId": firmware_id, "ProductKey": product_key, "TargetSelection": "ALL", **options}
    return str(call(client, "CreateOTAStaticUpgradeJob", **given)["Data"]["JobId"])


def _total(client: CloudClient, job: str, **options: Any) -> int:
    return int(call(client, "ListOTATaskByJob", JobId=job, PageSize=1, **options)["Total"])


def _batches(client: CloudClient, fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Make batches for the whole fleet, and cancel them."""
    answers: list[float] = []
    seconds: list[float] = []
    counts: list[float] = []
    for number in range(runs):
        firmware = _package(client, fleet.product_key, f"2.{number}", b"batch %d" % number)
        start = time.perf_counter()
        job = _job(client, fleet.product_key, firmware, NeedPush="false")
        answers.append(time.perf_counter() - start)
        while _total(client, job) < DEVICES:
            if time.perf_counter() - start > _PATIENCE_S:
                raise BenchmarkError("the batch was not made in time")
            time.sleep(0.05)
        seconds.append(time.perf_counter() - start)
        calls = []
        for _ in range(50):
            start = time.perf_counter()
            _total(client, job, TaskStatus="SUCCEEDED")
            calls.append((time.perf_counter() - start) * 1000)
        counts.append(statistics.median(calls))
        call(client, "CancelOTATaskByJob", JobId=job, CancelQueuedTask="true")
    yield Figure("OTA: static batch of 100,000 devices", "s", seconds, Goal(10, 5, less_is_better=True))
    yield Figure("… until the call is answered", "s", answers)
    yield Figure("… counting its tasks of one state", "ms", counts)


def _rate(client: CloudClient, fleet: Fleet, node: Node) -> Figure:
    """Tell devices that are online of an update, and compare the times with the rate."""
    some = fleet.identities[:ONLINE]
    firmware = _package(client, fleet.product_key, "3.0", b"rate")
    pushed: list[float] = []

    async def run() -> None:
        address = urlsplit(node.ready.endpoints["mqtt"])
        loop = asyncio.get_running_loop()

        def message(topic: str, _payload: bytes) -> None:
            if topic.startswith("/ota/device/upgrade/"):
                pushed.append(loop.time())

        connected = [
            await SimulatedDevice.connect(item, address.hostname or "", address.port or 0, on_message=message)
            for item in some
        ]
        await asyncio.to_thread(_job, client, fleet.product_key, firmware, MaximumPerMinute=PER_MINUTE)
        start = loop.time()
        while len(pushed) < ONLINE:
            if loop.time() - start > _PATIENCE_S:
                raise BenchmarkError(f"{len(pushed)} devices were told instead of {ONLINE}")
            await asyncio.sleep(0.05)
        for device in connected:
            device.close()

    uvloop.run(run())
    # Pushes of one tick come together: from the first of one tick to the first of the last one.
    ticks = [0, *(index for index in range(1, len(pushed)) if pushed[index] - pushed[index - 1] > 0.3)]
    first, last = ticks[1], ticks[-1]
    rate = (last - first) / (pushed[last] - pushed[first]) * 60
    off = abs(rate / PER_MINUTE - 1) * 100
    return Figure("OTA: pushes a minute, off the rate asked for", "%", [off], Goal(5, 1, less_is_better=True))


def _downloads(client: CloudClient, fleet: Fleet, node: Node) -> Iterator[Figure]:
    """Download a file many times at once, slowly enough for all to be under way together."""
    firmware = _package(client, fleet.product_key, "4.0", bytes(FILE_BYTES))
    url = call(client, "QueryOTAFirmware", FirmwareId=firmware)["FirmwareInfo"]["FirmwareUrl"]
    before = memory(node.pid)
    peak = before

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, await asyncio.to_thread(memory, node.pid))
            await asyncio.sleep(0.2)

    async def run() -> float:
        loop = asyncio.get_running_loop()
        watching = loop.create_task(watch())
        start = loop.time()
        sizes = await asyncio.gather(*(download(url, FILE_BYTES, _forget) for _ in range(DOWNLOADS)))
        seconds = loop.time() - start
        watching.cancel()
        if set(sizes) != {FILE_BYTES}:
            raise BenchmarkError("a download ended early")
        return seconds

    seconds = uvloop.run(run())
    each = (peak - before) / DOWNLOADS / 1024
    yield Figure(
        "OTA: memory of each of 1,000 downloads of 10 MB at a time", "kB", [each], Goal(256, 128, less_is_better=True)
    )
    yield Figure("… all together", "MB/s", [DOWNLOADS * FILE_BYTES / 1e6 / seconds])


def _forget(_part: bytes) -> None:
    """A client that only counts."""

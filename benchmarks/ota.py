"""Updates: making a large batch, keeping the push rate, and many downloads at a time."""

import asyncio
import http.client
import ssl
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
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
from thingplane.storage.database import Database, metadata_url

DEVICES = 100_000
DOWNLOADS = 1000
FILE_BYTES = 10_000_000
ONLINE = 300
PER_MINUTE = 600
_PATIENCE_S = 300
_PART = 64 * 1024
Pause: TypeAlias = Callable[[], Awaitable[None]]


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
            firmware = _package(client, fleet.product_key, "4.0", bytes(FILE_BYTES))
        for scheme in ("HTTPS", "HTTP"):
            # A fresh one each: a process reuses memory that it has needed before.
            with run_node(folder) as node:
                yield from _downloads(firmware, node, scheme)


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


def _downloads(firmware: str, node: Node, scheme: str) -> Iterator[Figure]:
    """Download a file many times at once; all of them stop reading for a while, so that what is buffered is full."""
    client = CloudClient(*target(node.folder, None, None, None))
    url = urlsplit(call(client, "QueryOTAFirmware", FirmwareId=firmware)["FirmwareInfo"]["FirmwareUrl"])
    tls = ssl.create_default_context(cafile=node.ready.ca_certificate) if scheme == "HTTPS" else None
    address = urlsplit(node.ready.endpoints["api" if tls is None else "api_tls"])
    request = f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode()
    download = partial(_download, address.hostname or "", address.port or 0, tls, request)
    each, rate = uvloop.run(_all_at_once(node, download))
    what = f"OTA: memory of each of 1,000 {scheme} downloads of 10 MB at a time"
    yield Figure(what, "kB", [each], Goal(256, 128, less_is_better=True))
    yield Figure("… all together", "MB/s", [rate])


async def _all_at_once(node: Node, download: Callable[[Pause], Coroutine[Any, Any, int]]) -> tuple[float, float]:
    """Return kB of memory that each download takes, and MB/s of all of them after their pause."""
    before, loop = memory(node.pid), asyncio.get_running_loop()
    waiting, full, go_on = 0, asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        nonlocal waiting
        waiting += 1
        if waiting == DOWNLOADS:
            full.set()
        await go_on.wait()

    async with asyncio.timeout(_PATIENCE_S), asyncio.TaskGroup() as group:
        downloads = [group.create_task(download(pause)) for _ in range(DOWNLOADS)]
        await full.wait()
        # What the last ones of them have begun gets into the buffers.
        await asyncio.sleep(1)
        peak = await asyncio.to_thread(memory, node.pid)
        start = loop.time()
        go_on.set()
        while not all(task.done() for task in downloads):
            await asyncio.sleep(0.5)
            peak = max(peak, await asyncio.to_thread(memory, node.pid))
        seconds = loop.time() - start
    if {task.result() for task in downloads} != {FILE_BYTES}:
        raise BenchmarkError("a download ended early")
    return (peak - before) / DOWNLOADS / 1024, DOWNLOADS * FILE_BYTES / 1e6 / seconds


async def _download(host: str, port: int, tls: ssl.SSLContext | None, request: bytes, pause: Pause) -> int:
    """Return the number of bytes of a file."""
    reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=_PART)
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError("a download was refused")
        await pause()
        size = 0
        while part := await reader.read(_PART):
            size += len(part)
    finally:
        writer.close()
    return size

"""``thingplane bench``: how fast a node is on this machine."""

import asyncio
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import uvloop
from cyclopts import App, Parameter
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from thingplane.cli import CommandError
from thingplane.cli.fleet import THERMOSTAT, create_product, ensure_devices
from thingplane.cli.output import console, is_terminal, print_json
from thingplane.cli.target import Ready, ready, target
from thingplane.cloud.client import CloudClient
from thingplane.simulator.client import RefusedError
from thingplane.simulator.load import Load
from thingplane.simulator.wire import Identity

app = App(name="bench", help="Measure a node on this machine.")

START_TIMEOUT_S = 30


@app.command(name="ingest")
def ingest(
    *,
    devices: Annotated[int, Parameter(help="connections")] = 200,
    duration: Annotated[float, Parameter(help="seconds to measure")] = 10.0,
    warmup: Annotated[float, Parameter(help="seconds before that")] = 2.0,
    window: Annotated[int, Parameter(help="posts in flight on each connection")] = 1,
    rate: Annotated[float | None, Parameter(help="posts a second on a schedule [default: as fast as answered]")] = None,
    tls: Annotated[bool, Parameter(help="connect over TLS")] = False,
    database_url: Annotated[str, Parameter(help="PostgreSQL [default: the embedded default]")] = "",
) -> None:
    """Measure the full path of property posts with QoS 1 on a fresh node.

    Authenticated devices post three properties; every post is validated, durable in the history, acknowledged and
    replied to. The JSON result counts posts per second of the server's CPU time, which survives a busy machine.
    """
    if devices < 1 or window < 1 or duration <= 0:
        raise CommandError("--devices, --window and --duration must be positive")
    with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as folder, _node(Path(folder), database_url) as node:
        identities = _register(Path(folder), devices)
        try:
            result = uvloop.run(
                _measure(node, identities, duration=duration, warmup=warmup, window=window, rate=rate, tls=tls)
            )
        except (RefusedError, OSError) as error:
            raise CommandError(f"the measurement broke off: {error}") from None
    print_json(result)


@contextmanager
def _node(folder: Path, database_url: str) -> Iterator[Ready]:
    ports = ("api", "api_tls", "mqtt", "mqtt_ws", "amqp", "stomp", "coap", "coaps", "console")
    environment = {
        **os.environ,
        "THINGPLANE_DATA_DIR": str(folder),
        "THINGPLANE_QUOTA": "unlimited",
        "THINGPLANE_DATABASE_URL": database_url,
        "THINGPLANE_LOG_LEVEL": "warning",
        **{f"THINGPLANE_{name.upper()}_PORT": "0" for name in ports},
    }
    process = subprocess.Popen([sys.executable, "-m", "thingplane.cli", "serve"], env=environment)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (folder / "ready.json").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise CommandError("the node to measure did not start; its log is above")
            time.sleep(0.02)
        yield ready(folder)
    finally:
        process.terminate()
        process.wait(15)


def _register(folder: Path, devices: int) -> list[Identity]:
    client = CloudClient(*target(folder, None, None, None))
    product_key = create_product(client, "bench_ingest", THERMOSTAT)
    names = [f"device-{number:06d}" for number in range(devices)]
    with _progress() as progress:
        task = progress.add_task("registering", total=devices)
        return ensure_devices(client, product_key, names, lambda count: progress.update(task, completed=count))


async def _measure(
    node: Ready,
    identities: Sequence[Identity],
    *,
    duration: float,
    warmup: float,
    window: int,
    rate: float | None,
    tls: bool,
) -> dict[str, Any]:
    address = urlsplit(node.endpoints["mqtt_tls" if tls else "mqtt"])
    context = ssl.create_default_context(cafile=node.ca_certificate) if tls else None
    load = Load()
    before_connect = cpu_seconds(node.pid)
    await load.connect(identities, address.hostname or "127.0.0.1", address.port or 1883, context)
    connect_cpu_s = cpu_seconds(node.pid) - before_connect
    paced = asyncio.create_task(load.run_paced(rate, warmup + duration)) if rate else None
    if paced is None:
        load.start_closed_loop(window)
    await _wait("warming up", warmup)
    start, cpu_start, answered_start, sample_start = (
        time.perf_counter(),
        cpu_seconds(node.pid),
        load.answered,
        len(load.latencies),
    )
    await _wait("measuring", duration)
    elapsed, cpu_s = time.perf_counter() - start, cpu_seconds(node.pid) - cpu_start
    answered = load.answered - answered_start
    samples = sorted(load.latencies[sample_start:])
    load.stop()
    if paced is not None:
        await paced
    await asyncio.sleep(0.5)
    result = {
        "devices": len(identities),
        "window": window,
        "rate": rate,
        "tls": tls,
        "posts": answered,
        "posts_per_s": round(answered / elapsed),
        "server_cpu_s": round(cpu_s, 2),
        "posts_per_cpu_s": round(answered / cpu_s) if cpu_s else None,
        "connects_per_cpu_s": round(len(identities) / connect_cpu_s) if connect_cpu_s else None,
        "latency_ms": {name: _percentile(samples, share) for name, share in (("p50", 0.5), ("p99", 0.99))},
        "failed": load.failed,
        "lost_connections": load.lost,
    }
    load.close()
    return result


def _percentile(samples: Sequence[float], share: float) -> float | None:
    if len(samples) < 2:
        return None
    return round(statistics.quantiles(samples, n=1000, method="inclusive")[round(share * 1000) - 1] * 1000, 3)


async def _wait(what: str, seconds: float) -> None:
    with _progress() as progress:
        task = progress.add_task(what, total=seconds)
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            progress.update(task, completed=elapsed)
            await asyncio.sleep(min(0.2, seconds - elapsed))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}"), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not is_terminal())


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process and its descendants, those that have ended included (Linux)."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        try:
            fields = Path(f"/proc/{current}/stat").read_text().rpartition(")")[2].split()
            children = Path(f"/proc/{current}/task/{current}/children").read_text().split()
        except OSError:
            continue  # ended meanwhile: its parent has its time
        total += sum(int(field) for field in fields[11:15]) / ticks
        waiting += map(int, children)
    return total

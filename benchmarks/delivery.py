"""From devices to a consumer on rhea: at 20,000 posts a second, with a backlog, in time, and beside rules."""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import uvloop
from sqlalchemy import select

from benchmarks.figures import Figure, Goal
from benchmarks.node import BenchmarkError, Fleet, Node, run_node
from benchmarks.processes import cpu_seconds
from benchmarks.rhea import HINT, accepted, consumer, has_rhea, installed, subscribe
from thingplane.cli.target import target
from thingplane.clock import SystemClock
from thingplane.cloud.client import CloudClient
from thingplane.forwarding import bodies
from thingplane.forwarding.embedded import EmbeddedLog
from thingplane.forwarding.service import Forwarder, Kind, Source
from thingplane.simulator.load import Load
from thingplane.storage.database import Database, metadata_url
from thingplane.storage.timeseries import GroupCommit
from thingplane.storage.timeseries.embedded.store import EmbeddedTimeSeries
from thingplane.subscriptions.tables import consumer_groups

CONNECTIONS: Final = 1_000
OFFERED: Final = 20_000
STEADY: Final = 5_000
OFFERED_S: Final = 15.0
"""So long that the history is sealed once: that is part of the cost of every post."""
WARMUP_S: Final = 1.0
MEASURE_S: Final = 5.0
BACKLOG: Final = 1_000_000
RULES: Final = 1_000
SELECT: Final = (
    "deviceName() as deviceName, items.Humidity.value as Humidity, items.Temperature.value as Temperature, "
    "productKey as pk, gmtCreate as at, iotId"
)
_SETTLE_TIMEOUT_S: Final = 240


class _Result(NamedTuple):
    per_message_us: float
    per_second: float
    p50_ms: float = 0
    p99_ms: float = 0


def delivery(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure a node with one consumer group and one client of it over TLS, and one with rules."""
    if has_rhea():
        yield from _with_rhea(fleet, runs)
    else:
        print(HINT, file=sys.stderr)
    alone, beside, watched = ([_posting(fleet, kind) for _ in range(runs)] for kind in ("alone", "beside", "watched"))
    goal = Goal(20, 20, less_is_better=True)
    extra = [with_rules - without for with_rules, without in zip(beside, alone, strict=True)]
    yield Figure(
        f"a post that none of {RULES} running rules of its product wants, CPU beyond that of a post", "µs", extra, goal
    )
    extra = [with_rule - without for with_rule, without in zip(watched, alone, strict=True)]
    yield Figure("a post that a rule with 6 columns and WHERE looks at in vain, CPU beyond that of a post", "µs", extra)


def _with_rhea(fleet: Fleet, runs: int) -> Iterator[Figure]:
    with installed() as script:
        offered = [_delivered(fleet, script, OFFERED, OFFERED_S) for _ in range(runs)]
        steady = [_delivered(fleet, script, STEADY, WARMUP_S + MEASURE_S) for _ in range(runs)]
        with _backlog(fleet) as (folder, group):
            drained = [_drained(folder, script, group) for _ in range(runs)]
    cost, delay = Goal(60, 35, less_is_better=True), Goal(20, 5, less_is_better=True)
    title = f"{OFFERED:,} posts/s of {CONNECTIONS:,} devices to one consumer and settled, CPU of the node"
    yield Figure(title, "µs/message", [run.per_message_us for run in offered], cost)
    yield Figure("… messages a second until the last is settled", "messages/s", [run.per_second for run in offered])
    yield Figure(f"from device to consumer at {STEADY:,} posts/s, p99", "ms", [run.p99_ms for run in steady], delay)
    yield Figure("… p50", "ms", [run.p50_ms for run in steady])
    yield Figure("… CPU of the node", "µs/message", [run.per_message_us for run in steady], cost)
    rates = [run.per_second for run in drained]
    yield Figure(f"backlog of {BACKLOG:,} messages to one consumer", "messages/s", rates, Goal(20_000, 40_000))
    yield Figure("… CPU of the node", "µs/message", [run.per_message_us for run in drained])


def _delivered(fleet: Fleet, script: Path, rate: int, seconds: float) -> _Result:
    with fleet.node() as node:
        group = subscribe(node, fleet.product_key)
        with consumer(node, script, group, "device", skip=int(rate * WARMUP_S)) as client:
            spent, count, per_second = uvloop.run(_post(fleet, node, rate, seconds))
            consumed = client.leave()
    if consumed.messages < count:
        raise BenchmarkError(f"the consumer has {consumed.messages} of {count} messages")
    return _Result(spent / count * 1e6, per_second, consumed.p50_ms, consumed.p99_ms)


async def _post(fleet: Fleet, node: Node, rate: int, seconds: float) -> tuple[float, int, float]:
    """Post on a schedule, wait until all is settled, and return CPU-seconds, messages, and messages a second."""
    load = await _connected(fleet, node)
    cpu, start = cpu_seconds(node.pid), time.perf_counter()
    posted = await load.run_paced(rate, seconds)
    async with asyncio.timeout(_SETTLE_TIMEOUT_S):
        settled = -1
        while load.answered < posted or settled < posted:
            await asyncio.sleep(0.2)
            settled = await asyncio.to_thread(accepted, node)
    spent, wall_s = cpu_seconds(node.pid) - cpu, time.perf_counter() - start
    answered, lost, failed = load.answered, load.lost, load.failed
    load.close()
    if lost or failed:
        raise BenchmarkError(f"{lost} connections were lost and {failed} posts refused")
    return spent, answered, answered / wall_s


async def _connected(fleet: Fleet, node: Node) -> Load:
    load = Load()
    port = urlsplit(node.ready.endpoints["mqtt"]).port or 0
    await load.connect(fleet.identities[:CONNECTIONS], "127.0.0.1", port)
    await asyncio.sleep(WARMUP_S)
    return load


# A backlog


@contextmanager
def _backlog(fleet: Fleet) -> Iterator[tuple[Path, str]]:
    """Make a data directory whose log has a backlog for a group; gives both."""
    with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as name:
        folder = Path(name) / "data"
        shutil.copytree(fleet.folder, folder)
        with run_node(folder) as node:
            group = subscribe(node, fleet.product_key)
        uvloop.run(_fill(folder, fleet.product_key, group))
        yield folder, group


async def _fill(folder: Path, product_key: str, group: str) -> None:
    """Write to the log as a node does, without devices: they would take minutes."""
    clock = SystemClock()
    log = EmbeddedLog(clock)
    series = EmbeddedTimeSeries(folder / "history", clock, companion=log)
    database = Database(metadata_url(folder, ""))
    forwarder = Forwarder(log, GroupCommit(series), clock, database)
    await series.open()
    await forwarder.start()
    async with database.read() as connection:
        query = select(consumer_groups.c.subscriber_id).where(consumer_groups.c.group_id == group)
        members = [(await connection.execute(query)).scalar_one()]
    source = Source(1, 1, product_key, 1, "device-1", "Yx0123456789abcdefghi000000", "CustomCategory")
    items = [("Temperature", clock.now_ms(), b"21.5"), ("Humidity", clock.now_ms(), b"40"), ("Heating", 1, b"0")]
    body = bodies.properties(source, b'"123"', clock.now_ms(), items)
    topic = f"/{product_key}/device-1/thing/event/property/post"
    for _ in range(BACKLOG // 500):
        for _ in range(500):
            forwarder.forward(Kind.PROPERTY, source, topic, body, qos=1, to=members)
        await forwarder.durable()
    await forwarder.close()
    await series.close()
    await log.close()
    await database.close()


def _drained(folder: Path, script: Path, group: str) -> _Result:
    with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as name:
        copy = Path(name) / "data"
        shutil.copytree(folder, copy)
        with run_node(copy) as node:
            cpu, start = cpu_seconds(node.pid), time.perf_counter()
            with consumer(node, script, group) as client:
                while accepted(node) < BACKLOG:
                    if time.perf_counter() - start > _SETTLE_TIMEOUT_S:
                        raise BenchmarkError(f"only {accepted(node)} messages of the backlog were settled")
                    time.sleep(0.1)
                wall_s, spent = time.perf_counter() - start, cpu_seconds(node.pid) - cpu
                consumed = client.leave()
    if consumed.messages != BACKLOG:
        raise BenchmarkError(f"the consumer has {consumed.messages} of {BACKLOG} messages")
    return _Result(spent / BACKLOG * 1e6, BACKLOG / wall_s)


# Rules


def _posting(fleet: Fleet, kind: str) -> float:
    """Return the CPU µs of a post: without rules, with rules for other topics, or with one that looks at it."""
    with fleet.node() as node:
        client = CloudClient(*target(node.folder, None, None, None))
        if kind == "beside":
            for number in range(RULES):
                rule = {"ShortTopic": f"device-{number}/user/update", "TopicType": 1, "Select": "*", "Where": "t > 1"}
                _start_rule(client, fleet.product_key, f"rule_{number}", rule)
        elif kind == "watched":
            rule = {"ShortTopic": "+/thing/event/property/post", "TopicType": 0, "Select": SELECT}
            _start_rule(client, fleet.product_key, "rule", {**rule, "Where": "items.Temperature.value > 1000"})
        return uvloop.run(_cost(fleet, node))


def _start_rule(client: CloudClient, product_key: str, name: str, rule: dict[str, object]) -> None:
    def call(action: str, **parameters: object) -> dict[str, object]:
        answer = client.call(action, parameters)
        if not answer["Success"]:
            raise BenchmarkError(f"{action} failed: {answer}")
        return answer

    rule_id = call("CreateRule", Name=name, ProductKey=product_key, **rule)["RuleId"]
    configuration = json.dumps({"topic": f"/{product_key}/device-0/user/get", "topicType": 1})
    call("CreateRuleAction", RuleId=rule_id, Type="REPUBLISH", Configuration=configuration)
    call("StartRule", RuleId=rule_id)


async def _cost(fleet: Fleet, node: Node) -> float:
    load = await _connected(fleet, node)
    load.start_closed_loop(1)
    await asyncio.sleep(WARMUP_S)
    cpu, before = cpu_seconds(node.pid), load.answered
    await asyncio.sleep(MEASURE_S)
    spent, answered = cpu_seconds(node.pid) - cpu, load.answered - before
    load.stop()
    await asyncio.sleep(0.2)
    load.close()
    return spent / answered * 1e6

"""Consumers: what the AMQP core costs alone, and a message from a device to a consumer on rhea and its settlement."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import uvloop

from benchmarks.figures import Figure, Goal
from benchmarks.node import BenchmarkError, Fleet, Node
from benchmarks.processes import cpu_seconds
from benchmarks.rhea import HINT, accepted, consumer, has_rhea, installed, subscribe
from thingplane.amqp import Capabilities, LinkAttached, SaslCode, SenderLink, ServerConnection
from thingplane.amqp.codec.encode import NULL, TRUE, binary, composite, described, sequence, string, symbol, uint
from thingplane.amqp.codec.outbound import frame
from thingplane.amqp.numbers import AMQP_HEADER, SASL_FRAME, SASL_HEADER, Descriptor
from thingplane.consumers.messages import encode_message
from thingplane.forwarding.message import Forwarded, Kind
from thingplane.simulator.load import Load

CONNECTIONS: Final = 500
WARMUP_S: Final = 1.0
MEASURE_S: Final = 5.0
RATE: Final = 5_000
MESSAGES: Final = 50_000
BATCH: Final = 100
_SETTLE_TIMEOUT_S: Final = 30
_ACCEPTED: Final = described(Descriptor.ACCEPTED, sequence([]))
_MESSAGE: Final = Forwarded(
    position=1,
    message_id=1_234_567_890_123_456_789,
    kind=Kind.PROPERTY,
    instance_id=1,
    product_id=1,
    product_key="a1ExampleK1",
    device_id=1,
    device_name="sensor-01",
    topic="/a1ExampleK1/sensor-01/thing/event/property/post",
    body=bytes(400),
    generated=1_700_000_000_000,
    qos=1,
    tag="",
)


class _Result(NamedTuple):
    per_message_us: float
    per_second: float
    p50_ms: float
    p99_ms: float


def amqp(fleet: Fleet, runs: int) -> Iterator[Figure]:
    """Measure the core without sockets, then a node with one consumer group on rhea over TLS."""
    goal = Goal(100_000, 200_000)
    ranges = [_core(BATCH) for _ in range(runs)]
    yield Figure(
        "AMQP core, encoded, sent and settled in ranges of 100, per CPU-second", "messages/cpu-s", ranges, goal
    )
    singles = [_core(1) for _ in range(runs)]
    yield Figure("… settled one by one", "messages/cpu-s", singles, goal)
    if not has_rhea():
        print(HINT, file=sys.stderr)
        return
    with installed() as client:
        full = [_with_rhea(fleet, client, None) for _ in range(runs)]
        steady = [_with_rhea(fleet, client, RATE) for _ in range(runs)]
    cost = Goal(60, 35, less_is_better=True)
    values = [result.per_message_us for result in full]
    yield Figure("property post to one rhea consumer and settled, CPU of the node", "µs/message", values, cost)
    yield Figure("… messages a second with this generator and consumer", "messages/s", [one.per_second for one in full])
    values = [result.per_message_us for result in steady]
    yield Figure(f"… at {RATE} posts/s, CPU of the node", "µs/message", values, cost)
    delay = Goal(20, 5, less_is_better=True)
    yield Figure("… received by the node to received by the consumer, p99", "ms", [one.p99_ms for one in steady], delay)
    yield Figure("… p50", "ms", [one.p50_ms for one in steady])


# The core alone


def _attached() -> tuple[ServerConnection, SenderLink]:
    """Return a connection whose client takes any number of messages."""
    connection = ServerConnection(Capabilities(), 0.0)
    init = composite(Descriptor.SASL_INIT, [symbol("PLAIN"), binary(b"\0user\0password")])
    connection.receive_data(SASL_HEADER + frame(0, init, SASL_FRAME), 0.0)
    connection.sign_in_outcome(SaslCode.OK)
    many = uint(0x7FFF_FFFF)
    attach = [string("link"), uint(0), TRUE, NULL, NULL, composite(Descriptor.SOURCE, [])]
    frames = (
        composite(Descriptor.OPEN, [string("client")]),
        composite(Descriptor.BEGIN, [NULL, uint(0), many, many]),
        composite(Descriptor.ATTACH, attach),
    )
    events = connection.receive_data(AMQP_HEADER + b"".join(frame(0, body) for body in frames), 0.0)
    (attached,) = events
    if not isinstance(attached, LinkAttached):
        raise BenchmarkError("the core did not attach the link")
    attached.link.accept()
    flow = composite(Descriptor.FLOW, [uint(0), many, uint(0), many, uint(0), uint(0), many])
    connection.receive_data(frame(0, flow), 0.0)
    return connection, attached.link


def _core(at_a_time: int) -> float:
    """Return messages per CPU-second; the client settles so many at a time."""
    connection, link = _attached()
    answers = []
    for start in range(0, MESSAGES, BATCH):
        firsts = range(start, start + BATCH, at_a_time)
        fields = [[TRUE, uint(first), uint(first + at_a_time - 1), TRUE, _ACCEPTED] for first in firsts]
        answers.append(b"".join(frame(0, composite(Descriptor.DISPOSITION, one)) for one in fields))
    cpu = time.process_time()
    for answer in answers:
        for _ in range(BATCH):
            link.send(encode_message(_MESSAGE, 0), _MESSAGE)
        connection.data_to_send()
        connection.receive_data(answer, 0.0)
    spent = time.process_time() - cpu
    if link.unsettled:
        raise BenchmarkError(f"{link.unsettled} messages were not settled")
    return MESSAGES / spent


# With rhea


def _with_rhea(fleet: Fleet, script: Path, rate: float | None) -> _Result:
    with fleet.node() as node, consumer(node, script, subscribe(node, fleet.product_key)) as client:
        spent, count, per_second = uvloop.run(_load(fleet, node, rate))
        consumed = client.leave()
    return _Result(spent / count * 1e6, per_second, consumed.p50_ms, consumed.p99_ms)


async def _load(fleet: Fleet, node: Node, rate: float | None) -> tuple[float, int, float]:
    """Post, wait until all is settled, and return CPU-seconds, messages, and messages a second."""
    load = Load()
    port = urlsplit(node.ready.endpoints["mqtt"]).port or 0
    await load.connect(fleet.identities[:CONNECTIONS], "127.0.0.1", port)
    await asyncio.sleep(WARMUP_S)
    cpu, start = cpu_seconds(node.pid), time.perf_counter()
    if rate is None:
        load.start_closed_loop(1)
        await asyncio.sleep(MEASURE_S)
        load.stop()
    else:
        await load.run_paced(rate, MEASURE_S)
    posted = settled = -1
    async with asyncio.timeout(_SETTLE_TIMEOUT_S):
        while posted < load.answered or settled < posted:
            posted = load.answered
            await asyncio.sleep(0.3)
            settled = await asyncio.to_thread(accepted, node)
    spent, wall_s = cpu_seconds(node.pid) - cpu, time.perf_counter() - start
    load.close()
    if settled != posted:
        raise BenchmarkError(f"{posted} posts became {settled} messages")
    return spent, posted, posted / wall_s

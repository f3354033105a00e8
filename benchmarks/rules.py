"""What rules cost: SQL on a message, finding the rules of a topic, and a result on its way to a consumer group."""

import timeit
from collections.abc import Callable, Iterator
from itertools import count
from time import process_time
from typing import Final

import msgspec

from benchmarks.figures import Figure, Goal
from benchmarks.node import BenchmarkError, Fleet
from thingplane.forwarding.message import Forwarded, Kind
from thingplane.forwarding.routing import Routes
from thingplane.rules.runtime.router import RuleRouter
from thingplane.rules.sql import Program, Row, compile_sql

NOW: Final = 1_800_000_000_000
ROUNDS: Final = 20_000
REPEATS: Final = 3
"""How often each run measures CPU time; its value is the best, since the others had to share caches and cores."""
RULES: Final = 1000
PRODUCT: Final = 1

COLUMNS: Final = (
    "deviceName() as deviceName, items.Humidity.value as Humidity, items.Temperature.value as Temperature, "
    "productKey as pk, gmtCreate as at, iotId"
)
_BODY: Final = msgspec.json.encode(
    {
        "deviceType": "CustomCategory",
        "iotId": "abcdefghijklmnopqrstu000000",
        "requestId": "1234",
        "checkFailedData": {},
        "productKey": "a1abcdefghi",
        "gmtCreate": NOW,
        "deviceName": "dev1",
        "items": {
            "Temperature": {"value": 36.5, "time": NOW},
            "Humidity": {"value": 55, "time": NOW},
        },
    }
)
MESSAGE: Final = Forwarded(
    position=1,
    message_id=1_234_567_890_123_456_789,
    kind=Kind.PROPERTY,
    instance_id=1,
    product_id=PRODUCT,
    product_key="a1abcdefghi",
    device_id=1,
    device_name="dev1",
    topic="/a1abcdefghi/dev1/thing/event/property/post",
    body=_BODY,
    generated=NOW,
    qos=1,
    tag="",
)


def rules(fleet: Fleet, runs: int) -> Iterator[Figure]:  # noqa: ARG001 - every benchmark gets the fleet
    """Measure in this process; the message is a property report of two properties, 260 bytes."""
    taking = compile_sql(COLUMNS, "items.Temperature.value > 35")
    leaving = compile_sql(COLUMNS, "items.Temperature.value > 37")
    if taking.run(Row(MESSAGE, NOW)) is None or leaving.run(Row(MESSAGE, NOW)) is not None:
        raise BenchmarkError("the condition of a rule does not do what it says")
    goal = Goal(4, 4, less_is_better=True)
    yield Figure("rule with WHERE and 6 columns, parsing included", "µs", _costs(_run(taking), runs), goal)
    yield Figure("… that does not match", "µs", _costs(_run(leaving), runs), Goal(1, 1, less_is_better=True))
    row = Row(MESSAGE, NOW)
    row.parse()
    yield Figure("… every further rule that does not match", "µs", _costs(lambda: leaving.run(row), runs))
    routes = Routes(lambda _: True)
    router = RuleRouter()
    for number in range(RULES):
        router.set(number + 1, PRODUCT, f"/a1abcdefghi/other{number}/user/update")
    routes.add(router)
    topics = map("/a1abcdefghi/dev{}/user/update".format, count())

    def find_new() -> object:
        return routes.find(Kind.CUSTOM, PRODUCT, next(topics))

    def find_known() -> object:
        return routes.find(Kind.CUSTOM, PRODUCT, "/a1abcdefghi/dev1/user/update")

    goal = Goal(20, 20, less_is_better=True)
    yield Figure(
        f"a message that none of {RULES} rules of its product wants, new topic", "µs", _costs(find_new, runs), goal
    )
    yield Figure("… known topic", "µs", _costs(find_known, runs), goal)


def _run(program: Program) -> Callable[[], object]:
    return lambda: program.run(Row(MESSAGE, NOW))


def _costs(call: Callable[[], object], runs: int) -> list[float]:
    """Return the microseconds of a call, once for each run."""
    return [
        min(timeit.repeat(call, timer=process_time, number=ROUNDS, repeat=REPEATS)) / ROUNDS * 1e6 for _ in range(runs)
    ]

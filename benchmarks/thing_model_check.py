"""What it costs to check a property report against a compiled thing model."""

import timeit
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from benchmarks.figures import Figure, Goal
from benchmarks.node import BenchmarkError, Fleet
from thingplane.things.model.checks import CheckLevel
from thingplane.things.model.compiled import CompiledModel
from thingplane.things.model.tsl import parse_tsl

NOW: Final = 1_800_000_000_000
ROUNDS: Final = 20_000
REPEATS: Final = 3
"""How often each run measures; its value is the best, since the others had to share the CPU."""

_INT = {"type": "int", "specs": {"min": "-1000", "max": "1000"}}
_FLOAT = {"type": "float", "specs": {"min": "-40", "max": "85"}}
_TYPES: Final[dict[str, Any]] = {
    "count": _INT,
    "level": _INT,
    "pressure": _INT,
    "temp": _FLOAT,
    "humidity": _FLOAT,
    "voltage": {"type": "double", "specs": {"min": "0", "max": "400"}},
    "on": {"type": "bool", "specs": {"0": "off", "1": "on"}},
    "mode": {"type": "enum", "specs": {"0": "auto", "1": "heat", "2": "cool"}},
    "label": {"type": "text", "specs": {"length": "8"}},
    "since": {"type": "date"},
    "color": {
        "type": "struct",
        "specs": [
            {"identifier": "red", "name": "red", "dataType": {"type": "int", "specs": {"min": "0", "max": "255"}}},
            {"identifier": "on", "name": "on", "dataType": {"type": "bool", "specs": {"0": "off", "1": "on"}}},
        ],
    },
}
_TEN: Final[dict[str, object]] = {
    "count": 3,
    "level": -12,
    "pressure": 998,
    "temp": 21.5,
    "humidity": 44.25,
    "voltage": 229.9,
    "on": 1,
    "mode": 2,
    "label": "cellar",
    "since": str(NOW),
}
POSTS: Final[dict[str, dict[str, object]]] = {
    "10 bare values": _TEN,
    "10 value/time pairs": {name: {"value": value, "time": NOW} for name, value in _TEN.items()},
}
"""Valid reports, whose cost has a goal."""
OTHERS: Final[dict[str, dict[str, object]]] = {
    "10 bare values, 1 wrong": {**_TEN, "count": "x"},
    "1 struct of 2": {"color": {"red": 1, "on": 1}},
}


def validation(fleet: Fleet, runs: int) -> Iterator[Figure]:  # noqa: ARG001 - every benchmark gets the fleet
    """Measure checks in this process, at both levels; a struct counts as one property."""
    properties = [
        {"identifier": name, "name": name, "accessMode": "rw", "dataType": data_type}
        for name, data_type in _TYPES.items()
    ]
    model = parse_tsl(msgspec.json.encode({"properties": properties}).decode())
    goal = Goal(3, 3, less_is_better=True)
    for level in (CheckLevel.STRONG, CheckLevel.WEAK):
        check = CompiledModel([model], level).properties.check_post
        for title, post in POSTS.items():
            if check(post, NOW) is not None:
                raise BenchmarkError(f"a valid report was refused: {check(post, NOW)}")
            yield Figure(_name(title, level), "µs", [_cost_us(check, post) for _ in range(runs)], goal)
        for title, post in OTHERS.items():
            yield Figure(_name(title, level), "µs", [_cost_us(check, post) for _ in range(runs)])


def _name(title: str, level: CheckLevel) -> str:
    return f"{level.name.lower()} check of a report of {title}, per property"


def _cost_us(check: Callable[[dict[str, object], int], object], post: dict[str, object]) -> float:
    """Return the microseconds per property."""
    names = {"check": check, "post": post, "now": NOW}
    best = min(timeit.repeat("check(post, now)", globals=names, number=ROUNDS, repeat=REPEATS))
    return best / ROUNDS / len(post) * 1e6

"""Property values that walk randomly inside the limits of a thing model."""

from collections.abc import Mapping
from random import Random
from typing import Any

from thingplane.simulator.client import Values

_WIDEST = 2e9
"""A walk stays in a part of a wider range, as near to zero as the range allows."""


class Walk:
    """A random walk over the properties of a TSL (the JSON of GetThingModelTslPublished)."""

    def __init__(self, tsl: Mapping[str, Any], random: Random) -> None:
        """Start every property in the middle of its range.

        Args:
            tsl: the decoded full TSL; its ``properties`` are walked over, all data types.
            random: source of chance; seed it to repeat a walk.
        """
        self._random = random
        self._types: dict[str, Mapping[str, Any]] = {
            item["identifier"]: item["dataType"] for item in tsl.get("properties", [])
        }
        self._values: dict[str, Any] = {}

    def step(self) -> Values:
        """Move every property and return them all."""
        for identifier, data_type in self._types.items():
            self._values[identifier] = self._next(data_type, self._values.get(identifier))
        return dict(self._values)

    def set(self, values: Mapping[str, Any]) -> None:
        """Go on from values that an application has set."""
        self._values.update((name, value) for name, value in values.items() if name in self._types)

    def _next(self, data_type: Mapping[str, Any], current: Any) -> Any:
        kind, specs, random = data_type["type"], data_type.get("specs", {}), self._random
        if kind in {"int", "float", "double"}:
            return self._number(kind, specs, current)
        if kind in {"bool", "enum"}:
            # Switches change now and then, not all the time.
            return int(random.choice(list(specs))) if current is None or random.random() < 0.05 else current
        if kind == "text":
            return f"sample {random.randrange(1000)}"[: int(specs.get("length", 2048))]
        if kind == "date":
            return str(1_700_000_000_000 + random.randrange(10**9))
        if kind == "struct":
            before = current or {}
            return {item["identifier"]: self._next(item["dataType"], before.get(item["identifier"])) for item in specs}
        size = min(3, int(specs.get("size", 1)))
        return [self._next(specs["item"], None) for _ in range(size)]

    def _number(self, kind: str, specs: Mapping[str, Any], current: float | None) -> float:
        low, high = float(specs.get("min", 0)), float(specs.get("max", 100))
        if high - low > _WIDEST:
            middle = min(max(0.0, low + _WIDEST / 2), high - _WIDEST / 2)
            low, high = middle - _WIDEST / 2, middle + _WIDEST / 2
        step = float(specs.get("step") or (1 if kind == "int" else 0.1))
        if current is None:
            current = (low + high) / 2
        moved = current + self._random.gauss(0, 1) * max(step, (high - low) / 200)
        steps = round((min(max(moved, low), high) - low) / step)
        value = min(low + steps * step, high)
        return int(value) if kind == "int" else round(value, 6)

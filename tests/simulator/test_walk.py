"""Simulated values stay inside the thing model, whatever it is."""

from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.things.model.strategies import models
from thingplane.cli.fleet import THERMOSTAT
from thingplane.simulator.walk import Walk
from thingplane.things.model.checks import CheckLevel
from thingplane.things.model.compiled import CompiledModel
from thingplane.things.model.thing_model_json import parse_thing_model_json
from thingplane.things.model.tsl import tsl_document
from thingplane.things.model.types import ThingModel

NOW = 1_700_000_000_000


@given(models(), st.integers(0, 2**32))
def test_every_step_satisfies_the_strong_check(model: ThingModel, seed: int) -> None:
    properties = CompiledModel([model], CheckLevel.STRONG).properties
    walk = Walk(tsl_document(model, "a1walker"), Random(seed))
    for _ in range(5):
        step = msgspec.json.decode(msgspec.json.encode(walk.step()))
        assert set(step) == {item.identifier for item in model.properties}
        assert properties.check_post(step, NOW) is None


@pytest.mark.parametrize("kind", ["int", "double"])
@pytest.mark.parametrize(
    ("low", "high"),
    [(-(2**31), 2**31 - 1), (1_500_000_000, 2**31 - 1), (-(2**31), -1_500_000_000), (-1, 2**31 - 1), (0, 1)],
)
def test_wide_and_remote_ranges_are_kept(kind: str, low: int, high: int) -> None:
    specs = {"min": str(low), "max": str(high), "step": "1"}
    walk = Walk({"properties": [{"identifier": "n", "dataType": {"type": kind, "specs": specs}}]}, Random(1))
    values = [walk.step()["n"] for _ in range(50)]
    assert all(low <= value <= high for value in values)
    assert len(set(values)) > 1


def thermostat(seed: int) -> Walk:
    text = msgspec.json.encode({"productKey": "a1walker", **THERMOSTAT}).decode()
    return Walk(tsl_document(parse_thing_model_json(text), "a1walker"), Random(seed))


def test_same_seed_repeats_the_walk() -> None:
    one, same, other = thermostat(1), thermostat(1), thermostat(2)
    steps = [one.step() for _ in range(20)]
    assert [same.step() for _ in range(20)] == steps
    assert [other.step() for _ in range(20)] != steps


def test_values_walk_instead_of_jumping() -> None:
    walk = thermostat(1)
    temperatures = [walk.step()["Temperature"] for _ in range(100)]
    moves = [abs(after - before) for before, after in pairwise(temperatures)]
    assert any(moves)
    assert max(moves) < 5


def test_walk_goes_on_from_what_an_application_has_set() -> None:
    walk = thermostat(1)
    walk.step()
    walk.set({"Target": 29.5, "Nonsense": 1})
    step = walk.step()
    assert abs(step["Target"] - 29.5) < 3
    assert "Nonsense" not in step


def test_model_without_properties_has_nothing_to_post() -> None:
    assert Walk({"schema": "…"}, Random(1)).step() == {}

"""What a device asks for and clears on thing/property/desired/…"""

from typing import Any

import pytest

from tests.desired.world import Desired
from tests.telemetry.world import ON_ONE_DATABASE


async def test_a_device_gets_the_values_it_names_with_their_versions(desired: Desired) -> None:
    await desired.set(Level=5, Place={"x": 1, "y": 2})
    await desired.set(Level=6)
    assert await desired.get("Level", "Label", "nobody") == {"Level": {"value": 6, "version": 2}}
    assert await desired.get() == {
        "Level": {"value": 6, "version": 2},
        "Place": {"value": {"x": 1, "y": 2}, "version": 1},
    }


async def test_a_cleared_value_is_not_told(desired: Desired) -> None:
    await desired.set(Level=5)
    await desired.set(Level=None)
    assert await desired.get("Level") == {}


async def test_no_params_ask_for_all(desired: Desired) -> None:
    await desired.set(Level=5)
    assert (await desired.say("get", {}))["data"] == {"Level": {"value": 5, "version": 1}}


@pytest.mark.parametrize(("entry", "left"), [({"version": 2}, {}), ({}, {}), (None, {}), ({"version": None}, {})])
async def test_a_device_clears_a_value(desired: Desired, entry: Any, left: dict[str, Any]) -> None:
    await desired.set(Level=5)
    await desired.set(Level=6)
    reply = await desired.say("delete", {"Level": entry, "Label": {}, "nobody": {"version": 1}})
    assert (reply["code"], reply["data"]) == (200, {})
    assert await desired.get() == left
    assert await desired.versions({"Level": 2}, Level=7) == {"Level": 3}


async def test_a_value_with_another_version_is_left_alone(desired: Desired) -> None:
    await desired.set(Level=5)
    await desired.set(Level=6)
    reply = await desired.say("delete", {"Level": {"version": 1}})
    assert (reply["code"], reply["data"]) == (200, {})
    assert await desired.get() == {"Level": {"value": 6, "version": 2}}


async def test_names_that_no_database_could_hold_are_nobody_s(desired: Desired) -> None:
    assert await desired.get("a\0b", "x" * 100_000) == {}
    assert (await desired.say("delete", {"a\0b": {}}))["code"] == 200


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("what", "params", "code"),
    [
        ("get", {"Level": {}}, 460),
        ("get", [1], 460),
        ("get", [None], 460),
        ("get", [f"p{number}" for number in range(201)], 6104),
        ("delete", ["Level"], 460),
        ("delete", {"Level": 1}, 460),
        ("delete", {"Level": {"version": "1"}}, 460),
        ("delete", {"Level": {"version": True}}, 460),
        ("delete", {f"p{number}": {} for number in range(201)}, 6104),
    ],
)
async def test_mistakes_have_codes_and_clear_nothing(desired: Desired, what: str, params: Any, code: int) -> None:
    await desired.set(Level=5)
    assert (await desired.say(what, params))["code"] == code
    assert await desired.get() == {"Level": {"value": 5, "version": 1}}


async def test_a_device_that_was_deleted_meanwhile_is_not_found(desired: Desired) -> None:
    await desired.world.devices.delete(desired.world.device)
    assert (await desired.say("delete", {"Level": {}}))["code"] == 6100

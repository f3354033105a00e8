"""How categories are written in TOML, and what TSL comes of it.

A category is a table named by its key, with ``name`` and the tables ``properties``, ``events`` and ``services``::

    [Lighting]
    name = "Street Lamp"

    [Lighting.properties]
    Switch = { name = "Switch", access = "rw", required = true, bool = ["Off", "On"] }
    Voltage = { name = "Voltage", float = [0, 400], step = 0.1, unit = "V", desc = "Of the supply" }
    Mode = { name = "Mode", access = "rw", enum = ["Manual", "Timed"] }

    [Lighting.events]
    Fault = { name = "Lamp fault", type = "alert", output = { Code = { name = "Code", enum = ["Lamp", "Driver"] } } }

    [Lighting.services]
    Blink = { name = "Blink", call = "async", input = { Times = { name = "Times", int = [1, 10] } } }

One member of an entry names its data type:

- ``int``, ``float``, ``double``: smallest and largest value; ``step`` (default 1, or 0.1 for fractions) and ``unit``
  may stand beside it. The names of units are in units.toml.
- ``bool``: what 0 and 1 mean. ``enum``: what the values mean, as a list that counts from 0 or a table by value.
- ``text``: most bytes. ``date``: true.
- ``struct``: table of members. ``array``: most items, described by ``item`` beside it.

A property has access ``r`` unless it says otherwise. Calls of services are ``async`` or ``sync``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Table: TypeAlias = Mapping[str, Any]
"""A TOML table; what stands in it is checked by the parser of the TSL."""

_NUMBERS: Final = ("int", "float", "double")
_TYPES: Final = {*_NUMBERS, "bool", "enum", "text", "date", "struct", "array"}


def tsl(category: Table, units: Mapping[str, str]) -> dict[str, Any]:
    """Returns the TSL of a category as JSON data, without what the platform generates.

    Args:
        category: the table, as described above.
        units: names of units by symbol.

    Raises:
        ValueError: an entry has no data type, several, or a unit nobody named.
    """
    return {
        "properties": [
            {"accessMode": entry.get("access", "r"), **_feature(identifier, entry), **_typed(entry, units)}
            for identifier, entry in category.get("properties", {}).items()
        ],
        "events": [
            {
                **_feature(identifier, entry),
                "type": entry["type"],
                "outputData": _parameters(entry.get("output", {}), units),
            }
            for identifier, entry in category.get("events", {}).items()
        ],
        "services": [
            {
                **_feature(identifier, entry),
                "callType": entry["call"],
                "inputData": _parameters(entry.get("input", {}), units),
                "outputData": _parameters(entry.get("output", {}), units),
            }
            for identifier, entry in category.get("services", {}).items()
        ],
    }


def _feature(identifier: str, entry: Table) -> dict[str, Any]:
    return {
        "identifier": identifier,
        "name": entry["name"],
        "required": entry.get("required", False),
        "desc": entry.get("desc"),
    }


def _parameters(entries: Table, units: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"identifier": identifier, "name": entry["name"], **_typed(entry, units)}
        for identifier, entry in entries.items()
    ]


def _typed(entry: Table, units: Mapping[str, str]) -> dict[str, Any]:
    words = _TYPES & entry.keys()
    if len(words) != 1:
        raise ValueError(f"{entry.get('name')}: needs exactly one data type, not {sorted(words)}")
    [word] = words
    return {"dataType": {"type": word, "specs": _specs(word, entry, units)}}


def _specs(word: str, entry: Table, units: Mapping[str, str]) -> Any:
    given = entry[word]
    match word:
        case "bool" | "enum":
            items = given.items() if isinstance(given, Mapping) else enumerate(given)
            return {str(value): name for value, name in items}
        case "text":
            return {"length": str(given)}
        case "date":
            return {}
        case "struct":
            return _parameters(given, units)
        case "array":
            return {"size": str(given), "item": _typed(entry["item"], units)["dataType"]}
    low, high = given
    specs = {"min": str(low), "max": str(high), "step": str(entry.get("step", 1 if word == "int" else 0.1))}
    if "unit" in entry:
        if entry["unit"] not in units:
            raise ValueError(f"{entry.get('name')}: units.toml has no unit {entry['unit']}")
        specs |= {"unit": entry["unit"], "unitName": units[entry["unit"]]}
    return specs

import tomllib
from typing import Any

import pytest

from thingplane.things.categories.notation import tsl

UNITS = {"V": "Volt"}


def data_type(entry: str) -> Any:
    table = tomllib.loads(f'properties.x = {{ name = "x", {entry} }}')
    return tsl(table, UNITS)["properties"][0]["dataType"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("int = [0, 9]", {"type": "int", "specs": {"min": "0", "max": "9", "step": "1"}}),
        ("double = [-1, 1]", {"type": "double", "specs": {"min": "-1", "max": "1", "step": "0.1"}}),
        (
            'float = [0, 400.5], step = 0.5, unit = "V"',
            {"type": "float", "specs": {"min": "0", "max": "400.5", "step": "0.5", "unit": "V", "unitName": "Volt"}},
        ),
        ('bool = ["Off", "On"]', {"type": "bool", "specs": {"0": "Off", "1": "On"}}),
        ('enum = ["A", "B"]', {"type": "enum", "specs": {"0": "A", "1": "B"}}),
        ('enum = { 3 = "A", 7 = "B" }', {"type": "enum", "specs": {"3": "A", "7": "B"}}),
        ("text = 64", {"type": "text", "specs": {"length": "64"}}),
        ("date = true", {"type": "date", "specs": {}}),
        (
            'struct = { y = { name = "Y", text = 4 } }',
            {
                "type": "struct",
                "specs": [{"identifier": "y", "name": "Y", "dataType": {"type": "text", "specs": {"length": "4"}}}],
            },
        ),
        (
            "array = 3, item = { text = 4 }",
            {"type": "array", "specs": {"size": "3", "item": {"type": "text", "specs": {"length": "4"}}}},
        ),
    ],
)
def test_every_data_type_has_a_short_form(entry: str, expected: dict[str, Any]) -> None:
    assert data_type(entry) == expected


def test_features_of_every_kind_are_written_out() -> None:
    table = tomllib.loads(
        """
        [properties]
        On = { name = "Switch", access = "rw", required = true, desc = "Of the lamp", bool = ["Off", "On"] }
        [events]
        Fault = { name = "Fault", type = "error", output = { Code = { name = "Code", int = [0, 9] } } }
        [services]
        Blink = { name = "Blink", call = "sync", input = { Times = { name = "Times", int = [1, 9] } } }
        """
    )
    document = tsl(table, UNITS)
    [prop], [event], [service] = document["properties"], document["events"], document["services"]
    assert (prop["identifier"], prop["accessMode"], prop["required"], prop["desc"]) == ("On", "rw", True, "Of the lamp")
    assert (event["type"], [output["identifier"] for output in event["outputData"]]) == ("error", ["Code"])
    assert (service["callType"], service["inputData"][0]["name"], service["outputData"]) == ("sync", "Times", [])

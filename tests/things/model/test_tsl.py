import json
from typing import Any

import pytest

from thingplane.things.model.failures import ModelError, Reason
from thingplane.things.model.limits import ModelLimits
from thingplane.things.model.tsl import check_size, parse_tsl, render_tsl
from thingplane.things.model.types import FunctionBlock, ThingModel

HUMIDITY = {"type": "int", "specs": {"min": "55", "max": "60", "unit": "%", "step": "1"}}
TEMPERATURE = {"type": "float", "specs": {"min": "26", "max": "28", "unit": "°C", "step": "0.01"}}
SAMPLE: dict[str, Any] = {
    "schema": "https://iotx-tsl.oss-ap-southeast-1.aliyuncs.com/schema.json",
    "profile": {"productKey": "a1Example01"},
    "properties": [
        {"identifier": "H", "name": "Humidity", "accessMode": "rw", "required": False, "dataType": HUMIDITY},
        {"identifier": "T", "name": "Temperature", "accessMode": "r", "required": False, "dataType": TEMPERATURE},
    ],
    "events": [
        {
            "identifier": "post",
            "name": "post",
            "type": "info",
            "required": True,
            "desc": "Property report",
            "method": "thing.event.property.post",
            "outputData": [
                {"identifier": "H", "name": "Humidity", "dataType": HUMIDITY},
                {"identifier": "T", "name": "Temperature", "dataType": TEMPERATURE},
            ],
        },
        {
            "identifier": "alarm",
            "name": "alarm",
            "type": "alert",
            "required": False,
            "method": "thing.event.alarm.post",
            "outputData": [{"identifier": "H", "name": "Humidity", "dataType": HUMIDITY}],
        },
    ],
    "services": [
        {
            "identifier": "set",
            "name": "set",
            "required": True,
            "callType": "async",
            "desc": "Property setting",
            "method": "thing.service.property.set",
            "inputData": [{"identifier": "H", "name": "Humidity", "dataType": HUMIDITY}],
            "outputData": [],
        },
        {
            "identifier": "get",
            "name": "get",
            "required": True,
            "callType": "async",
            "desc": "Property reading",
            "method": "thing.service.property.get",
            "inputData": ["H", "T"],
            "outputData": [
                {"identifier": "H", "name": "Humidity", "dataType": HUMIDITY},
                {"identifier": "T", "name": "Temperature", "dataType": TEMPERATURE},
            ],
        },
        {
            "identifier": "reset",
            "name": "reset",
            "required": False,
            "callType": "sync",
            "method": "thing.service.reset",
            "inputData": [],
            "outputData": [],
        },
    ],
}


def test_documented_tsl_is_reproduced() -> None:
    model = parse_tsl(json.dumps(SAMPLE))
    assert json.loads(render_tsl(model, "a1Example01")) == SAMPLE


def test_generated_features_are_not_part_of_the_model() -> None:
    model = parse_tsl(json.dumps(SAMPLE))
    assert [event.identifier for event in model.events] == ["alarm"]
    assert [service.identifier for service in model.services] == ["reset"]


def test_all_spec_values_are_text() -> None:
    specs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"type": "int", "specs": {"min": 0, "max": 9}}, {"type": "int", "specs": {"min": "0", "max": "9"}}),
        ({"type": "text", "specs": {"length": 9}}, {"type": "text", "specs": {"length": "9"}}),
        ({"type": "date"}, {"type": "date", "specs": {}}),
        (
            {"type": "array", "specs": {"size": 2, "item": {"type": "int"}}},
            {"type": "array", "specs": {"size": "2", "item": {"type": "int"}}},
        ),
    ]
    for given, expected in specs:
        text = json.dumps({"properties": [{"identifier": "p", "name": "p", "accessMode": "r", "dataType": given}]})
        document = json.loads(render_tsl(parse_tsl(text), "a1Example01"))
        assert document["properties"][0]["dataType"] == expected


def test_published_tsl_names_version_and_modules() -> None:
    block = FunctionBlock("Bat", "Battery")
    document = json.loads(render_tsl(ThingModel(), "a1Example01", "1.0", [block]))
    assert document["profile"] == {"productKey": "a1Example01", "version": "1.0"}
    assert document["functionBlocks"] == [
        {"functionBlockId": "Bat", "functionBlockName": "Battery", "productKey": "a1Example01"}
    ]


def test_custom_module_has_its_identifier_in_methods() -> None:
    model = parse_tsl(json.dumps(SAMPLE), FunctionBlock("Bat", "Battery"))
    document = json.loads(render_tsl(model, "a1Example01"))
    assert (document["functionBlockId"], document["functionBlockName"]) == ("Bat", "Battery")
    assert document["events"][1]["method"] == "thing.event.Bat:alarm.post"
    assert document["services"][2]["method"] == "thing.service.Bat:reset"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataType": {"type": "long"}}, r"properties\[0\].dataType.type: must be one of int"),
        ({"dataType": "int"}, r"properties\[0\].dataType: must be a JSON object"),
        ({"dataType": {"type": "enum", "specs": {"one": "x"}}}, "must be an integer"),
        ({"dataType": {"type": "array", "specs": {"size": "1", "item": {"type": "bool"}}}}, "item.type: must be int"),
        (
            {
                "dataType": {
                    "type": "struct",
                    "specs": [{"identifier": "a", "name": "a", "dataType": {"type": "array"}}],
                }
            },
            r"specs\[0\].dataType.specs: is missing",
        ),
        (
            {
                "dataType": {
                    "type": "struct",
                    "specs": [{"identifier": "a", "name": "a", "dataType": {"type": "struct"}}],
                }
            },
            "cannot be a struct or an array",
        ),
        ({"accessMode": "READ_ONLY"}, r"properties\[0\].accessMode: must be one of r, rw, w"),
        ({"identifier": "set"}, "set is a reserved word"),
    ],
)
def test_broken_tsl_is_refused_with_its_place(change: dict[str, Any], message: str) -> None:
    text = json.dumps({"properties": [SAMPLE["properties"][0] | change]})
    with pytest.raises(ModelError, match=message):
        parse_tsl(text)


def test_size_of_the_text_is_limited() -> None:
    model = parse_tsl(json.dumps(SAMPLE))
    check_size(model)
    with pytest.raises(ModelError) as caught:
        check_size(model, ModelLimits(document_bytes=1000))
    assert caught.value.reason is Reason.TOO_LARGE

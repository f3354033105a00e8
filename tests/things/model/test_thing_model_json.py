import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.things.model.failures import ModelError, Reason
from thingplane.things.model.thing_model_json import parse_thing_model_json, render_thing_model_json
from thingplane.things.model.types import (
    AccessMode,
    ArrayType,
    CallType,
    EventType,
    FunctionBlock,
    IntType,
    StructType,
    TextType,
)


def specs(**changes: Any) -> dict[str, Any]:
    return {"dataType": "INT", "min": "0", "max": "100", "step": "1", "unit": "%", "custom": True} | changes


def prop(**changes: Any) -> dict[str, Any]:
    return {
        "identifier": "Humidity",
        "name": "Humidity",
        "dataType": "INT",
        "dataSpecs": specs(),
        "rwFlag": "READ_WRITE",
        "required": False,
        "custom": True,
    } | changes


def items(*values: int, word: str = "ENUM") -> list[dict[str, Any]]:
    return [{"dataType": word, "name": f"item{value}", "value": value, "custom": True} for value in values]


def member(identifier: str, **changes: Any) -> dict[str, Any]:
    return {
        "dataType": "STRUCT",
        "identifier": identifier,
        "name": "unused",
        "childName": "Card number",
        "childDataType": "TEXT",
        "dataSpecs": {"dataType": "TEXT", "length": 128, "custom": True},
    } | changes


def parse(**lists: list[dict[str, Any]]) -> Any:
    return parse_thing_model_json(json.dumps(lists))


def test_property_with_numbers_as_text_is_read() -> None:
    [read] = parse(properties=[prop(description="of the air", createTs=1_600_000_000_000)]).properties
    assert (read.identifier, read.name, read.description) == ("Humidity", "Humidity", "of the air")
    assert read.type == IntType(min="0", max="100", step="1", unit="%")
    assert read.access is AccessMode.READ_WRITE
    assert read.created == 1_600_000_000_000


def test_struct_members_are_named_by_child_name() -> None:
    [read] = parse(properties=[prop(dataType="STRUCT", dataSpecs=None, dataSpecsList=[member("CardNo")])]).properties
    assert isinstance(read.type, StructType)
    assert [(m.identifier, m.name, m.type) for m in read.type.members] == [("CardNo", "Card number", TextType(128))]


def test_array_items_may_have_specs_or_not() -> None:
    bare = {"dataType": "ARRAY", "childDataType": "INT", "size": 1, "custom": True}
    nested = bare | {"size": "3", "dataSpecs": specs()}
    structs = bare | {"childDataType": "STRUCT", "dataSpecsList": [member("CardNo")]}
    read = parse(
        properties=[
            prop(identifier=str(index), name=str(index), dataType="ARRAY", dataSpecs=given_specs)
            for index, given_specs in enumerate((bare, nested, structs))
        ]
    ).properties
    assert read[0].type == ArrayType(1, IntType())
    assert read[1].type == ArrayType(3, IntType(min="0", max="100", step="1", unit="%"))
    assert isinstance(read[2].type.item, StructType)


def test_events_and_services_are_read_with_ordered_parameters() -> None:
    def parameter(identifier: str, order: int, direction: str) -> dict[str, Any]:
        return prop(identifier=identifier, name=identifier, paraOrder=order, direction=direction)

    model = parse(
        events=[
            {
                "identifier": "alarm",
                "eventName": "Alarm",
                "eventType": "ALERT_EVENT_TYPE",
                "outputdata": [parameter("b", 1, "PARAM_OUTPUT"), parameter("a", 0, "PARAM_OUTPUT")],
            }
        ],
        services=[
            {
                "identifier": "reset",
                "serviceName": "Reset",
                "callType": "SYNC",
                "inputParams": [parameter("delay", 0, "PARAM_INPUT")],
            }
        ],
    )
    [event], [service] = model.events, model.services
    assert (event.name, event.type) == ("Alarm", EventType.ALERT)
    assert [p.identifier for p in event.output] == ["a", "b"]
    assert (service.name, service.call_type, service.output) == ("Reset", CallType.SYNC, ())
    assert [p.identifier for p in service.input] == ["delay"]


def test_answer_has_the_documented_members() -> None:
    model = parse(properties=[prop(extendConfig='{"identifier":"Humidity"}')])
    document = json.loads(
        render_thing_model_json(model, "a1Example01", "1.0", "first", [FunctionBlock("Bat", "Battery")])
    )
    assert document["_ppk"] == {"version": "1.0", "description": "first"}
    assert document["functionBlocks"] == [
        {"productKey": "a1Example01", "functionBlockId": "Bat", "functionBlockName": "Battery"}
    ]
    assert document["properties"] == [
        {
            "custom": True,
            "customFlag": True,
            "dataSpecs": {"custom": True, "dataType": "INT", "max": "100", "min": "0", "step": "1", "unit": "%"},
            "dataType": "INT",
            "extendConfig": '{"identifier":"Humidity"}',
            "identifier": "Humidity",
            "name": "Humidity",
            "productKey": "a1Example01",
            "required": False,
            "rwFlag": "READ_WRITE",
            "std": False,
        }
    ]


def test_draft_has_no_version_and_custom_module_names_itself() -> None:
    model = parse_thing_model_json("{}", FunctionBlock("Bat", "Battery", "cells"))
    assert json.loads(render_thing_model_json(model, "a1Example01")) == {
        "description": "cells",
        "events": [],
        "identifier": "Bat",
        "name": "Battery",
        "productKey": "a1Example01",
        "properties": [],
        "services": [],
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"identifier": None}, "properties[0].identifier: is missing"),
        ({"identifier": ""}, "properties[0].identifier: must be 1 to 50 letters, digits or underscores"),
        ({"identifier": "a" * 51}, "properties[0].identifier: must be 1 to 50 letters, digits or underscores"),
        ({"identifier": "a-b"}, "properties[0].identifier: must be 1 to 50 letters, digits or underscores"),
        ({"identifier": "value"}, "properties[0].identifier: value is a reserved word"),
        ({"identifier": 7}, "properties[0].identifier: must be a string"),
        ({"name": "n" * 31}, "properties[0].name: must be 1 to 30 characters long"),
        ({"name": "-x"}, "properties[0].name: must start with a letter or digit"),
        ({"name": "x&y"}, "properties[0].name: must start with a letter or digit"),
        ({"description": "d" * 101}, "properties[0].description: must be at most 100 characters long"),
        ({"rwFlag": "rw"}, "properties[0].rwFlag: must be one of READ_WRITE, READ_ONLY, WRITE_ONLY"),
        ({"dataType": "LONG"}, "properties[0].dataType: must be one of INT, FLOAT"),
        ({"required": "perhaps"}, "properties[0].required: must be true or false"),
        ({"createTs": 10**13}, "properties[0].createTs: must be a timestamp of up to 13 digits"),
        ({"extendConfig": "[]"}, "properties[0].extendConfig: it must be a JSON object"),
        ({"dataSpecs": None}, "properties[0].dataSpecs: is missing"),
        ({"dataSpecs": specs(dataType="FLOAT")}, "properties[0].dataSpecs.dataType: must be INT"),
        ({"dataSpecs": specs(min=None)}, "properties[0].dataSpecs.min: is missing"),
        ({"dataSpecs": specs(min="1.5")}, "properties[0].dataSpecs.min: '1.5' is not an integer"),
        ({"dataSpecs": specs(max="100", min="100")}, "properties[0].dataSpecs.min: 100 must be smaller than max 100"),
        ({"dataSpecs": specs(max="2147483648")}, "is outside the range of the data type"),
        ({"dataSpecs": specs(step="0")}, "properties[0].dataSpecs.step: must be greater than 0"),
        ({"dataSpecs": specs(step="101")}, "properties[0].dataSpecs.step: 101 must not be larger than max - min"),
        ({"dataSpecs": specs(defaultValue="101")}, "properties[0].dataSpecs.defaultValue: must lie between"),
        ({"dataSpecs": specs(unit="u" * 65)}, "properties[0].dataSpecs.unit: must be at most 64 characters"),
        ({"dataSpecs": specs(precise="1")}, "properties[0].dataSpecs.precise: must be 0 to 0"),
        ({"dataType": "FLOAT", "dataSpecs": specs(dataType="FLOAT", min="NaN")}, "'NaN' is not a number"),
        ({"dataType": "FLOAT", "dataSpecs": specs(dataType="FLOAT", max="1e39")}, "is outside the range"),
        ({"dataType": "TEXT", "dataSpecs": {"dataType": "TEXT"}}, "properties[0].dataSpecs.length: is missing"),
        ({"dataType": "TEXT", "dataSpecs": {"length": 10241}}, "properties[0].dataSpecs.length: must be 1 to 10240"),
        ({"dataType": "BOOL", "dataSpecsList": items(0, 2, word="BOOL")}, "a bool needs exactly the values 0 and 1"),
        ({"dataType": "ENUM", "dataSpecsList": []}, "an enum needs 1 to 100 items"),
        ({"dataType": "ENUM", "dataSpecsList": items(1, 1)}, "two items of the enum share a value"),
        ({"dataType": "ENUM", "dataSpecsList": items(*range(101))}, "an enum needs 1 to 100 items"),
        ({"dataType": "ENUM", "dataSpecsList": items(1, word="BOOL")}, "dataSpecsList[0].dataType: must be ENUM"),
        ({"dataType": "STRUCT", "dataSpecsList": []}, "a struct needs 1 to 50 members"),
        ({"dataType": "STRUCT", "dataSpecsList": [member("time")]}, "identifier: time is a reserved word"),
        ({"dataType": "STRUCT", "dataSpecsList": [member("a"), member("a")]}, "two members are called a"),
        ({"dataType": "STRUCT", "dataSpecsList": [member("a", childDataType="ARRAY")]}, "must be INT, FLOAT"),
        ({"dataType": "STRUCT", "dataSpecsList": [member("a", childDataType="STRUCT")]}, "must be INT, FLOAT"),
        ({"dataType": "ARRAY", "dataSpecs": {"childDataType": "INT", "size": 513}}, "size must be 1 to 512"),
        ({"dataType": "ARRAY", "dataSpecs": {"childDataType": "BOOL", "size": 1}}, "must be INT, FLOAT, DOUBLE, TEXT"),
        ({"dataType": "ARRAY", "dataSpecs": {"childDataType": "INT", "size": "many"}}, "size: must be an integer"),
    ],
)
def test_broken_rule_is_named_with_its_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse(properties=[prop(**changes)])
    assert message in str(caught.value)
    assert caught.value.reason is Reason.MALFORMED


def test_identifiers_and_names_are_unique_in_a_module() -> None:
    event = {"identifier": "alarm", "eventName": "Humidity", "eventType": "INFO_EVENT_TYPE"}
    with pytest.raises(ModelError) as caught:
        parse(properties=[prop()], events=[event])
    assert caught.value.reason is Reason.DUPLICATE_NAME
    with pytest.raises(ModelError) as caught:
        parse(properties=[prop()], events=[event | {"identifier": "Humidity", "eventName": "Alarm"}])
    assert caught.value.reason is Reason.CONFLICT


def test_module_has_at_most_300_features() -> None:
    many = [prop(identifier=f"p{index}", name=f"p{index}") for index in range(301)]
    assert parse(properties=many[:300]).feature_count == 300
    with pytest.raises(ModelError, match="at most 300 features"):
        parse(properties=many)


@pytest.mark.parametrize("place", ["inputParams", "outputParams", "outputData"])
def test_events_and_services_have_at_most_100_parameters_of_each_kind(place: str) -> None:
    def feature(count: int) -> dict[str, Any]:
        parameters = [prop(identifier=f"p{index}", name=f"p{index}", paraOrder=index) for index in range(count)]
        if place == "outputData":
            return {
                "events": [{"identifier": "e", "eventName": "e", "eventType": "INFO_EVENT_TYPE", place: parameters}]
            }
        return {"services": [{"identifier": "s", "serviceName": "s", "callType": "ASYNC", place: parameters}]}

    assert parse(**feature(100)).feature_count == 1
    with pytest.raises(ModelError, match=rf"{place}: has more than 100 parameters"):
        parse(**feature(101))


def test_parameter_orders_and_directions_are_checked() -> None:
    def service(**changes: Any) -> list[dict[str, Any]]:
        inputs = [prop(paraOrder=0), prop(**{"identifier": "b", "name": "b"} | changes)]
        return [{"identifier": "s", "serviceName": "s", "callType": "ASYNC", "inputParams": inputs}]

    with pytest.raises(ModelError, match=r"paraOrder: must be 0 or greater and unique"):
        parse(services=service(paraOrder=0))
    with pytest.raises(ModelError, match=r"direction: must be PARAM_INPUT"):
        parse(services=service(direction="PARAM_OUTPUT"))
    with pytest.raises(ModelError, match="two parameters are called Humidity"):
        parse(services=service(paraOrder=1, identifier="Humidity"))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"properties":{}}', '{"properties":[1]}', "[" * 100_000])
def test_text_that_is_no_thing_model_is_refused(text: str) -> None:
    with pytest.raises(ModelError):
        parse_thing_model_json(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(prop())), inner, max_size=5),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*prop(), "dataSpecsList"]), json_values))
def test_malformed_property_raises_nothing_but_model_errors(changes: dict[str, Any]) -> None:
    with contextlib.suppress(ModelError):
        parse(properties=[prop(**changes)])

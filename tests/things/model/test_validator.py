from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.things.model.strategies import data_types, models, values
from thingplane.things.model.checks import CheckLevel, Failure
from thingplane.things.model.compiled import CompiledModel
from thingplane.things.model.types import (
    AccessMode,
    ArrayType,
    BoolType,
    CallType,
    DataType,
    DateType,
    DoubleType,
    EnumItem,
    EnumType,
    Event,
    EventType,
    FloatType,
    FunctionBlock,
    IntType,
    Member,
    Parameter,
    Property,
    Service,
    StructType,
    TextType,
    ThingModel,
)

NOW = 1_800_000_000_000
DAY = 24 * 60 * 60 * 1000

COLOR = StructType((Member("red", "Red", IntType("0", "255", "1")), Member("label", "Label", TextType(8))))
TYPES: dict[str, DataType] = {
    "count": IntType("0", "9", "1"),
    "temp": FloatType("-40", "85.5", "0.1"),
    "far": DoubleType("-1e9", "1e9", "1"),
    "on": BoolType((EnumItem(0, "off"), EnumItem(1, "on"))),
    "mode": EnumType((EnumItem(1, "a"), EnumItem(5, "b"))),
    "label": TextType(4),
    "since": DateType(),
    "color": COLOR,
    "list": ArrayType(2, IntType("0", "9")),
    "colors": ArrayType(2, COLOR),
}
MODEL = ThingModel(
    properties=tuple(
        Property(
            identifier=key, name=key, type=kind, access=AccessMode.READ if key == "temp" else AccessMode.READ_WRITE
        )
        for key, kind in TYPES.items()
    ),
    events=(
        Event(
            identifier="alarm",
            name="alarm",
            type=EventType.ALERT,
            output=(Parameter("code", "code", IntType("0", "9")), Parameter("text", "text", TextType(4))),
        ),
    ),
    services=(
        Service(
            identifier="reset",
            name="reset",
            call_type=CallType.SYNC,
            input=(Parameter("delay", "delay", IntType("0", "9")),),
            output=(Parameter("done", "done", BoolType((EnumItem(0, "no"), EnumItem(1, "yes")))),),
        ),
    ),
)
STRONG = CompiledModel([MODEL], CheckLevel.STRONG)
WEAK = CompiledModel([MODEL], CheckLevel.WEAK)
NONE = CompiledModel([MODEL], CheckLevel.NONE)

WRONG_TYPE: list[tuple[str, Any, int, str]] = [
    ("count", "1", 6306, "tsl parse: data type is not int -> count"),
    ("count", 1.0, 6306, "tsl parse: data type is not int -> count"),
    ("count", True, 6306, "tsl parse: data type is not int -> count"),
    ("count", None, 6306, "tsl parse: data type is not int -> count"),
    ("count", 2**31, 6306, ""),
    ("temp", "1.0", 6307, "tsl parse: data type is not float -> temp"),
    ("temp", 1e39, 6307, ""),
    ("temp", float("nan"), 6307, ""),
    ("far", [], 6322, "tsl parse: data type is not double -> far"),
    ("far", 10**400, 6322, ""),
    ("far", float("inf"), 6322, ""),
    ("on", True, 6308, "tsl parse: value of bool type must be int -> on"),
    ("on", 2, 6308, "tsl parse: bool specs error -> on"),
    ("mode", "1", 6309, "tsl parse: value of enum type must be int -> mode"),
    ("label", 1, 6310, "tsl parse: data type is not string -> label"),
    ("since", NOW, 6311, "tsl parse: date type must be a string of long(UTC ms) -> since"),
    ("since", "yesterday", 6311, "tsl parse: date type must be a string of long(UTC ms) -> since"),
    ("since", str(2**63), 6311, "tsl parse: date type must be a string of long(UTC ms) -> since"),
    ("since", "\uff11", 6311, ""),
    ("color", [], 6312, "tsl parse: struct type must be json -> color"),
    ("color", {"red": "x", "label": ""}, 6306, "tsl parse: data type is not int -> red"),
    ("color", {"green": 1}, 6304, "tsl parse: params not exist -> green"),
    ("list", 3, 6328, "tsl parse: data type is not array -> list"),
    ("list", ["3"], 6306, "tsl parse: data type is not int -> list"),
    ("colors", [{"red": 1, "label": 2}], 6310, "tsl parse: data type is not string -> label"),
    ("unknown", 1, 5092, "property not found"),
]
OUT_OF_SPECS: list[tuple[str, Any, int, str]] = [
    ("count", -1, 6306, "tsl parse: int value is smaller than min 0 -> count"),
    ("count", 10, 6306, "tsl parse: int value is bigger than max 9 -> count"),
    ("temp", -40.1, 6307, "tsl parse: float value is smaller than min -40 -> temp"),
    ("temp", 86, 6307, "tsl parse: float value is bigger than max 85.5 -> temp"),
    ("far", 2e9, 6322, "tsl parse: double value is bigger than max 1e9 -> far"),
    ("mode", 2, 6309, "tsl parse: enum specs error -> mode"),
    ("label", "12345", 6310, "tsl parse: string length bigger than max length 4 -> label"),
    ("label", "温度", 6310, "tsl parse: string length bigger than max length 4 -> label"),
    ("color", {"red": 1}, 6312, "tsl parse: struct param size error -> color"),
    ("color", {"red": 256, "label": ""}, 6306, "tsl parse: int value is bigger than max 255 -> red"),
    ("list", [1, 2, 3], 6324, "tsl parse: array size is bigger than max size 2 -> list"),
    ("list", [1, 10], 6306, "tsl parse: int value is bigger than max 9 -> list"),
]


@pytest.mark.parametrize(("identifier", "value", "code", "message"), WRONG_TYPE)
@pytest.mark.parametrize("validator", [STRONG, WEAK], ids=["strong", "weak"])
def test_unknown_identifier_or_wrong_type_is_refused(
    validator: Any, identifier: str, value: object, code: int, message: str
) -> None:
    failures = validator.properties.check_post({"since": "1", identifier: value}, NOW)
    assert failures is not None
    assert list(failures) == [identifier]
    assert failures[identifier].code == code
    assert failures[identifier].message == message or not message


@pytest.mark.parametrize(("identifier", "value", "code", "message"), OUT_OF_SPECS)
def test_strong_check_looks_at_specs_and_weak_check_does_not(
    identifier: str, value: object, code: int, message: str
) -> None:
    assert STRONG.properties.check_post({identifier: value}, NOW) == {identifier: Failure(code, message)}
    assert WEAK.properties.check_post({identifier: value}, NOW) is None


@pytest.mark.parametrize("date", ["0", "-1", str(2**63 - 1), str(-(2**63))])
def test_dates_are_64_bit_integers_as_text(date: str) -> None:
    assert STRONG.properties.check_post({"since": date}, NOW) is None


def test_switched_off_check_accepts_everything() -> None:
    assert NONE.properties.check_post({"unknown": object()}, NOW) is None
    assert NONE.properties.check_set({"unknown": 1, "count": "x"}) is None
    assert NONE.check_desired({"count": "x"}) is None
    event = NONE.event("alarm")
    assert event is not None
    assert event.output.check("no object") is None


def test_value_and_time_form_is_checked_like_the_bare_form() -> None:
    post = {"count": {"value": 3, "time": NOW}, "color": {"value": {"red": 1, "label": "x"}}, "temp": 3}
    assert STRONG.properties.check_post(post, NOW) is None
    failures = STRONG.properties.check_post({"count": {"value": 10, "time": NOW}}, NOW)
    assert failures == {"count": Failure(6306, "tsl parse: int value is bigger than max 9 -> count")}


@pytest.mark.parametrize("time", [NOW + DAY + 1, "1800000000000", 1.5, True, -1])
def test_time_must_be_milliseconds_at_most_a_day_ahead(time: object) -> None:
    failures = WEAK.properties.check_post({"count": {"value": 3, "time": time}}, NOW)
    assert failures is not None
    assert failures["count"].code == 6326


@pytest.mark.parametrize("time", [0, NOW, NOW + DAY, None])
def test_time_up_to_a_day_ahead_is_accepted(time: object) -> None:
    assert WEAK.properties.check_post({"count": {"value": 3, "time": time}}, NOW) is None


def test_only_writable_properties_can_be_set() -> None:
    check = STRONG.properties.check_set
    assert check({"count": 3, "color": {"red": 1, "label": "x"}}) is None
    assert check({"count": 3, "temp": 1.0}) == Failure(6304, "tsl parse: params not exist -> temp")
    assert NONE.properties.check_set({"temp": 1.0}) == Failure(6304, "tsl parse: params not exist -> temp")
    assert check({"unknown": 1}) == Failure(5092, "property not found")
    assert check({"count": {"value": 3}}) == Failure(6306, "tsl parse: data type is not int -> count")


def test_event_output_is_checked_parameter_by_parameter() -> None:
    event = STRONG.event("alarm")
    assert event is not None
    assert event.output.check({"code": 1}) is None
    assert event.output.check([1]) == Failure(460, "request parameter error")
    assert event.output.check_each({"code": "1", "text": 2, "more": 3}) == {
        "code": Failure(6306, "tsl parse: data type is not int -> code"),
        "text": Failure(6310, "tsl parse: data type is not string -> text"),
        "more": Failure(6304, "tsl parse: params not exist -> more"),
    }
    assert STRONG.event("other") is None


def test_strong_check_demands_every_service_input() -> None:
    strong, weak = STRONG.service("reset"), WEAK.service("reset")
    assert strong is not None
    assert weak is not None
    assert strong.call_type is CallType.SYNC
    assert strong.input.check({"delay": 1}) is None
    assert strong.input.check({}) == Failure(6302, "tsl parse: required param is missing -> delay")
    assert weak.input.check({}) is None
    assert strong.output.check({"done": 1}) is None
    assert strong.output.check({"done": True}) == Failure(6308, "tsl parse: value of bool type must be int -> done")
    assert STRONG.service("other") is None


def test_features_of_a_custom_module_carry_its_identifier() -> None:
    block = FunctionBlock("Battery", "Battery_Module")
    module = ThingModel(MODEL.properties, MODEL.events, MODEL.services, block)
    validator = CompiledModel([ThingModel(), module], CheckLevel.STRONG)
    assert validator.properties.check_post({"Battery:count": 3}, NOW) is None
    assert validator.properties.check_post({"count": 3}, NOW) == {"count": Failure(5092, "property not found")}
    assert "Battery:count" in validator.properties
    assert validator.event("Battery:alarm") is not None
    assert validator.service("Battery:reset") is not None
    assert list(validator.definitions) == [f"Battery:{key}" for key in TYPES]
    assert validator.model == ThingModel()
    assert validator.event("alarm") is None


@given(models(), st.data())
def test_generated_values_that_fit_are_accepted(model: ThingModel, data: st.DataObject) -> None:
    post = {prop.identifier: data.draw(values(prop.type)) for prop in model.properties}
    for level in CheckLevel:
        assert CompiledModel([model], level).properties.check_post(post, NOW) is None


@given(data_types, st.data())
def test_value_of_another_kind_is_refused_with_the_code_of_the_type(data_type: DataType, data: st.DataObject) -> None:
    codes = {
        IntType: 6306,
        FloatType: 6307,
        DoubleType: 6322,
        BoolType: 6308,
        EnumType: 6309,
        TextType: 6310,
        DateType: 6311,
        StructType: 6312,
        ArrayType: 6328,
    }
    fitting = type(data.draw(values(data_type)))
    wrong: object = data.draw(
        st.sampled_from([None, True, 1, 1.5, "x", {}, []]).filter(
            lambda value: (
                type(value) is not fitting
                and not (isinstance(data_type, FloatType | DoubleType) and type(value) in (int, float))
            )
        )
    )
    model = ThingModel(properties=(Property(identifier="p", name="p", type=data_type, access=AccessMode.READ),))
    failures = CompiledModel([model], CheckLevel.WEAK).properties.check_post({"p": wrong}, NOW)
    assert failures is not None
    assert failures["p"].code == codes[type(data_type)]

"""Generated thing models and values."""

import math
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from thingplane.things.model.naming import RESERVED
from thingplane.things.model.ranges import INT_MAX, INT_MIN
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

_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
_LETTERS = "abzAZ09温度しカ"

identifiers = st.text(_WORD, min_size=1, max_size=50).filter(lambda text: text not in RESERVED)
names = st.builds(str.__add__, st.sampled_from(_LETTERS), st.text(_LETTERS + "-_./() ", max_size=19))
_units = st.none() | st.sampled_from(["%", "°C", "mmHg", ""])


@st.composite
def int_types(draw: st.DrawFn) -> IntType:
    low = draw(st.integers(INT_MIN, INT_MAX - 1))
    high = draw(st.integers(low + 1, INT_MAX))
    step = draw(st.none() | st.integers(1, min(high - low, INT_MAX)).map(str))
    return IntType(min=str(low), max=str(high), step=step, unit=draw(_units), unit_name=draw(_units))


@st.composite
def real_types(draw: st.DrawFn) -> FloatType | DoubleType:
    low = draw(st.integers(-10_000, 9_999))
    high = draw(st.integers(low + 1, 10_000))
    kind = FloatType if draw(st.booleans()) else DoubleType
    precise = draw(st.none() | st.sampled_from(["0", "7"]))
    return kind(min=f"{low}.0", max=f"{high}.50", step="0.01", unit=draw(_units), precise=precise)


bool_types = st.builds(lambda off, on: BoolType((EnumItem(0, off), EnumItem(1, on))), names, names)
enum_types = st.lists(st.integers(INT_MIN, INT_MAX), min_size=1, max_size=5, unique=True).flatmap(
    lambda values: st.tuples(*(st.builds(EnumItem, st.just(value), names) for value in values)).map(EnumType)
)
text_types = st.builds(TextType, st.integers(1, 10240))
date_types = st.just(DateType())
simple_types = int_types() | real_types() | bool_types | enum_types | text_types | date_types


def _named(of: Callable[..., Any], most: int, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(
        st.builds(of, identifier=identifiers, name=names, **fields),
        max_size=most,
        unique_by=(lambda feature: feature.identifier, lambda feature: feature.name),
    ).map(tuple)


struct_types = _named(Member, 4, type=simple_types).filter(bool).map(StructType)
item_types = st.just(IntType()) | st.just(TextType()) | int_types() | real_types() | text_types | struct_types
array_types = st.builds(ArrayType, st.integers(1, 512), item_types)
data_types: st.SearchStrategy[DataType] = simple_types | struct_types | array_types

_parameters = _named(Parameter, 3, type=data_types)
_descriptions = st.none() | st.text("abc 温", min_size=1, max_size=100)
blocks = st.builds(FunctionBlock, identifiers.map(lambda text: text[:30]), st.just("Battery_Module"))


@st.composite
def models(draw: st.DrawFn, block: st.SearchStrategy[FunctionBlock] | None = None) -> ThingModel:
    """Whole modules whose features have distinct identifiers and names."""
    features: list[Property | Event | Service] = []
    for place, identifier in enumerate(draw(st.lists(identifiers, max_size=6, unique=True))):
        common: dict[str, Any] = {
            "identifier": identifier,
            "name": f"{place}{draw(names)}",
            "description": draw(_descriptions),
            "required": draw(st.booleans()),
        }
        match draw(st.sampled_from(["property", "event", "service"])):
            case "property":
                access = draw(st.sampled_from(AccessMode))
                features.append(Property(**common, type=draw(data_types), access=access))
            case "event":
                features.append(Event(**common, type=draw(st.sampled_from(EventType)), output=draw(_parameters)))
            case _:
                features.append(
                    Service(
                        **common,
                        call_type=draw(st.sampled_from(CallType)),
                        input=draw(_parameters),
                        output=draw(_parameters),
                    )
                )
    return ThingModel(
        properties=tuple(f for f in features if isinstance(f, Property)),
        events=tuple(f for f in features if isinstance(f, Event)),
        services=tuple(f for f in features if isinstance(f, Service)),
        block=None if block is None else draw(block),
    )


def values(data_type: DataType) -> st.SearchStrategy[Any]:
    """Values that satisfy a data type completely."""
    match data_type:
        case IntType():
            return st.integers(int(data_type.min or INT_MIN), int(data_type.max or INT_MAX))
        case FloatType() | DoubleType():
            low, high = float(data_type.min or -1e6), float(data_type.max or 1e6)
            return st.floats(low, high) | st.integers(math.ceil(low), math.floor(high))
        case BoolType(items) | EnumType(items):
            return st.sampled_from([item.value for item in items])
        case TextType(length):
            most = min(length or 50, 50)
            return st.text(max_size=most).filter(lambda text: len(text.encode(errors="surrogatepass")) <= most)
        case DateType():
            return st.integers(0, 10**13 - 1).map(str)
        case StructType(members):
            return st.fixed_dictionaries({member.identifier: values(member.type) for member in members})
        case ArrayType(size, item):
            return st.lists(values(item), max_size=min(size, 4))

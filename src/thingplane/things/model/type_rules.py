"""Rules of the data types: ranges, steps, lengths, sizes, enum items and struct members."""

from __future__ import annotations

import re
from decimal import Decimal

from thingplane.things.model.failures import ModelError
from thingplane.things.model.limits import ModelLimits
from thingplane.things.model.naming import check_identifier, check_name
from thingplane.things.model.ranges import DOUBLE_MAX, FLOAT_LIMIT, INT_MAX, INT_MIN, decimal
from thingplane.things.model.types import (
    ArrayType,
    BoolType,
    DataType,
    DateType,
    DoubleType,
    EnumItem,
    EnumType,
    FloatType,
    IntType,
    StructType,
    TextType,
)

_INTEGER = re.compile(r"[+-]?[0-9]+")
_UNIT_CHARACTERS = 64
_BOUNDS: dict[type, tuple[Decimal, Decimal]] = {
    IntType: (Decimal(INT_MIN), Decimal(INT_MAX)),
    FloatType: (Decimal(-FLOAT_LIMIT), Decimal(FLOAT_LIMIT)),
    DoubleType: (Decimal(-DOUBLE_MAX), Decimal(DOUBLE_MAX)),
}
_MOST_DIGITS = {IntType: 0, FloatType: 7, DoubleType: 16}


def check_type(data_type: DataType, path: str, limits: ModelLimits, *, item: bool = False) -> None:
    """Checks one data type definition.

    Args:
        data_type: the definition.
        path: where it stands.
        limits: sizes that apply.
        item: whether it describes the items of an array, where bounds and length may be absent.

    Raises:
        ModelError: a rule is broken.
    """
    match data_type:
        case IntType() | FloatType() | DoubleType():
            _check_number(data_type, path, item=item)
        case BoolType(items):
            if sorted(entry.value for entry in items) != [0, 1]:
                raise ModelError(path, "a bool needs exactly the values 0 and 1")
            _check_items(items, path, limits)
        case EnumType(items):
            _check_enum(items, path, limits)
        case TextType() | DateType():
            _check_text(data_type, path, limits, item=item)
        case StructType():
            _check_struct(data_type, path, limits)
        case ArrayType():
            if not 1 <= data_type.size <= limits.array_size:
                raise ModelError(path, f"size must be 1 to {limits.array_size}")
            check_type(data_type.item, f"{path}.item", limits, item=True)


def _check_number(number: IntType | FloatType | DoubleType, path: str, *, item: bool) -> None:
    low = _bound(number, number.min, f"{path}.min")
    high = _bound(number, number.max, f"{path}.max")
    if (low is None or high is None) and not (item and low is high):
        raise ModelError(f"{path}.{'min' if low is None else 'max'}", "is missing")
    step = _bound(number, number.step, f"{path}.step")
    if low is not None and high is not None and low >= high:
        raise ModelError(f"{path}.min", f"{number.min} must be smaller than max {number.max}")
    if step is not None:
        if step <= 0:
            raise ModelError(f"{path}.step", "must be greater than 0")
        if low is not None and high is not None and step > high - low:
            raise ModelError(f"{path}.step", f"{number.step} must not be larger than max - min")
    default = _bound(number, number.default, f"{path}.defaultValue")
    if default is not None and low is not None and high is not None and not low <= default <= high:
        raise ModelError(f"{path}.defaultValue", "must lie between min and max")
    if number.precise is not None:
        most = _MOST_DIGITS[type(number)]
        if not _INTEGER.fullmatch(number.precise) or not 0 <= int(number.precise) <= most:
            raise ModelError(f"{path}.precise", f"must be 0 to {most}")
    for name, text in (("unit", number.unit), ("unitName", number.unit_name)):
        if text is not None and len(text) > _UNIT_CHARACTERS:
            raise ModelError(f"{path}.{name}", f"must be at most {_UNIT_CHARACTERS} characters long")


def _bound(number: IntType | FloatType | DoubleType, text: str | None, path: str) -> Decimal | None:
    if text is None:
        return None
    value = decimal(text)
    if value is None or (isinstance(number, IntType) and not _INTEGER.fullmatch(text)):
        raise ModelError(path, f"{text[:40]!r} is not {'an integer' if isinstance(number, IntType) else 'a number'}")
    low, high = _BOUNDS[type(number)]
    if not low <= value <= high:
        raise ModelError(path, f"{text[:40]} is outside the range of the data type")
    return value


def _check_items(items: tuple[EnumItem, ...], path: str, limits: ModelLimits) -> None:
    for entry in items:
        check_name(entry.name, f"{path}[{entry.value}].name", limits.item_name_characters)
        if not INT_MIN <= entry.value <= INT_MAX:
            raise ModelError(f"{path}[{entry.value}].value", "must be a 32-bit integer")


def _check_enum(items: tuple[EnumItem, ...], path: str, limits: ModelLimits) -> None:
    if not 1 <= len(items) <= limits.enum_items:
        raise ModelError(path, f"an enum needs 1 to {limits.enum_items} items")
    if len({entry.value for entry in items}) != len(items):
        raise ModelError(path, "two items of the enum share a value")
    _check_items(items, path, limits)


def _check_text(text: TextType | DateType, path: str, limits: ModelLimits, *, item: bool) -> None:
    if text.length is None:
        if isinstance(text, TextType) and not item:
            raise ModelError(f"{path}.length", "is missing")
    elif not 1 <= text.length <= limits.text_bytes:
        raise ModelError(f"{path}.length", f"must be 1 to {limits.text_bytes}")
    if text.default is not None and len(text.default.encode()) > (text.length or limits.text_bytes):
        raise ModelError(f"{path}.defaultValue", "is longer than the text may be")


def _check_struct(struct: StructType, path: str, limits: ModelLimits) -> None:
    if not 1 <= len(struct.members) <= limits.struct_members:
        raise ModelError(path, f"a struct needs 1 to {limits.struct_members} members")
    seen: set[str] = set()
    for index, member in enumerate(struct.members):
        place = f"{path}[{index}]"
        check_identifier(member.identifier, f"{place}.identifier", limits)
        check_name(member.name, f"{place}.name", limits.name_characters)
        if member.identifier in seen:
            raise ModelError(f"{place}.identifier", f"two members are called {member.identifier}")
        seen.add(member.identifier)
        check_type(member.type, place, limits)

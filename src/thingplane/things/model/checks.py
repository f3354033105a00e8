"""Checks of single values: one closure per data type, built once, called for every value a device sends.

A check takes a decoded JSON value and returns None or a prepared `Failure`. Codes and texts follow the TSL codes of
the device protocol (common codes, 6301 to 6329). The level decides what is looked at: `STRONG` everything,
`WEAK` identifiers and data types only; with `NONE` no check is built at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final, TypeAlias

from msgspec import Struct

from thingplane.things.model.ranges import DOUBLE_MAX, FLOAT_LIMIT, INT_MAX, INT_MIN
from thingplane.things.model.types import (
    ArrayType,
    BoolType,
    DataType,
    DateType,
    DoubleType,
    EnumType,
    FloatType,
    IntType,
    StructType,
    TextType,
)


class CheckLevel(IntEnum):
    """How thoroughly messages are checked; the values are those of a product's ValidateType."""

    STRONG = 0
    WEAK = 1
    NONE = 2


class Failure(Struct, frozen=True):
    """Why a value was refused: Alink code and message, as devices and forwarded messages carry them."""

    code: int
    message: str


Check: TypeAlias = Callable[[object], Failure | None]

_DATE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_LONG: Final = range(-(2**63), 2**63)
_TYPE_WORDS: Final = {FloatType: ("float", 6307, FLOAT_LIMIT), DoubleType: ("double", 6322, DOUBLE_MAX)}


def failure(code: int, text: str, identifier: str) -> Failure:
    """A failure that names the identifier it belongs to."""
    return Failure(code, f"tsl parse: {text} -> {identifier}")


def not_defined(identifier: str) -> Failure:
    """Failure of a parameter or struct member the model does not have."""
    return failure(6304, "params not exist", identifier)


def build_check(data_type: DataType, identifier: str, level: CheckLevel) -> Check:
    """Builds the check of one value.

    Args:
        data_type: what the value must be.
        identifier: named in the messages.
        level: STRONG or WEAK.
    """
    strong = level is CheckLevel.STRONG
    match data_type:
        case IntType():
            return _int(data_type, identifier, strong=strong)
        case FloatType() | DoubleType():
            return _real(data_type, identifier, strong=strong)
        case BoolType():
            wrong_type = failure(6308, "value of bool type must be int", identifier)
            return _item((0, 1), wrong_type, failure(6308, "bool specs error", identifier))
        case EnumType(items):
            wrong_type = failure(6309, "value of enum type must be int", identifier)
            values = tuple(item.value for item in items) if strong else None
            return _item(values, wrong_type, failure(6309, "enum specs error", identifier))
        case TextType():
            return _text(data_type.length if strong else None, identifier)
        case DateType():
            return _date(identifier)
        case StructType():
            return _struct(data_type, identifier, level)
        case ArrayType():
            return _array(data_type, identifier, level)


def _int(data_type: IntType, identifier: str, *, strong: bool) -> Check:
    low = int(data_type.min) if strong and data_type.min else INT_MIN
    high = int(data_type.max) if strong and data_type.max else INT_MAX
    wrong_type = failure(6306, "data type is not int", identifier)
    too_small = failure(6306, f"int value is smaller than min {low}", identifier)
    too_big = failure(6306, f"int value is bigger than max {high}", identifier)

    def check(value: object) -> Failure | None:
        if type(value) is not int:
            return wrong_type
        if value < low:
            return too_small
        if value > high:
            return too_big
        return None

    return check


def _real(data_type: FloatType | DoubleType, identifier: str, *, strong: bool) -> Check:
    word, code, limit = _TYPE_WORDS[type(data_type)]
    low = float(data_type.min) if strong and data_type.min else -limit
    high = float(data_type.max) if strong and data_type.max else limit
    low_text = data_type.min if strong and data_type.min else str(low)
    high_text = data_type.max if strong and data_type.max else str(high)
    wrong_type = failure(code, f"data type is not {word}", identifier)
    too_small = failure(code, f"{word} value is smaller than min {low_text}", identifier)
    too_big = failure(code, f"{word} value is bigger than max {high_text}", identifier)

    def check(value: object) -> Failure | None:
        kind = type(value)
        if kind is not float and kind is not int:
            return wrong_type
        # mypy cannot follow the two comparisons above.
        if value < low:  # type: ignore[operator]
            return too_small
        # Written so that NaN, which JSON cannot carry but a script may produce, fails as well.
        if value <= high:  # type: ignore[operator]
            return None
        return too_big

    return check


def _item(values: tuple[int, ...] | None, wrong_type: Failure, unknown: Failure) -> Check:
    known = None if values is None else frozenset(values)

    def check(value: object) -> Failure | None:
        if type(value) is not int:
            return wrong_type
        if known is not None and value not in known:
            return unknown
        return None

    return check


def _text(length: int | None, identifier: str) -> Check:
    wrong_type = failure(6310, "data type is not string", identifier)
    if length is None:
        return lambda value: None if type(value) is str else wrong_type
    too_long = failure(6310, f"string length bigger than max length {length}", identifier)
    most: int = length

    def check(value: object) -> Failure | None:
        if type(value) is not str:
            return wrong_type
        if len(value) > most:
            return too_long
        # The length is in bytes; text of ASCII has as many bytes as characters.
        if not value.isascii() and len(value.encode(errors="surrogatepass")) > most:
            return too_long
        return None

    return check


def _date(identifier: str) -> Check:
    wrong = failure(6311, "date type must be a string of long(UTC ms)", identifier)
    fits = _DATE.fullmatch
    return lambda value: None if type(value) is str and fits(value) and int(value) in _LONG else wrong


def _struct(data_type: StructType, identifier: str, level: CheckLevel) -> Check:
    checks: Mapping[str, Check] = {
        member.identifier: build_check(member.type, member.identifier, level) for member in data_type.members
    }
    count = len(checks) if level is CheckLevel.STRONG else None
    wrong_type = failure(6312, "struct type must be json", identifier)
    wrong_count = failure(6312, "struct param size error", identifier)

    def check(value: object) -> Failure | None:
        if type(value) is not dict:
            return wrong_type
        for name, member in value.items():
            member_check = checks.get(name)
            if member_check is None:
                return not_defined(name)
            refused = member_check(member)
            if refused is not None:
                return refused
        if count is not None and len(value) != count:
            return wrong_count
        return None

    return check


def _array(data_type: ArrayType, identifier: str, level: CheckLevel) -> Check:
    check_item = build_check(data_type.item, identifier, level)
    size = data_type.size if level is CheckLevel.STRONG else None
    wrong_type = failure(6328, "data type is not array", identifier)
    too_long = failure(6324, f"array size is bigger than max size {data_type.size}", identifier)

    def check(value: object) -> Failure | None:
        if type(value) is not list:
            return wrong_type
        if size is not None and len(value) > size:
            return too_long
        for item in value:
            refused = check_item(item)
            if refused is not None:
                return refused
        return None

    return check

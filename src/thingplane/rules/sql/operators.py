"""Operators as closures over their operands."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

from thingplane.rules.sql.errors import Failure
from thingplane.rules.sql.row import Evaluate, Row, Value
from thingplane.rules.sql.values import Number, Truth, bounded, equals, number, order, text, truth

_ORDERED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}


def compare(left: Evaluate, sign: str, right: Evaluate) -> Evaluate:
    """Return ``left sign right``; sign is one of ``= <> < <= > >=``."""
    if sign == "=":
        return lambda row: equals(left(row), right(row))
    if sign == "<>":
        return lambda row: _not(equals(left(row), right(row)))
    holds = _ORDERED[sign]

    def ordered(row: Row) -> Truth:
        found = order(left(row), right(row))
        return None if found is None else holds(found, 0)

    return ordered


def compare_with_constant(left: Evaluate, sign: str, constant: Value) -> Evaluate:
    """Return ``left sign constant``, with a short way for the type of the constant."""
    if type(constant) is str and sign in {"=", "<>"}:
        same = sign == "="

        def equal_text(row: Row) -> Truth:
            value = left(row)
            if type(value) is str:
                return bool(value == constant) is same
            found = equals(value, constant)
            return None if found is None else found is same

        return equal_text
    if type(constant) is int or type(constant) is float:
        holds: Callable[[Any, Any], bool] = _ORDERED.get(sign) or (operator.eq if sign == "=" else operator.ne)
        general = compare(left, sign, lambda _row: constant)

        def with_number(row: Row) -> Truth:
            value = left(row)
            kind = type(value)
            if kind is float or kind is int:
                return holds(value, constant)
            found: Truth = general(row)
            return found

        return with_number
    return compare(left, sign, lambda _row: constant)


def mirrored(sign: str) -> str:
    """Return the comparison with its sides exchanged."""
    return _MIRRORED[sign]


def _not(value: Truth) -> Truth:
    return None if value is None else not value


def negation(operand: Evaluate) -> Evaluate:
    """Return NOT of a condition."""
    return lambda row: _not(operand(row))


def all_of(operands: Sequence[Evaluate]) -> Evaluate:
    """Return AND of conditions: false wins over null."""

    def evaluate(row: Row) -> Truth:
        result: Truth = True
        for operand in operands:
            value = operand(row)
            if value is False:
                return False
            if value is None:
                result = None
        return result

    return evaluate


def any_of(operands: Sequence[Evaluate]) -> Evaluate:
    """Return OR of conditions: true wins over null."""

    def evaluate(row: Row) -> Truth:
        result: Truth = False
        for operand in operands:
            value = operand(row)
            if value is True:
                return True
            if value is None:
                result = None
        return result

    return evaluate


def among(left: Evaluate, constants: Sequence[Value], wanted: bool) -> Evaluate:
    """Return ``left [NOT] IN (constants)``."""
    texts = frozenset(constant for constant in constants if type(constant) is str)
    only_texts = len(texts) == len(set(map(repr, constants)))

    def evaluate(row: Row) -> Truth:
        value = left(row)
        if value is None:
            return None
        if only_texts and type(value) is str:
            return (value in texts) is wanted
        return any(equals(value, constant) for constant in constants) is wanted

    return evaluate


def like(left: Evaluate, pattern: str, wanted: bool) -> Evaluate:
    """Return ``left [NOT] LIKE pattern``; ``%`` stands for any run of characters, nothing else is special."""
    matches = pattern_matcher(pattern)

    def evaluate(row: Row) -> Truth:
        value = left(row)
        if value is None:
            return None
        return matches(text(value)) is wanted

    return evaluate


def pattern_matcher(pattern: str) -> Callable[[str], bool]:
    """Return the test for a LIKE pattern; its time grows with the length of the text, whatever the pattern."""
    first, *middle = pattern.split("%")
    if not middle:
        return lambda value: value == pattern
    last = middle.pop()
    middle = [part for part in middle if part]
    shortest = len(first) + len(last)

    def matches(value: str) -> bool:
        if len(value) < shortest or not value.startswith(first) or not value.endswith(last):
            return False
        position, end = len(first), len(value) - len(last)
        for part in middle:
            position = value.find(part, position, end)
            if position < 0:
                return False
            position += len(part)
        return True

    return matches


def divide(left: Number, right: Number) -> Number:
    """Divide; the quotient of integers is an integer when it is exact."""
    if right == 0:
        raise Failure("Division by zero.")
    if type(left) is int and type(right) is int and left % right == 0:
        return left // right
    return checked(left / right)


def remainder(left: Number, right: Number) -> Number:
    """Return the remainder of a division, with the sign of the dividend."""
    if right == 0:
        raise Failure("Division by zero.")
    if type(left) is int and type(right) is int:
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    return checked(math.fmod(left, right))


def checked(value: Number) -> Number:
    """Return a result that is in range.

    Raises:
        Failure: it is not.
    """
    if type(value) is int:
        return bounded(value)
    if not math.isfinite(value):
        raise Failure("The number is out of range.")
    return value


ARITHMETIC: Final[dict[str, Callable[[Number, Number], Number]]] = {
    "+": lambda left, right: checked(left + right),
    "-": lambda left, right: checked(left - right),
    "*": lambda left, right: checked(left * right),
    "/": divide,
    "%": remainder,
}


def condition(operand: Evaluate) -> Evaluate:
    """Return an expression as a condition."""
    return lambda row: truth(operand(row))


def negative(value: Value) -> Number:
    """Return the number with the other sign."""
    return checked(-number(value))

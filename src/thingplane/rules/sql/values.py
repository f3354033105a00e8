"""How values of different types compare, and what counts as a number, as text, as true.

Integers stay integers. Text that holds a number is one where a number is needed. Nothing is equal to null, and nothing
is less than it: comparisons with it, and of values without an order, give null (unknown).
"""

import math
import re
from typing import Final, TypeAlias

import msgspec

from thingplane.rules.sql.errors import Failure
from thingplane.rules.sql.row import Value

MAX_TEXT: Final = 1_048_576
"""Characters of a text that an expression makes: functions that multiply their arguments must not fill the memory."""
MAX_INTEGER: Final = 2**63

Number: TypeAlias = int | float
Truth: TypeAlias = bool | None

_NUMBER: Final = re.compile(r"\s*[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?\s*", re.ASCII)


def number_in(text: str) -> Number | None:
    """Return the number that a text holds, None if it holds none."""
    if len(text) > 100 or _NUMBER.fullmatch(text) is None:
        return None
    try:
        return bounded(int(text))
    except ValueError:
        value = float(text)
        return value if math.isfinite(value) else None


def bounded(value: int) -> Number:
    """Return an integer as it is while it fits into 64 bits, else as a floating-point number."""
    return value if -MAX_INTEGER <= value < MAX_INTEGER else float(value)


def number(value: Value) -> Number:
    """Return a value as a number.

    Raises:
        Failure: it is none.
    """
    kind = type(value)
    if kind is float:
        return value  # type: ignore[no-any-return]
    if kind is int:
        # Payloads may hold integers of thousands of digits.
        return value if -MAX_INTEGER <= value < MAX_INTEGER else _huge(value)
    if kind is str:
        found = number_in(value)
        if found is not None:
            return found
    raise Failure(f"{shown(value)} is not a number.")


def _huge(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Failure("The number is out of range.") from None


def text(value: Value) -> str:
    """Return a scalar as text; numbers and booleans as JSON writes them.

    Raises:
        Failure: it is an object or an array.
    """
    if type(value) is str:
        return value
    if type(value) is dict or type(value) is list:
        raise Failure("An object or array is not text.")
    return msgspec.json.encode(value).decode()


def truth(value: Value) -> Truth:
    """Return a value as a condition: booleans, and numbers, of which only zero is false.

    Raises:
        Failure: it is something else.
    """
    if value is None or type(value) is bool:
        return value
    if type(value) is int or type(value) is float:
        return bool(value != 0)
    raise Failure(f"{shown(value)} is neither true nor false.")


def limited(value: str) -> str:
    """Return a text that is not too long.

    Raises:
        Failure: it is.
    """
    check_length(len(value))
    return value


def check_length(length: int) -> None:
    """Check the length of a text that is about to be made.

    Raises:
        Failure: it is too long.
    """
    if length > MAX_TEXT:
        raise Failure(f"The text would have more than {MAX_TEXT} characters.")


def equals(left: Value, right: Value) -> Truth:
    """Compare for equality; null with null."""
    if left is None or right is None:
        return None
    one, other = type(left), type(right)
    if one is other:
        return bool(left == right)
    if one is bool or other is bool:
        words = (right, left) if one is str else (left, right)
        return type(words[1]) is str and words[1].lower() == ("true" if words[0] else "false")
    if one is str:
        left = number_in(left)
    elif other is str:
        right = number_in(right)
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    return False


def order(left: Value, right: Value) -> int | None:
    """Return -1, 0 or 1 for less, equal and greater; None where there is no order."""
    if type(left) is str and type(right) is not str:
        left = number_in(left)
    elif type(right) is str and type(left) is not str:
        right = number_in(right)
    comparable = (_is_number(left) and _is_number(right)) or (type(left) is str and type(right) is str)
    if not comparable:
        return None
    return int(left > right) - int(left < right)


def _is_number(value: Value) -> bool:
    return type(value) is int or type(value) is float


def shown(value: Value) -> str:
    """Return a value for an error message, short."""
    try:
        encoded = msgspec.json.encode(value).decode()
    except RecursionError:
        return "A deeply nested value"
    return encoded if len(encoded) <= 60 else encoded[:57] + "…"

"""Mathematical functions; angles are in radians."""

import math
import random
from collections.abc import Callable
from typing import Final

from thingplane.rules.sql.errors import Failure
from thingplane.rules.sql.functions.function import Function
from thingplane.rules.sql.operators import checked, remainder
from thingplane.rules.sql.row import Value
from thingplane.rules.sql.values import Number, number


def _of_number(function: Callable[[float], float]) -> Function:
    def call(value: Value) -> Number:
        try:
            return checked(function(number(value)))
        except (ValueError, OverflowError):
            raise Failure(
                f"{function.__name__} is not defined for this number, or its value is out of range."
            ) from None

    return Function(call)


def _logarithm(value: Value, base: Value = 10) -> Number:
    try:
        # More exact than the quotient of natural logarithms.
        return math.log10(number(value)) if number(base) == 10 else math.log(number(value), number(base))
    except (ValueError, ZeroDivisionError):
        raise Failure("The logarithm is not defined for this number and base.") from None


def _modulo(value: Value, divisor: Value) -> Number:
    return remainder(number(value), number(divisor))


def _power(value: Value, exponent: Value) -> Number:
    base, power = number(value), number(exponent)
    try:
        approximate = math.pow(base, power)
    except (ValueError, OverflowError):
        raise Failure("The power is not defined, or out of range.") from None
    # Exact where integers stay small, and not computed at all where they don't.
    if type(base) is int and type(power) is int and power >= 0 and abs(approximate) < 2**63:
        return checked(base**power) if abs(base) > 1 else base ** min(power, 2 + power % 2)
    return approximate


FUNCTIONS: Final[dict[str, Function]] = {
    "abs": _of_number(abs),
    "asin": _of_number(math.asin),
    "cos": _of_number(math.cos),
    "cosh": _of_number(math.cosh),
    "exp": _of_number(math.exp),
    "floor": _of_number(math.floor),
    "log": Function(_logarithm, 1, 2),
    "mod": Function(_modulo, 2, 2),
    "power": Function(_power, 2, 2),
    "rand": Function(random.random, 0, 0),
    "sin": _of_number(math.sin),
    "sinh": _of_number(math.sinh),
    "tan": _of_number(math.tan),
    "tanh": _of_number(math.tanh),
}

"""Numeric ranges of the data types."""

from decimal import Decimal, InvalidOperation
from typing import Final

INT_MIN: Final = -(2**31)
INT_MAX: Final = 2**31 - 1
FLOAT_MAX: Final = 3.4028234663852886e38
"""Largest finite IEEE 754 single; messages may also write it rounded up, see `FLOAT_LIMIT`."""
FLOAT_LIMIT: Final = 3.402823567797337e38
"""Everything below rounds to a finite single."""
DOUBLE_MAX: Final = 1.7976931348623157e308

_LONGEST = 400
"""Digits of the longest plain decimal text of a double, with some room."""


def decimal(text: str) -> Decimal | None:
    """The finite number a decimal text denotes, or None."""
    if len(text) > _LONGEST or not text.isascii() or "_" in text or text != text.strip():
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None

"""Values of rules as PostgreSQL's columns take them."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import msgspec

from thingplane.rules.actions.templates import as_text
from thingplane.rules.destinations.protocol import DestinationError

if TYPE_CHECKING:
    import asyncpg


def _whole(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("not an integer")
    return int(value)


def _truth(value: Any) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    return words[as_text(value).lower()]


def _moment(value: Any) -> datetime:
    """Return milliseconds, or text of ISO 8601; without a zone it is UTC."""
    if isinstance(value, str) and not value.strip().isdecimal():
        found = datetime.fromisoformat(value)
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return datetime.fromtimestamp(float(value) / 1000, UTC)


def _bytes(value: Any) -> bytes:
    return as_text(value).encode()


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value))


_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("int2", "int4", "int8"), _whole),
    **dict.fromkeys(("float4", "float8"), float),
    "numeric": _decimal,
    "bool": _truth,
    "timestamptz": _moment,
    "timestamp": lambda value: _moment(value).astimezone(UTC).replace(tzinfo=None),
    "date": lambda value: _moment(value).date(),
    "bytea": _bytes,
    "json": _json,
    "jsonb": _json,
}
"""By name of the column's type; everything else gets text."""


def converted(type_: "asyncpg.Type", value: Any) -> Any:
    """Return a value of JSON as a column takes it.

    Raises:
        DestinationError: it does not fit.
    """
    if value is None:
        return None
    try:
        found = _CONVERTERS.get(type_.name, as_text)(value)
    except (ValueError, TypeError, KeyError, OverflowError, InvalidOperation):
        raise DestinationError(f"a value does not fit a column of type {type_.name}", permanent=True) from None
    if isinstance(found, float) and not math.isfinite(found):
        raise DestinationError("a number is out of range", permanent=True)
    return found

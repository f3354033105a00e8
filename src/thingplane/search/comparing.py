"""Comparisons of columns."""

from typing import Any

from sqlalchemy import ColumnElement

from thingplane.search.prefixes import starts_with
from thingplane.search.statement import Condition


def compare(column: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    """Return the condition that a column's value fits."""
    value = condition.value
    match condition.operator:
        case "=":
            return column.is_(None) if value is None else column == value
        case "!=":
            # A field without value differs from every value (guide: values may be null).
            return column.is_not(None) if value is None else column.is_distinct_from(value)
        case ">":
            return column > value
        case "<":
            return column < value
        case "LIKE":
            return starts_with(column, str(value))

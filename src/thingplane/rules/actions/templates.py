"""Variables in configurations: ``${column}`` stands for a column of the rule's result."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

from thingplane.rules.sql.row import Value

Columns: TypeAlias = Mapping[str, Value]

_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")


def column(columns: Columns, key: str) -> Value:
    """Return a column, or what is inside of one under ``a.b``; None where there is nothing."""
    if key in columns:
        return columns[key]
    value: Value = columns
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def as_text(value: Value) -> str:
    """Return a value as variables put it into text: null as nothing, objects and arrays as JSON."""
    if type(value) is str:
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


class Template:
    """A text with variables."""

    def __init__(self, text: str) -> None:
        self.text = text
        parts = _VARIABLE.split(text)
        self._parts = [(part, index % 2 == 1) for index, part in enumerate(parts) if part]
        self.is_constant = len(parts) == 1
        self._only = parts[1].strip() if len(parts) == 3 and not parts[0] and not parts[2] else None

    def render(self, columns: Columns) -> str:
        """Return the text; variables of missing columns are empty."""
        if self.is_constant:
            return self.text
        return "".join(
            as_text(column(columns, part.strip())) if is_variable else part for part, is_variable in self._parts
        )

    def value(self, columns: Columns) -> Any:
        """Return the value of a text that is nothing but one variable, with its type; any other text as it is."""
        return self.render(columns) if self._only is None else column(columns, self._only)

"""Prefixes of texts, compared exactly on both databases."""

from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType

_LAST: Final = "\U0010ffff"
"""The last of all characters."""


class _StartsWith(FunctionElement[bool]):
    """Text, prefix, and a text behind all that begin with the prefix."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: OperatorType | None = None) -> "_StartsWith":  # noqa: ARG002 - as the base class
        # Otherwise it would be compared with 1 on SQLite, which then looks into no index.
        return self


@compiles(_StartsWith)
def _by_function(element: _StartsWith, compiler: SQLCompiler, **options: Any) -> str:
    # The third is left alone: the server would not know the type of a parameter that no text names.
    text, prefix = (compiler.process(clause, **options) for clause in list(element.clauses)[:2])
    return f"starts_with({text}, {prefix})"


@compiles(_StartsWith, "sqlite")
def _by_range(element: _StartsWith, compiler: SQLCompiler, **options: Any) -> str:
    # LIKE would take upper and lower case as the same, and no index. Texts are in the order of their bytes here.
    text, prefix, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({text} >= {prefix} AND {text} < {end})"


def starts_with(text: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """Return the condition that a text begins with a prefix, upper and lower case included."""
    return _StartsWith(text, literal(prefix), literal(prefix + _LAST))

"""From the text of a clause to its tree."""

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, TypeAlias

from thingplane.rules.sql.errors import Clause, SqlError

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

    Branch: TypeAlias = Tree[Token]

_ESCAPED: Final = re.compile(r"\\(.)|''", re.DOTALL)


def parse(clause: Clause, text: str) -> "Branch":
    """Return the tree of a clause.

    Raises:
        SqlError: the clause breaks the grammar.
    """
    from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken  # noqa: PLC0415 - as below

    try:
        return _parser().parse(text, start=clause.lower())
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise SqlError(clause, len(text), "something is missing at the end.") from None
        raise SqlError(clause, error.pos_in_stream or 0, f"{str(error.token)[:40]!r} cannot stand here.") from None
    except UnexpectedCharacters as error:
        position = error.pos_in_stream or 0
        raise SqlError(clause, position, _unexpected(text[position : position + 1])) from None
    except UnexpectedInput as error:
        raise SqlError(clause, error.pos_in_stream or 0, "this cannot be understood.") from None


def _unexpected(character: str) -> str:
    if character in {"'", "\u2018", "\u2019", '"', "\u201c", "\u201d"}:
        return "the quotation mark is not closed, or cannot stand here."
    if character.isdigit():
        return "a number cannot stand here; names do not start with digits."
    return f"{character!r} cannot stand here."


def unquote(token: str) -> str:
    r"""Return the text of a string in quotation marks; ``\'`` and two quotation marks mean one."""
    return _ESCAPED.sub(_unescape, token[1:-1])


def _unescape(match: re.Match[str]) -> str:
    character = match[1]
    if character is None:
        return "'"
    # A backslash before anything else is meant.
    return str(character) if character in {"'", "\\"} else match[0]


@cache
def _parser() -> "Lark":
    # Takes 50 ms to import, and only saving a rule needs it.
    from lark import Lark  # noqa: PLC0415

    grammar = files("thingplane.rules.sql").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", start=["select", "where"], maybe_placeholders=True, propagate_positions=True)

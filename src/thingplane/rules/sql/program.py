"""A rule's SQL as a program for messages."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from thingplane.rules.sql.compiling import Compiler
from thingplane.rules.sql.errors import EvaluationError, SqlError
from thingplane.rules.sql.parsing import parse, unquote
from thingplane.rules.sql.row import Evaluate, Row, Value

if TYPE_CHECKING:
    from thingplane.rules.sql.parsing import Branch

DataType: TypeAlias = Literal["JSON", "BINARY"]
Columns: TypeAlias = Mapping[str, Value]
_Spread: TypeAlias = Callable[[Row], Mapping[str, Value]]

_encode = msgspec.json.Encoder().encode
_NO_COLUMNS: Final[Columns] = {}


class SqlLimits(msgspec.Struct, frozen=True):
    """How much a rule's SQL may ask for."""

    columns: int = 50
    """Items of SELECT (guide: SQL expressions)."""
    characters: int = 8192
    """Of either clause."""
    result: int = 1_048_576
    """Bytes of a result."""


class Result(msgspec.Struct, frozen=True):
    """What a rule makes of a message."""

    payload: bytes
    """For actions: JSON of the columns, or the message's own bytes."""
    columns: Columns
    """By name, for the variables of actions; empty for payloads that are no JSON object."""


class Program:
    """Decides whether a rule takes a message, and what it makes of it."""

    def __init__(
        self,
        where: Evaluate | None,
        items: Sequence[tuple[str | None, Any]],
        *,
        binary: bool,
        uses_tags: bool,
        limit: int,
    ) -> None:
        """Take compiled parts; use ``compile_sql``.

        Args:
            where: the condition.
            items: names and expressions; without a name an expression that gives many columns. None at all: the
                payload as it is.
            binary: whether payloads are not parsed.
            uses_tags: whether rows need the device's tags.
            limit: bytes of a result.
        """
        self._where = where
        self._limit = limit
        self._binary = binary
        self._items = items
        self._named: list[tuple[str, Evaluate]] = [(name, run) for name, run in items if name is not None]
        self._has_spreads = len(self._named) < len(items)
        self.uses_tags = uses_tags

    def run(self, row: Row) -> Result | None:
        """Return what the rule makes of a message, None when its condition does not hold.

        Raises:
            PayloadError: the rule is for JSON, and the payload is none.
            EvaluationError: an expression cannot work with a value.
        """
        if row.body is None and not self._binary:
            row.parse()
        where = self._where
        if where is not None and where(row) is not True:
            return None
        if not self._items:
            return self._whole(row)
        columns: dict[str, Value] = {}
        if self._has_spreads:
            self._spread(row, columns)
        else:
            for name, evaluate in self._named:
                value = evaluate(row)
                if value is not None:
                    columns[name] = value
        payload = _encode(columns)
        if len(payload) > self._limit:
            raise EvaluationError("Select", 0, f"The result has more than {self._limit} bytes.")
        return Result(payload, columns)

    def _spread(self, row: Row, columns: dict[str, Value]) -> None:
        for name, evaluate in self._items:
            value = evaluate(row)
            if name is None:
                columns.update(value)
            elif value is not None:
                columns[name] = value

    def _whole(self, row: Row) -> Result:
        if self._binary:
            return Result(row.message.body, _NO_COLUMNS)
        return Result(_encode(row.body), row.body if type(row.body) is dict else _NO_COLUMNS)


def compile_sql(select: str, where: str, data_type: DataType = "JSON", limits: SqlLimits = SqlLimits()) -> Program:  # noqa: B008 - immutable
    """Compile the clauses of a rule.

    Args:
        select: what follows SELECT.
        where: what follows WHERE; empty: every message.
        data_type: BINARY payloads are not parsed, so only functions and constants can be used.
        limits: how much they may ask for.

    Raises:
        SqlError: a clause breaks the grammar or a rule; it says where.
    """
    binary = data_type == "BINARY"
    _check_length("Select", select, limits)
    compiler = Compiler("Select", select, binary=binary)
    tree = parse("Select", select)
    if len(tree.children) > limits.columns:
        raise SqlError("Select", 0, f"at most {limits.columns} columns can be selected.")
    items = [_item(compiler, item, alone=len(tree.children) == 1) for item in _branches(tree)]
    aliases = {name: run for name, run in items if name is not None}
    uses_tags = compiler.uses_tags
    condition = None
    if where.strip():
        _check_length("Where", where, limits)
        compiler = Compiler("Where", where, binary=binary, aliases=aliases)
        condition = compiler.condition(_branches(parse("Where", where))[0])
        uses_tags |= compiler.uses_tags
    whole = len(items) == 1 and items[0] == _EVERYTHING
    return Program(condition, [] if whole else items, binary=binary, uses_tags=uses_tags, limit=limits.result)


def _check_length(clause: Literal["Select", "Where"], text: str, limits: SqlLimits) -> None:
    if len(text) > limits.characters:
        raise SqlError(clause, limits.characters, f"a clause has at most {limits.characters} characters.")


def _branches(tree: "Branch") -> "list[Branch]":
    return tree.children  # type: ignore[return-value]


def _all_columns(row: Row) -> Mapping[str, Value]:
    body = row.body
    if type(body) is dict:
        return body
    raise EvaluationError("Select", 0, "The payload is an array, which has no columns to add others to.")


_EVERYTHING: Final[tuple[None, _Spread]] = (None, _all_columns)


def _item(compiler: Compiler, item: "Branch", *, alone: bool) -> tuple[str | None, Any]:
    if item.data == "everything":
        if compiler.binary and not alone:
            raise compiler.error(item, "in rules for binary data nothing can stand beside *.")
        return _EVERYTHING
    tree = _branches(item)[0]
    spread = compiler.flattening(tree)
    if spread is not None:
        if item.data == "named":
            raise compiler.error(tree, "properties that are spread over columns have no common name.")
        return None, spread
    if item.data == "named":
        token = str(item.children[1])
        name = token if token[0] not in _QUOTES else (unquote(token) if token[0] in _TEXT_QUOTES else token[1:-1])
        return name, compiler.expression(tree).run
    source = compiler.source(tree)
    name = source[1:-1] if tree.data == "quoted" else source
    return name, compiler.expression(tree).run


_TEXT_QUOTES: Final = frozenset("'\u2018\u2019")
_QUOTES: Final = frozenset('"\u201c\u201d') | _TEXT_QUOTES

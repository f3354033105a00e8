"""From the text of a statement to what it says, with the documented code for everything that is wrong with it."""

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import msgspec

from thingplane.search import errors
from thingplane.search.dates import read_date
from thingplane.search.fields import FIELDS, OPERATORS, SORTABLE, STATUSES, Field, FieldType
from thingplane.search.statement import Condition, Conditions, Operator, Statement

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

    Branch: TypeAlias = Tree[Token]


class SearchLimits(msgspec.Struct, frozen=True):
    """How much a statement may ask for (guide 4.8.35)."""

    characters: int = 400
    conditions: int = 5
    page: int = 50
    """Devices of one answer."""
    reach: int = 10_000
    """Devices that offset and page reach."""
    prefix: int = 4
    """Characters before the percent sign of LIKE, at least."""


_FORBIDDEN: Final = re.compile(r"[\\/&+\-!():~{}*?%]")
"""What the prefix of LIKE must not contain."""


def parse(sql: str, limits: SearchLimits) -> Statement:
    """Return what a statement says.

    Raises:
        BusinessError: one of iot.devicesearch.*.
    """
    if len(sql) > limits.characters:
        raise errors.INVALID_SQL_ERROR(f"A statement has at most {limits.characters} characters.")
    return _Reader(limits).statement(_tree(sql))


@cache
def _parser() -> "Lark":
    # Takes 50 ms to import, and only a search needs it.
    from lark import Lark  # noqa: PLC0415

    grammar = files("thingplane.search").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=True)


def _tree(sql: str) -> "Branch":
    from lark.exceptions import UnexpectedInput, UnexpectedToken  # noqa: PLC0415 - as above

    try:
        return _parser().parse(sql)
    except UnexpectedInput as error:
        ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        where = "at its end" if ended else f"after {error.pos_in_stream} characters"
        raise errors.INVALID_SQL_ERROR(f"The statement cannot be understood {where}.") from error


class _Reader:
    """Checks the parts of a statement that the grammar leaves open."""

    def __init__(self, limits: SearchLimits) -> None:
        self._limits = limits

    def statement(self, tree: "Branch") -> Statement:
        selection, conditions, order, limit = cast("list[Any]", tree.children)
        fields = self._selection(selection)
        alternatives = self._conditions(conditions)
        order_by, descending = (None, False) if order is None else self._order(order)
        offset, size = (0, 20) if limit is None else self._limit(limit)
        return Statement(
            fields=fields,
            alternatives=alternatives,
            order_by=order_by,
            descending=descending,
            offset=offset,
            limit=size,
        )

    def _selection(self, tree: "Branch") -> frozenset[str]:
        if tree.data == "everything":
            return frozenset(FIELDS)
        if tree.data == "count":
            return frozenset()
        return frozenset(_field(str(name)).name for name in tree.children) | {"iot_id"}

    def _conditions(self, tree: "Branch") -> tuple[Conditions, ...]:
        count = len(tree.children) // 2 + 1
        if count > self._limits.conditions:
            raise errors.INVALID_SQL_CONDITION_ERROR(f"A statement has at most {self._limits.conditions} conditions.")
        alternatives: list[list[Condition]] = [[]]
        for part in cast("list[Branch]", tree.children):
            if part.data == "either":
                alternatives.append([])
            elif part.data == "condition":
                alternatives[-1].append(self._condition(part))
        for alternative in alternatives:
            names = {condition.field.name for condition in alternative}
            if "ota_module.module_name" in names and "ota_module.firmware_version" not in names:
                raise errors.INVALID_SQL_PARAM_ERROR(
                    "ota_module.module_name is of use only together with ota_module.firmware_version."
                )
        return tuple(map(tuple, alternatives))

    def _condition(self, tree: "Branch") -> Condition:
        name, operator, value = cast("list[Any]", tree.children)
        field = _field(str(name))
        text = cast("Operator", str(operator).upper())
        if text not in OPERATORS[field.type]:
            raise errors.INVALID_SQL_OPERATOR_TYPE_ERROR(f"{field.name} cannot be compared with {text}.")
        return Condition(field, text, self._value(field, text, value))

    def _value(self, field: Field, operator: Operator, tree: "Branch") -> str | int | None:
        if tree.data == "null":
            if operator not in {"=", "!="}:
                raise errors.INVALID_SQL_PARAM_ERROR(f"null cannot be compared with {operator}.")
            return None
        if tree.data == "number":
            raise errors.INVALID_SQL_PARAM_ERROR(f"{field.name} is compared with text in quotation marks.")
        text = str(tree.children[0])[1:-1]
        if operator == "LIKE":
            return self._prefix(text)
        if field.type is FieldType.DATE:
            moment = read_date(text)
            if moment is None:
                raise errors.INVALID_SQL_PARAM_ERROR(f"{field.name} is compared with yyyy-MM-dd HH:mm:ss.SSS.")
            return moment
        if field.type is FieldType.STATUS and text not in STATUSES:
            raise errors.INVALID_SQL_PARAM_ERROR(f"{field.name} is one of {', '.join(STATUSES)}.")
        return text

    def _prefix(self, pattern: str) -> str:
        prefix = pattern.removesuffix("%")
        if prefix == pattern or len(prefix) < self._limits.prefix or _FORBIDDEN.search(prefix):
            raise errors.INVALID_SQL_PARAM_ERROR(
                f"LIKE takes a prefix of at least {self._limits.prefix} characters without special ones, and then %."
            )
        return prefix

    def _order(self, tree: "Branch") -> tuple[Field, bool]:
        name, direction = cast("Any", tree.children[0]).children
        way = "ASC" if direction is None else str(direction).upper()
        if len(tree.children) > 1 or str(name) not in SORTABLE or way not in {"ASC", "DESC"}:
            raise errors.INVALID_SQL_ORDER_ERROR()
        return FIELDS[str(name)], way == "DESC"

    def _limit(self, tree: "Branch") -> tuple[int, int]:
        limits = self._limits
        first, second = tree.children
        try:
            offset, size = (0, int(str(first))) if second is None else (int(str(first)), int(str(second)))
        except ValueError:
            offset = size = -1
        if not 1 <= size <= limits.page or offset < 0 or offset + size > limits.reach:
            raise errors.INVALID_SQL_OFFSET_ERROR(
                f"LIMIT takes up to {limits.page} devices, and reaches {limits.reach} devices with its offset."
            )
        return offset, size


def _field(name: str) -> Field:
    field = FIELDS.get(name)
    if field is None:
        raise errors.INVALID_SQL_FIELD_ERROR(f"There is no field {name}.")
    return field

"""From the tree of a clause to closures."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import msgspec

from thingplane.rules.sql import operators
from thingplane.rules.sql.errors import Clause, EvaluationError, Failure, SqlError
from thingplane.rules.sql.functions import FUNCTIONS, Function
from thingplane.rules.sql.parsing import unquote
from thingplane.rules.sql.paths import as_array, follow, read_path
from thingplane.rules.sql.row import Evaluate, Row, Value
from thingplane.rules.sql.values import Number, number, number_in, text

if TYPE_CHECKING:
    from thingplane.rules.sql.parsing import Branch

MAX_DEPTH: Final = 32
"""Levels of parentheses, function calls, NOT and minus signs: closures call each other on the stack."""
_VARIABLE: Final = msgspec.UNSET
FLATTENING: Final = frozenset({"thingpropertyflatmap", "thingpropertyflat"})


class Expression(msgspec.Struct, frozen=True):
    """A compiled expression."""

    run: Evaluate
    constant: Value = _VARIABLE
    """Its value if it is the same for all messages, UNSET otherwise."""
    is_condition: bool = False


Aliases: TypeAlias = Mapping[str, Evaluate]


class Compiler:
    """Compiles expressions of one clause."""

    def __init__(self, clause: Clause, source: str, *, binary: bool, aliases: Aliases | None = None) -> None:
        """Prepare.

        Args:
            clause: which one, for messages.
            source: its text.
            binary: whether payloads are not parsed: paths are refused.
            aliases: columns that a path may name when the payload has nothing under it.
        """
        self._clause = clause
        self._source = source
        self.binary = binary
        self._aliases = aliases or {}
        self._depth = 0
        self.uses_tags = False
        """Whether a compiled expression asks for tags of the device."""
        self._cases = 0

    def source(self, tree: "Branch") -> str:
        """Return the text of an expression."""
        return self._source[tree.meta.start_pos : tree.meta.end_pos]

    def error(self, tree: "Branch", reason: str) -> SqlError:
        return SqlError(self._clause, _position(tree), reason)

    def condition(self, tree: "Branch") -> Evaluate:
        """Compile an expression that gives true, false or null."""
        expression = self.expression(tree)
        if expression.is_condition:
            return expression.run
        return self._guarded(tree, operators.condition(expression.run))

    def expression(self, tree: "Branch") -> Expression:
        """Compile an expression.

        Raises:
            SqlError: it breaks a rule.
        """
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.error(tree, f"expressions are nested more than {MAX_DEPTH} levels deep.")
        try:
            compiled: Expression = getattr(self, f"_{tree.data.strip('_')}")(tree)
        except Failure as failure:
            raise self.error(tree, str(failure)) from None
        finally:
            self._depth -= 1
        return compiled

    def _operands(self, tree: "Branch") -> list[Any]:
        return list(tree.children)

    # Constants and paths

    def _number(self, tree: "Branch") -> Expression:
        value = number_in(str(tree.children[0]))
        if value is None:
            raise self.error(tree, "the number is out of range.")
        return _constant(value)

    def _negative_number(self, tree: "Branch") -> Expression:
        value = number_in(f"-{tree.children[1]}")
        if value is None:
            raise self.error(tree, "the number is out of range.")
        return _constant(value)

    def _text(self, tree: "Branch") -> Expression:
        return _constant(unquote(str(tree.children[0])))

    def _true(self, _tree: "Branch") -> Expression:
        return _constant(True)

    def _false(self, _tree: "Branch") -> Expression:
        return _constant(False)

    def _null(self, _tree: "Branch") -> Expression:
        return _constant(None)

    def _path(self, tree: "Branch") -> Expression:
        return self._path_of(tree, str(tree.children[0]))

    def _quoted(self, tree: "Branch") -> Expression:
        inner = str(tree.children[0])[1:-1]
        if inner.lstrip("-").isdecimal() and inner.isascii():
            # The documented way of substring() to take a number in double quotes.
            return _constant(number_in(inner))
        return self._path_of(tree, inner)

    def _path_of(self, tree: "Branch", path: str) -> Expression:
        if self.binary:
            raise self.error(tree, f"{path[:60]} is a field, and binary payloads have none; use functions.")
        try:
            steps, many = read_path(path)
        except ValueError:
            raise self.error(tree, f'"{path[:60]}" is no path.') from None
        found = follow(steps)
        if many:
            return Expression(as_array(found))
        alias = self._aliases.get(path)
        if alias is None:
            return Expression(found)

        def or_column(row: Row) -> Value:
            value = found(row)
            return alias(row) if value is None else value

        return Expression(or_column)

    def _group(self, tree: "Branch") -> Expression:
        return self.expression(self._operands(tree)[0])

    # Conditions

    def _any_of(self, tree: "Branch") -> Expression:
        return _condition(operators.any_of([self.condition(operand) for operand in self._operands(tree)]))

    def _all_of(self, tree: "Branch") -> Expression:
        return _condition(operators.all_of([self.condition(operand) for operand in self._operands(tree)]))

    def _not(self, tree: "Branch") -> Expression:
        return _condition(operators.negation(self.condition(self._operands(tree)[0])))

    def _compare(self, tree: "Branch") -> Expression:
        left_tree, sign, right_tree = self._operands(tree)
        left, right = self.expression(left_tree), self.expression(right_tree)
        operator = "<>" if sign == "!=" else str(sign)
        if right.constant is not _VARIABLE:
            return _condition(operators.compare_with_constant(left.run, operator, right.constant))
        if left.constant is not _VARIABLE:
            return _condition(operators.compare_with_constant(right.run, operators.mirrored(operator), left.constant))
        return _condition(operators.compare(left.run, operator, right.run))

    def _among(self, tree: "Branch", *, wanted: bool = True) -> Expression:
        left, *literals = self._operands(tree)
        constants = [self._literal(literal) for literal in literals]
        return _condition(operators.among(self.expression(left).run, constants, wanted))

    def _not_among(self, tree: "Branch") -> Expression:
        return self._among(tree, wanted=False)

    def _literal(self, tree: "Branch") -> Value:
        if tree.data == "quoted":
            expression = self.expression(tree)
            if expression.constant is _VARIABLE:
                raise self.error(tree, "a constant is expected: text in single quotation marks, or a number.")
            return expression.constant
        return self.expression(tree).constant

    def _like(self, tree: "Branch", *, wanted: bool = True) -> Expression:
        left, literal = self._operands(tree)
        pattern = self._literal(literal)
        if pattern is None:
            return _constant(None)
        matching = operators.like(self.expression(left).run, text(pattern), wanted)
        return Expression(self._guarded(tree, matching), is_condition=True)

    def _not_like(self, tree: "Branch") -> Expression:
        return self._like(tree, wanted=False)

    def _is_null(self, tree: "Branch") -> Expression:
        operand = self.expression(self._operands(tree)[0]).run
        return _condition(lambda row: operand(row) is None)

    def _is_not_null(self, tree: "Branch") -> Expression:
        operand = self.expression(self._operands(tree)[0]).run
        return _condition(lambda row: operand(row) is not None)

    # Arithmetic

    def _sum(self, tree: "Branch") -> Expression:
        return self._chain(tree)

    def _product(self, tree: "Branch") -> Expression:
        return self._chain(tree)

    def _chain(self, tree: "Branch") -> Expression:
        """Compile operands with operators of one rank between them, from left to right."""
        children = self._operands(tree)
        first = self.expression(children[0]).run
        steps = [
            (operators.ARITHMETIC[str(sign)], self.expression(operand).run)
            for sign, operand in zip(children[1::2], children[2::2], strict=True)
        ]

        def evaluate(row: Row) -> Number | None:
            value = first(row)
            for apply, operand in steps:
                other = operand(row)
                if value is None or other is None:
                    return None
                value = apply(number(value), number(other))
            return cast("Number | None", value)

        return Expression(self._guarded(tree, evaluate))

    def _negative(self, tree: "Branch") -> Expression:
        _, operand_tree = self._operands(tree)
        operand = self.expression(operand_tree)
        if type(operand.constant) in {int, float}:
            return _constant(-operand.constant)
        return Expression(self._guarded(tree, _null_safe(operators.negative, operand.run)))

    def _guarded(self, tree: "Branch", evaluate: Evaluate) -> Evaluate:
        """Return an expression whose failures say where they happened."""
        clause, position = self._clause, _position(tree)

        def guarded(row: Row) -> Value:
            try:
                return evaluate(row)
            except Failure as failure:
                raise EvaluationError(clause, position, str(failure)) from None

        return guarded

    # CASE

    def _case(self, tree: "Branch") -> Expression:
        if self._cases:
            raise self.error(tree, "CASE cannot stand inside of CASE.")
        self._cases += 1
        try:
            return self._compiled_case(tree)
        finally:
            self._cases -= 1

    def _compiled_case(self, tree: "Branch") -> Expression:
        subject_tree, *when_trees, else_tree = self._operands(tree)
        otherwise = self.expression(else_tree).run if else_tree is not None else _nothing
        branches: list[tuple[Evaluate, Evaluate]] = []
        for when in when_trees:
            test_tree, result_tree = when.children
            if subject_tree is None:
                test = self.condition(test_tree)
            else:
                subject, value = self.expression(subject_tree).run, self.expression(test_tree)
                test = (
                    operators.compare(subject, "=", value.run)
                    if value.constant is _VARIABLE
                    else operators.compare_with_constant(subject, "=", value.constant)
                )
            branches.append((test, self.expression(result_tree).run))

        def evaluate(row: Row) -> Value:
            for test, result in branches:
                if test(row) is True:
                    return result(row)
            return otherwise(row)

        return Expression(evaluate)

    # Functions

    def _call_with_payload(self, tree: "Branch") -> Expression:
        function = self._function(tree)
        if not function.of_payload:
            raise self.error(tree, f"{tree.children[0]} does not take *.")
        return Expression(function.call)

    def _call(self, tree: "Branch") -> Expression:
        function = self._function(tree)
        name = str(tree.children[0])
        trees = [child for child in self._operands(tree)[1:] if child is not None]
        if function.of_payload:
            raise self.error(tree, f"{name} takes *, which stands for the payload.")
        if not function.least <= len(trees) <= function.most:
            expected = (
                str(function.least) if function.least == function.most else f"{function.least} to {function.most}"
            )
            raise self.error(tree, f"{name} takes {expected} arguments, not {len(trees)}.")
        arguments = [self.expression(child) for child in trees]
        if function.prepare is not None and arguments and arguments[0].constant is not _VARIABLE:
            function.prepare(arguments[0].constant)
        if name.lower() in {"attribute", "tag"}:
            self.uses_tags = True
        runs = [argument.run for argument in arguments]
        return Expression(self._guarded(tree, _bound(function, runs)) if runs else _without_arguments(function))

    def _function(self, tree: "Branch") -> Function:
        name = str(tree.children[0])
        function = FUNCTIONS.get(name.lower())
        if function is None:
            if name.lower() in FLATTENING:
                raise self.error(tree, f"{name} is a column of its own, without a name and not part of an expression.")
            raise self.error(tree, f"there is no function {name[:60]}.")
        return function

    # Columns of which there may be many

    def flattening(self, tree: "Branch") -> Callable[[Row], dict[str, Value]] | None:
        """Compile a call of thingPropertyFlatMap; None for any other expression."""
        if tree.data != "call" or str(tree.children[0]).lower() not in FLATTENING:
            return None
        if self.binary:
            raise self.error(tree, "binary payloads have no properties.")
        names = []
        for argument in self._operands(tree)[1:]:
            if argument is None:
                continue
            if argument.data not in {"path", "quoted", "text"}:
                raise self.error(tree, f"{tree.children[0]} takes identifiers of properties.")
            token = str(argument.children[0])
            names.append(token if argument.data == "path" else token[1:-1])
        return _flatten(tuple(names))


def _position(tree: "Branch") -> int:
    return int(tree.meta.start_pos)


def _constant(value: Value) -> Expression:
    return Expression(lambda _row: value, value, type(value) is bool)


def _condition(run: Evaluate) -> Expression:
    return Expression(run, is_condition=True)


def _nothing(_row: Row) -> None:
    return None


def _null_safe(call: Callable[[Value], Value], operand: Evaluate) -> Evaluate:
    def evaluate(row: Row) -> Value:
        value = operand(row)
        return None if value is None else call(value)

    return evaluate


def _without_arguments(function: Function) -> Evaluate:
    call = function.call
    return call if function.of_row else lambda _row: call()


def _bound(function: Function, arguments: Sequence[Evaluate]) -> Evaluate:
    call, of_row, takes_null = function.call, function.of_row, function.takes_null
    if len(arguments) == 1 and not of_row:
        return _null_safe(call, arguments[0])

    def evaluate(row: Row) -> Value:
        values = [argument(row) for argument in arguments]
        if not takes_null and None in values:
            return None
        return call(row, *values) if of_row else call(*values)

    return evaluate


def _flatten(names: Sequence[str]) -> Callable[[Row], dict[str, Value]]:
    def evaluate(row: Row) -> dict[str, Value]:
        items = row.body.get("items") if type(row.body) is dict else None
        if type(items) is not dict:
            return {}
        flat: dict[str, Value] = {}
        for name in names or items:
            item = items.get(name)
            if type(item) is dict and "value" in item:
                _spread(name, item["value"], flat)
        return flat

    return evaluate


def _spread(name: str, value: Value, flat: dict[str, Value]) -> None:
    """Add a property under its identifier, and the fields of a struct under identifier_field."""
    pending = [(name, value)]
    while pending:
        key, found = pending.pop()
        if type(found) is dict:
            pending += [(f"{key}_{field}", inner) for field, inner in reversed(found.items())]
        else:
            flat[key] = found

"""Scripts in Python (guest side): new globals for every call.

The vendor runs Python 2.7, this is the Python of the node. So that scripts written for the vendor do not silently
compute something else, ``/`` divides integers as it does there, and the names that Python 3 has renamed are defined.
What Python 3 cannot read, such as the print statement, is an error that names the line.
"""

import ast
import builtins
import copy
import io
import json
import sys
import traceback
from types import CodeType
from typing import Any

from thingplane.scripts.frames import Kind
from thingplane.scripts.limits import CONSOLE_CHARACTERS

# What scripts may import besides modules written in C; guests cannot read files.
MODULES = (
    *(
        "__future__",
        "array",
        "base64",
        "binascii",
        "bisect",
        "calendar",
        "codecs",
        "collections",
        "copy",
        "datetime",
        "decimal",
    ),
    *("functools", "hashlib", "heapq", "hmac", "itertools", "json", "math", "operator", "random", "re", "string"),
    *("struct", "textwrap", "time", "zlib"),
)
_FILE = "script"
_DIVIDE = "__divide__"


def _divide(left: Any, right: Any) -> Any:
    both_integers = isinstance(left, int) and isinstance(right, int)
    return left // right if both_integers else left / right


_NAMES = {
    "unicode": str,
    "basestring": str,
    "long": int,
    "xrange": range,
    "unichr": chr,
    _DIVIDE: _divide,
}


class _Division(ast.NodeTransformer):
    """Replaces ``/`` and ``/=``."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return _division(node, node.left, node.right) if isinstance(node.op, ast.Div) else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Div):
            return node
        old = copy.copy(node.target)
        old.ctx = ast.Load()
        return ast.copy_location(ast.Assign([node.target], _division(node, old, node.value)), node)


def _division(node: ast.AST, left: ast.expr, right: ast.expr) -> ast.expr:
    name = ast.copy_location(ast.Name(_DIVIDE, ast.Load()), node)
    return ast.copy_location(ast.Call(name, [left, right], []), node)


class Python:
    """A script; see ``guest.Program``."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._code: CodeType | None = None

    def call(self, name: str, arguments: bytes, *, last: bool) -> tuple[Kind, str, str]:  # noqa: ARG002 - as all have
        printed = sys.stdout = io.StringIO()
        try:
            kind, text = self._call(name, json.loads(arguments))
        except MemoryError:
            kind, text = Kind.MEMORY, ""
        except BaseException as error:  # noqa: BLE001 - also SystemExit is only this call's end
            kind, text = Kind.THREW, _describe(error)
        return kind, text, printed.getvalue()[:CONSOLE_CHARACTERS]

    def _call(self, name: str, arguments: list[Any]) -> tuple[Kind, str]:
        if self._code is None:
            self._code = _compile(self._source)
        names: dict[str, Any] = {"__name__": _FILE, "__builtins__": builtins, **_NAMES}
        exec(self._code, names)  # noqa: S102 - what this process exists for
        function = names.get(name)
        if not callable(function):
            return Kind.MISSING, ""
        result = function(*arguments)
        if result is None:
            return Kind.NOTHING, ""
        if isinstance(result, bytes | bytearray):
            result = list(result)
        try:
            return Kind.RETURNED, json.dumps(result, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            return Kind.NOT_JSON, str(error)


def _compile(source: str) -> CodeType:
    tree = ast.parse(source, _FILE)
    future = any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "division" for alias in node.names)
        for node in tree.body
    )
    if not future:
        tree = _Division().visit(tree)
    return compile(tree, _FILE, "exec", dont_inherit=True)


def _describe(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    except Exception:  # noqa: BLE001 - the script's own exception class may raise when it is printed
        text = type(error).__name__
    line = getattr(error, "lineno", None)
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == _FILE:
            line = number
    return text if line is None else f"{text} (line {line})"

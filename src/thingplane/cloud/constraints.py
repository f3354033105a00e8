"""Conversion of a parameter's text into its type, and the documented constraints of its ``Field``."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from thingplane.cloud.errors import BusinessError
from thingplane.cloud.schema import Field

Check = Callable[[Any], bool]
Convert = Callable[[str, str], Any]

_INTEGER = re.compile("-?[0-9]{1,19}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_BASE64 = re.compile("[A-Za-z0-9+/]*={0,2}", re.ASCII)
_INT64: Final = range(-(2**63), 2**63)
_BOOLEANS: Final = {"true": True, "false": False}
_EXPECTED: Final = {int: "an integer", float: "a number", bool: "true or false", str: "text without NUL"}


def converter(kind: type, field: Field, *, required: bool) -> Convert:
    """Return the function from text and parameter name to a value.

    Empty text raises ``field.empty`` where that is set, and where the parameter is mandatory (or of a type that has no
    empty text) ``field.invalid``. Text for an optional parameter may be empty when no constraint forbids it.
    """
    parse = _PARSERS[kind]
    expected = _EXPECTED[kind]
    checks = list(_checks(kind, field))
    empty = field.empty or (field.invalid if required or kind is not str else None)

    def refused(reason: str, name: str) -> BusinessError:
        return field.invalid(f"{field.invalid.message} ({name}: {reason})")

    def convert(text: str, name: str) -> Any:
        if not text and empty is not None:
            raise empty(f"{empty.message} ({name}: must not be empty)")
        value = parse(text)
        if value is None:
            raise refused(f"must be {expected}", name)
        for fits, reason in checks:
            if not fits(value):
                raise refused(reason, name)
        return value

    return convert


def wide_length(text: str) -> int:
    """Return the length with every character outside ASCII counted as two (guide: names of products and devices)."""
    return len(text) if text.isascii() else sum(1 if char < "\x80" else 2 for char in text)


def is_json(text: str) -> bool:
    """Tell whether text is one JSON value, nested no deeper than the decoder can follow."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def is_base64(text: str) -> bool:
    """Tell whether text is Base64 (RFC 4648 §4), where the padding may be missing."""
    if not _BASE64.fullmatch(text):
        return False
    bare = text.rstrip("=")
    try:
        base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        return False
    return True


def _integer(text: str) -> int | None:
    if not _INTEGER.fullmatch(text):
        return None
    value = int(text)
    return value if value in _INT64 else None


def _number(text: str) -> float | None:
    if not _DECIMAL.fullmatch(text):
        return None
    value = float(text)
    return value if abs(value) != float("inf") else None


def _text(text: str) -> str | None:
    # PostgreSQL cannot store NUL in text, and no documented value contains it.
    return None if "\0" in text else text


_PARSERS: Final[dict[type, Callable[[str], Any]]] = {
    str: _text,
    int: _integer,
    float: _number,
    bool: lambda text: _BOOLEANS.get(text.lower()),
}
_LENGTHS: Final[dict[str, Callable[[str], int]]] = {
    "chars": len,
    "wide": wide_length,
    "bytes": lambda text: len(text.encode()),
}
_UNITS: Final = {"chars": "characters", "wide": "characters (those outside ASCII count two)", "bytes": "bytes"}


def describe(kind: type, field: Field) -> list[str]:
    """Return the constraints in words, for the reference page and error messages."""
    return [reason for _, reason in _checks(kind, field)]


def _checks(kind: type, field: Field) -> list[tuple[Check, str]]:
    checks: list[tuple[Check, str]] = []
    if (least := field.minimum) is not None:
        checks.append((lambda value: value >= least, f"at least {least}"))
    if (most := field.maximum) is not None:
        checks.append((lambda value: value <= most, f"at most {most}"))
    if kind is str:
        length, unit = _LENGTHS[field.length], _UNITS[field.length]
        if (shortest := field.min_length) is not None:
            checks.append((lambda value: length(value) >= shortest, f"at least {shortest} {unit}"))
        if (longest := field.max_length) is not None:
            checks.append((lambda value: length(value) <= longest, f"at most {longest} {unit}"))
        if field.pattern is not None:
            matches = re.compile(field.pattern).fullmatch
            checks.append((lambda value: matches(value) is not None, f"must match {field.pattern}"))
        if field.json:
            checks.append((is_json, "must be JSON"))
        if field.base64:
            checks.append((is_base64, "must be Base64"))
    if field.choices:
        choices = field.choices
        checks.append((lambda value: value in choices, "must be one of " + ", ".join(map(str, choices))))
    return checks

"""Functions of text."""

import hashlib
import math
from collections.abc import Callable
from typing import Final

from thingplane.rules.sql.errors import Failure
from thingplane.rules.sql.functions.function import Function
from thingplane.rules.sql.functions.md2 import md2
from thingplane.rules.sql.row import Value
from thingplane.rules.sql.values import check_length, limited, number, text

MAX_MD2: Final = 4096
"""Bytes; see ``md2``."""


def _concat(*parts: Value) -> str:
    return limited("".join(map(text, parts)))


def _md2(data: bytes) -> str:
    if len(data) > MAX_MD2:
        raise Failure(f"MD2 takes at most {MAX_MD2} bytes.")
    return md2(data)


_DIGESTS: Final[dict[str, Callable[[bytes], str]]] = {
    "MD2": _md2,
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA1": lambda data: hashlib.sha1(data, usedforsecurity=False).hexdigest(),
    "SHA256": lambda data: hashlib.sha256(data).hexdigest(),
    "SHA384": lambda data: hashlib.sha384(data).hexdigest(),
    "SHA512": lambda data: hashlib.sha512(data).hexdigest(),
}


def _crypto(value: Value, algorithm: Value) -> str:
    digest = _DIGESTS.get(text(algorithm).upper().replace("-", ""))
    if digest is None:
        raise Failure("The algorithm is one of MD2, MD5, SHA1, SHA-256, SHA-384 and SHA-512.")
    # What JSON may hold of half a surrogate pair has no other bytes.
    return digest(text(value).encode("utf-8", "surrogatepass"))


def _endswith(value: Value, suffix: Value) -> bool:
    return text(value).endswith(text(suffix))


def _replace(value: Value, find: Value, replacement: Value) -> str:
    source, wanted, new = text(value), text(find), text(replacement)
    if not wanted:
        return source
    if len(new) > len(wanted):
        check_length(len(source) + source.count(wanted) * (len(new) - len(wanted)))
    return source.replace(wanted, new)


def _position(value: Value) -> int:
    return max(0, math.trunc(number(value)))


def _substring(value: Value, start: Value, end: Value = math.inf) -> str:
    """Return the characters from start to before end, counted from 0; both are cut to what there is."""
    if type(value) is int:
        value = str(value)
    if type(value) is not str:
        raise Failure("substring takes text or an integer.")
    first = _position(start)
    last = len(value) if end == math.inf else min(_position(end), len(value))
    return value[first:last]


def _coalesce(value: Value, default: Value) -> Value:
    return default if value is None else value


FUNCTIONS: Final[dict[str, Function]] = {
    "concat": Function(_concat, 2, 50),
    "crypto": Function(_crypto, 2, 2),
    "endswith": Function(_endswith, 2, 2),
    "lower": Function(lambda value: limited(text(value).lower())),
    "nanvl": Function(_coalesce, 2, 2, takes_null=True),
    "replace": Function(_replace, 3, 3),
    "substring": Function(_substring, 2, 3),
    "upper": Function(lambda value: limited(text(value).upper())),
}

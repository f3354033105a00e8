"""The structs that declare an operation: parameters with their documented constraints, and answers."""

from dataclasses import dataclass
from typing import Any, Literal, dataclass_transform

import msgspec

from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER, ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Documented constraints of a request parameter, and the documented error code of each violation.

    ``length="wide"`` counts every character outside ASCII as two, as the guide does for names in Chinese or Japanese;
    ``"bytes"`` counts UTF-8 bytes. ``pattern`` must match the whole text. The constraints of a list parameter apply to
    its items, except ``min_items``, ``max_items`` and ``unique``.
    """

    empty: ErrorCode | None = None
    """Raised for a text parameter that is present but empty, or a list without items; None: as ``invalid``."""
    invalid: ErrorCode = INVALID_FORMATTED_PARAMETER
    """Raised for every other violation and for text that is not of the parameter's type."""
    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    length: Literal["chars", "wide", "bytes"] = "chars"
    pattern: str | None = None
    choices: tuple[str | int, ...] = ()
    min_items: int | None = None
    max_items: int | None = None
    too_many: ErrorCode | None = None
    """Raised when ``max_items`` is exceeded; None: as ``invalid``."""
    unique: bool = False
    json: bool = False
    """The text must be JSON (the operation decodes it)."""
    base64: bool = False
    """The text must be Base64; padding may be missing."""
    secret: bool = False
    """Never logged."""
    misprint: str | None = None
    """Name under which a sample of the guide has the parameter; taken where the parameter itself is absent."""
    doc: str = ""
    """One sentence for the reference page, where the name does not say enough."""


class _KeywordOnly(msgspec.StructMeta):
    """Makes the fields of every struct keyword-only: subclasses add mandatory fields after optional ones."""

    def __new__(
        mcls: "type[_KeywordOnly]", name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> "_KeywordOnly":
        options.setdefault("kw_only", True)
        return super().__new__(mcls, name, bases, namespace, **options)


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class Struct(msgspec.Struct, metaclass=_KeywordOnly, omit_defaults=True):
    """Part of a request or answer. Fields are named as on the wire; in answers None is left out."""


class Request(Struct):
    """The parameters of an operation, besides the common ones (guide: common parameters)."""

    IotInstanceId: str | None = None


class Response(Struct):
    """The fields of an answer besides RequestId, Success, Code and ErrorMessage, which are added to every answer."""
